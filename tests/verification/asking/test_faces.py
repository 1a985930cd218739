"""The three faces in a browser: the served page, the widget in JupyterLab, the template for Mechanical Turk.

See `browsing` for how to keep pictures of what it showed.
"""

import json
import random
import shutil
import sqlite3
import subprocess
import sys
import urllib.request
from contextlib import contextmanager

import pandas as pd
import pytest
from browsing import CHROMIUM, PATIENCE, chromium, jupyterlab, keep, new_page, run_all
from conftest import EVIL, Served

from d3s_utils.verification.asking.store import LONGEST

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")]
KEYS = ("y", "n", "n")  # object there, background not, nothing adult


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def served(asked_outputs, tmp_path):
    shutil.copytree(asked_outputs, tmp_path, dirs_exist_ok=True)
    with Served(tmp_path / "asked.yaml", tmp_path / "outputs") as page:
        page.folder = tmp_path / "outputs" / "asked"
        yield page


def come_in(browser, url, name, **context):
    """A page of `name`'s own, at the first picture."""
    page = new_page(browser, **context)
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.goto(url)
    page.wait_for_selector("#join:not([hidden])")
    page.fill("#name", name)
    page.keyboard.press("Enter")
    page.wait_for_selector("#task:not([hidden])")
    return page


def press(page, *keys):
    """Type, and wait until the server has answered all of it."""
    for key in keys:
        page.keyboard.press(key)
    page.evaluate("work")


def count(page):
    return page.inner_text("#count")


def open_question(page):
    return page.get_attribute("fieldset.open", "data-question")


def test_a_session_of_25_by_keyboard_alone(served, browser):
    page = come_in(browser, served.url, "ann")
    keep(page, "page_first")
    for number in range(1, 26):
        assert count(page) == f"picture {number} of 25" and open_question(page) == "foreground"
        press(page, *KEYS)
    page.wait_for_selector("#done:not([hidden])")
    keep(page, "page_done")
    assert "all 25 pictures" in page.inner_text("#done-text") and not page.problems
    served.stop()
    votes = pd.read_csv(served.folder / "votes.csv")
    gold = pd.read_csv(served.folder / "gold_votes.csv")
    wanted = {"foreground": "yes", "background": "no", "adult": "no"}
    assert all(wanted[question] == answer for question, answer in zip(votes["question"], votes["answer"], strict=True))
    assert votes["image_id"].nunique() + gold["image_id"].nunique() == 25 and set(votes["worker_id"]) == {"ann"}
    assert votes["seconds"].between(0, LONGEST).all() and votes["answered_at"].notna().all()


def test_undo_arrows_and_a_change_of_mind(served, browser):
    page = come_in(browser, served.url, "ann")
    press(page, "y", "y")
    assert open_question(page) == "adult"
    press(page, "u")
    assert open_question(page) == "background" and page.locator(".chosen").count() == 1
    press(page, "n", "n")
    assert count(page) == "picture 2 of 25"
    press(page, "Backspace")
    assert count(page) == "picture 1 of 25" and open_question(page) == "adult"
    press(page, "n", "ArrowLeft")
    assert count(page) == "picture 1 of 25" and page.locator(".chosen").count() == 3
    page.click("fieldset[data-question=foreground] button.no")
    page.evaluate("work")
    press(page, "ArrowRight", "ArrowRight")
    assert count(page) == "picture 3 of 25"
    served.stop()
    votes = pd.read_csv(served.folder / "votes.csv")
    gold = served.folder / "gold_votes.csv"
    every = pd.concat([votes, pd.read_csv(gold)]) if gold.exists() else votes
    answers = every.set_index("question")["answer"].to_dict()
    assert answers["foreground"] == "no" and answers["background"] == "no"


def test_reload_goes_on_where_it_was(served, browser):
    page = come_in(browser, served.url, "ann")
    press(page, *KEYS, *KEYS, "y")
    page.reload()
    page.wait_for_selector("fieldset.open")
    assert count(page) == "picture 3 of 25" and open_question(page) == "background"
    elsewhere = come_in(browser, served.url, "ann")  # another device, the same name
    assert count(elsewhere) == "picture 3 of 25"


def test_two_annotators_at_once_have_queues_of_their_own(served, browser):
    ann, bea = come_in(browser, served.url, "ann"), come_in(browser, served.url, "bea")
    press(ann, *KEYS, *KEYS)
    press(bea, *KEYS)
    assert (count(ann), count(bea)) == ("picture 3 of 25", "picture 2 of 25")
    served.stop()
    votes = pd.read_csv(served.folder / "votes.csv")
    assert set(votes["worker_id"]) == {"ann", "bea"}


def test_keys_typed_faster_than_the_server_answers_are_all_heard(served, browser):
    page = come_in(browser, served.url, "ann")
    press(page, *KEYS * 8)
    assert count(page) == "picture 9 of 25"


def test_an_answer_waits_for_a_server_that_is_away(served, browser, tmp_path):
    page = come_in(browser, served.url, "ann")
    served.process.kill()
    served.process.wait()
    page.keyboard.press("y")
    page.wait_for_selector("#notice:not(:empty)")
    assert "sent again" in page.inner_text("#notice")
    with Served(tmp_path / "asked.yaml", tmp_path / "outputs", port=served.port):
        page.wait_for_selector("fieldset.open[data-question=background]")
        assert page.inner_text("#notice") == ""


def test_a_phone_shows_picture_and_questions_without_scrolling(served, browser):
    phone = {"width": 390, "height": 760}
    page = come_in(browser, served.url, "cy", viewport=phone, has_touch=True, is_mobile=True)
    keep(page, "page_phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= phone["width"]
    boxes = [page.locator(where).bounding_box() for where in ("#picture", "fieldset >> nth=2")]
    assert boxes[0]["y"] >= 0 and boxes[1]["y"] + boxes[1]["height"] <= phone["height"]
    button = page.locator("fieldset.open button.yes")
    assert button.bounding_box()["height"] >= 40 and button.bounding_box()["width"] >= 100, "a finger hits it"
    button.tap()
    page.wait_for_selector("fieldset.open[data-question=background]")


def test_screen_readers_are_told_what_is_shown(served, browser):
    page = come_in(browser, served.url, "ann")
    assert all(image.get_attribute("alt") for image in page.locator("#task img").all())
    assert page.get_attribute("#spoken", "aria-live") == "polite" and "Do you see" in page.inner_text("#spoken")
    assert page.locator("label[for=name]").count() == 1 and page.get_attribute("#bar", "aria-label")
    press(page, "y")
    assert page.get_attribute("fieldset[data-question=foreground] button.yes", "aria-pressed") == "true"
    page.keyboard.press("?")
    page.wait_for_selector("#instructions[open]")
    keep(page, "page_instructions")
    press(page, "y")
    assert open_question(page) == "background", "typing into the instructions answers nothing"
    page.keyboard.press("Escape")
    page.wait_for_selector("#instructions:not([open])", state="attached")


def test_a_class_name_with_markup_is_shown_as_text(evil_outputs, browser, tmp_path):
    shutil.copytree(evil_outputs, tmp_path, dirs_exist_ok=True)
    with Served(tmp_path / "evil.yaml", tmp_path / "outputs") as served:
        page = come_in(browser, served.url, '<img src=x onerror="window.hacked=2">')
        for _ in range(25):
            if EVIL in page.inner_text("#class-name"):
                break
            press(page, "ArrowRight")
        assert page.inner_text("#class-name") == EVIL
        assert EVIL in page.inner_text("fieldset[data-question=foreground] legend")
        assert page.evaluate("window.hacked") is None and not page.problems
        page.evaluate("document.getElementById('picture').decode()")  # waits for the picture; fails if there is none
        keep(page, "page_markup")
        press(page, *KEYS)


def test_who_comes_when_everything_is_answered_is_thanked(asked_outputs, browser, tmp_path):
    shutil.copytree(asked_outputs, tmp_path, dirs_exist_ok=True)
    options = "verification.votes_per_image=1 verification.session=200 verification.gold_rate=0"
    with Served(tmp_path / "asked.yaml", tmp_path / "outputs", "--set", options) as served:
        come_in(browser, served.url, "ann")
        page = new_page(browser)
        page.goto(served.url)
        page.fill("#name", "bea")
        page.keyboard.press("Enter")
        page.wait_for_selector("#done:not([hidden])")
        assert "nothing left" in page.inner_text("#done-text") and not page.is_visible("#more")


# In JupyterLab --------------------------------------------------------------------------------------------------------


@pytest.fixture
def lab(asked_outputs, tmp_path):
    """JupyterLab with one notebook that shows the widget; its address, and the run's folder. No gold among it."""
    shutil.copytree(asked_outputs, tmp_path, dirs_exist_ok=True)
    with open(tmp_path / "asked.yaml", "a") as profile:
        profile.write("verification: {gold: null}\n")
    cells = [
        "from d3s_utils.notebook.widgets import annotate as widget\nfrom d3s_utils.ground.run import open_run",
        f'widget.annotate(open_run("{tmp_path / "asked.yaml"}", "02_human_verification"), "ann")',
    ]
    (tmp_path / "served").mkdir()
    with jupyterlab(tmp_path / "served", cells, D3S_OUTPUTS=str(tmp_path / "outputs")) as address:
        yield address, tmp_path / "outputs" / "asked"


def show_widget(lab, browser, width=1300):
    """The page of the notebook once the widget is there and hears keys, as the notebook alone makes it."""
    page = run_all(browser, lab[0], width)
    page.wait_for_selector(".d3s-annotator:focus-within")
    return page


def stored(folder):
    """The answers in the order in which they were given: item, question, answer."""
    with sqlite3.connect(folder / "annotation" / "votes.sqlite", timeout=PATIENCE) as db:
        return db.execute("SELECT item_id, question, answer FROM votes ORDER BY number").fetchall()


@contextmanager
def busy_cores():
    """Two processes that do nothing but keep two cores busy."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def test_the_widget_in_jupyterlab_stores_every_quick_answer_on_a_busy_machine(lab, browser):
    page = show_widget(lab, browser)
    keys = random.Random(20).choices("yn", k=60)
    with busy_cores():
        for key in keys:
            page.keyboard.press(key)
        page.wait_for_selector("text=picture 21 of 25")
        page.wait_for_selector(".d3s-waiting:empty", state="attached")
    keep(page, "lab_busy")
    answers = stored(lab[1])
    assert [answer[0] for *_, answer in answers] == keys
    assert [question for _, question, _ in answers] == ["foreground", "background", "adult"] * 20
    assert len({item for item, *_ in answers}) == 20
    votes = pd.read_csv(lab[1] / "votes.csv")
    found = set(votes[["image_id", "question", "answer"]].itertuples(index=False, name=None))
    assert found == set(answers) and len(votes) == 60, "what the page shows as done is in the file"
    assert set(votes["source"]) == {"local"} and set(votes["worker_id"]) == {"ann"}


def test_the_widget_in_jupyterlab_takes_keys_and_buttons_in_their_order(lab, browser):
    page = show_widget(lab, browser, width=800)
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    keep(page, "lab_first")
    for key in (*KEYS, *KEYS, "Backspace", "x", "d", "d", "Control+y", "ArrowLeft", "<", ">"):
        page.keyboard.press(key)
    page.wait_for_selector("text=picture 2 of 25")
    page.wait_for_selector(".d3s-waiting:empty", state="attached")
    page.click("button[title='adult: yes']")
    page.keyboard.press("n")  # without a wait: whatever was clicked last, and after it
    page.wait_for_selector("text=picture 3 of 25")
    page.wait_for_selector(".d3s-waiting:empty", state="attached")
    keep(page, "lab_third")
    wanted = ["yes", "no", "no", "yes", "no", "yes", "no"]
    assert [answer for *_, answer in stored(lab[1])] == wanted
    assert len(pd.read_csv(lab[1] / "votes.csv")) == 7 - 1, "a picture half answered is not written yet"
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells, "the notebook's own keys did nothing"
    for button in page.locator(".d3s-annotator button").all():
        assert button.evaluate("button => button.scrollWidth <= button.clientWidth"), "a label is cut"
    tops = {button.bounding_box()["y"] for button in page.locator("button[data-step]").all()}
    assert len(tops) == 1, "not in a row"
    assert page.locator(".d3s-annotator").evaluate("node => node.scrollWidth <= node.clientWidth")
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.focus()
    page.keyboard.press("n")
    page.wait_for_selector(".d3s-off")
    assert page.inner_text(".d3s-waiting") == "" and len(stored(lab[1])) == 7, "typed into a cell"


# On Mechanical Turk ---------------------------------------------------------------------------------------------------


def test_the_template_works_through_a_task_and_submits_its_answers(evil_outputs, browser, tmp_path, monkeypatch):
    from conftest import copy_run

    from d3s_utils.verification.asking.desk import open_desk
    from d3s_utils.verification.asking.mturk import export
    from d3s_utils.verification.asking.mturk_results import read_results

    run = copy_run(evil_outputs, tmp_path, monkeypatch)
    desk = open_desk(run)
    batch = export(desk, tmp_path / "out", "https://pictures.invalid/d3s", run.profile.seed, per_task=5)
    html = (tmp_path / "out" / "template.html").read_text()
    assert html.count("${") == 1
    task = html.replace("${items}", batch["items"].iloc[0])
    (tmp_path / "out" / "task.html").write_text(f"<!DOCTYPE html><meta charset=utf-8><body>{task}")
    page = new_page(browser)
    context, pictures = page.context, tmp_path / "out" / "pictures"
    context.route(
        "https://pictures.invalid/d3s/**",
        lambda route: route.fulfill(path=pictures / urllib.request.unquote(route.request.url.partition("/d3s/")[2])),
    )
    context.route("https://assets.crowd.aws/**", lambda route: route.abort())
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((tmp_path / "out" / "task.html").as_uri())
    keep(page, "mturk_first")
    page.evaluate("document.getElementById('d3s-picture').decode()")  # waits for the picture; fails if there is none
    for key in (*KEYS, "u", "y", *KEYS * 4):
        page.keyboard.press(key)
    assert "submit" in page.inner_text("#d3s-done") and page.evaluate("window.hacked") is None and not problems
    said = page.input_value("#d3s-annotations")
    row = {"WorkerId": "A1", "AssignmentStatus": "Submitted", "Answer.taskAnswers": json.dumps([{"annotations": said}])}
    pd.DataFrame([row]).to_csv(tmp_path / "results.csv", index=False)
    known = {name: name for name in desk.store.items()["item_id"]}
    votes, rejected = read_results(tmp_path / "results.csv", known)
    assert rejected.empty and votes["image_id"].nunique() == 5
    assert len(votes) == sum(len(item["questions"]) for item in json.loads(batch["items"].iloc[0]))
