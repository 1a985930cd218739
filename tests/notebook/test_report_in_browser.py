"""The report, its ledger and the explorer in a browser without a network, from disk, on a made-up run.

`D3S_SCREENSHOTS=DIR` keeps pictures of what the browser showed.
"""

import os
import shutil
from pathlib import Path

import made_up_run
import pytest

from d3s_utils.notebook.report import report

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
PATIENCE = 600_000  # milliseconds that a condition may take: only what never comes fails, on a busy machine too
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]
SHOWN = "#gallery .tile"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two runs beside each other; the second has no votes and no guesses."""
    outputs = tmp_path_factory.mktemp("outputs")
    for name, complete in (("toy", True), ("other", False)):
        report(made_up_run.make_run(outputs / name, votes=complete, predictions=complete))
    return outputs / "toy"


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, run):
    """A function that opens a page of the run; whatever goes wrong on it, or is asked of a network, fails the test."""
    pages, problems = [], []

    def open_page(name, width=1400, height=900):
        context = browser.new_context(viewport={"width": width, "height": height})
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda sent: None if sent.url.startswith(("file:", "data:")) else problems.append(sent.url))
        page.goto(f"file://{run / 'html' / name}")
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        assert "owned" not in page.title(), "a name became markup"
        page.context.close()
    assert problems == []


def keep(page, name):
    if os.environ.get("D3S_SCREENSHOTS"):
        page.screenshot(path=Path(os.environ["D3S_SCREENSHOTS"]) / f"{name}.png")


def texts(page, selector):
    return page.eval_on_selector_all(selector, "found => found.map(each => each.textContent.trim())")


def wait_for(page, count, selector=SHOWN):
    page.wait_for_function("([what, n]) => document.querySelectorAll(what).length === n", arg=[selector, count])


def go(page, hash):
    page.evaluate("hash => { location.hash = hash; }", hash)


@pytest.mark.parametrize("name", ["index.html", "explore.html"])
@pytest.mark.parametrize("width", [1400, 390])
def test_pages_fit_their_width_and_every_picture_has_a_text(opened, name, width):
    page = opened(name, width)
    keep(page, f"{Path(name).stem}-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    pictures = "[...document.querySelectorAll('img, svg, [role=img]')]"
    assert page.evaluate(f"{pictures}.length") > 3
    assert page.evaluate(f"{pictures}.filter(one => !(one.alt || one.getAttribute('aria-label'))).length") == 0


def test_every_link_leads_somewhere(opened, run):
    page = opened("index.html")
    links = page.eval_on_selector_all("a[href]", "found => found.map(each => each.getAttribute('href'))")
    assert "explore.html" in links
    for link in links:
        if link.startswith("#"):
            assert page.evaluate("id => Boolean(document.getElementById(id))", link[1:]), link
        elif not link.startswith("https://arxiv.org/abs/"):
            assert (run / "html" / link).exists(), link


def test_the_first_screen_answers_five_questions(opened):
    page = opened("index.html")
    ends = page.eval_on_selector_all(".answer", "found => found.map(each => each.getBoundingClientRect().bottom)")
    assert len(ends) == 5 and max(ends) <= 900
    assert texts(page, ".answer h2")[0] == "What was drawn?"


def test_the_ledger_is_sorted_and_filtered(opened):
    page = opened("index.html")
    rows = ".ledger tbody tr:not([hidden])"
    total = len(texts(page, rows))
    page.click(".ledger th[data-key=measured] button")
    numbers = page.eval_on_selector_all(rows, "found => found.map(each => JSON.parse(each.dataset.sort).measured)")
    known = [number for number in numbers if number is not None]
    assert known == sorted(known) and numbers[len(known) :] == [None] * (len(numbers) - len(known))
    page.click(".ledger th[data-key=measured] button")
    numbers = page.eval_on_selector_all(rows, "found => found.map(each => JSON.parse(each.dataset.sort).measured)")
    assert numbers[0] == max(known) and numbers[-1] is None
    page.select_option("#status", "simulated")
    assert set(texts(page, f"{rows} .status")) == {"simulated"}
    page.select_option("#status", "")
    page.fill("#find", "without habit")
    assert len(texts(page, rows)) == 1 and texts(page, "#count") == [f"1 of {total}"]
    page.fill("#find", "")
    page.select_option("#sort", "order true")
    assert "paper" in page.get_attribute(rows, "class"), "the paper's numbers come first again"


def test_the_ledgers_head_stays_in_sight(opened):
    page = opened("index.html")
    page.evaluate("document.querySelector('.ledger tbody').lastElementChild.scrollIntoView({behavior: 'instant'})")
    assert page.evaluate("document.querySelector('.ledger thead th').getBoundingClientRect().bottom") > 0


def test_the_explorer_filters_by_what_it_knows(opened):
    page = opened("explore.html")
    wait_for(page, 18)
    for choice, value, count in (
        ("split", "val", 12), ("class", made_up_run.CLASSES[0], 6), ("background", "in water", 9),
        ("verdict", "refused", 1), ("answer", "mixed", 6), ("answer", "right", 6), ("guess", made_up_run.CLASSES[1], 6),
    ):  # fmt: skip
        page.select_option(f"[name={choice}]", value)
        wait_for(page, count)
        page.click("[type=reset]")
        wait_for(page, 18)
    page.select_option("[name=model]", "resnet@uniform")
    page.select_option("[name=answer]", "wrong")
    wait_for(page, 12)
    page.fill("[name=from]", "61")
    wait_for(page, 0)
    page.fill("[name=from]", "59")
    wait_for(page, 12)
    page.fill("[name=find]", "n0-b1")
    wait_for(page, 2)
    keep(page, "explorer-filtered")


def test_a_cell_of_the_table_filters(opened):
    page = opened("explore.html")
    cell = "#cells tbody tr:nth-child(2) td:nth-of-type(2) button"
    assert texts(page, cell) == ["50 %"], "resnet right, vit wrong, the model apart left out"
    page.click(cell)
    wait_for(page, 3)
    assert page.get_attribute(cell, "aria-pressed") == "true"
    assert page.input_value("[name=class]") == made_up_run.CLASSES[1]
    page.click(cell)
    wait_for(page, 18)
    page.click("#cells thead th:nth-of-type(1) button")
    wait_for(page, 9)


def test_a_card_shows_all_that_is_known(opened):
    page = opened("explore.html")
    page.click("[data-id='val-n0-b1-0']")
    page.wait_for_selector("#card[open]")
    said = page.inner_text("#card")
    keep(page, "explorer-card")
    for text in (made_up_run.SCRIPT, "foreground 2 of 3", "unanimity: refused, majority: accepted", "✗ $^$", "90.0 %",
                 "regenerate val-n0-b1-0 --profile toy.yaml"):  # fmt: skip
        assert text in said, text
    assert page.eval_on_selector_all("#card [role=img]", "found => found.length") == 2
    page.keyboard.press("ArrowRight")
    page.wait_for_function("location.hash.includes('val-n0-b1-1')")
    page.keyboard.press("Escape")
    page.wait_for_function("!location.hash.includes('image=')")
    wait_for(page, 0, "#card[open]")


def test_the_address_holds_the_state(opened, run):
    page = opened("explore.html#split=val&background=in+water&answer=mixed&image=val-n2-b1-1")
    wait_for(page, 6)
    page.wait_for_selector("#card[open]")
    assert page.input_value("[name=background]") == "in water"
    page.click("#card .close")
    page.wait_for_function("!location.hash.includes('image=')")
    page.select_option("[name=answer]", "right")
    page.wait_for_function("location.hash.includes('answer=right')")
    wait_for(page, 0)
    go(page, "#class=no+such+class&sort=surest")
    wait_for(page, 18)
    page.goto("about:blank")


def test_order_is_by_confidence(opened):
    page = opened("explore.html#model=vit&sort=surest")
    wait_for(page, 18)
    ids = page.eval_on_selector_all(SHOWN, "found => found.map(each => each.dataset.id)")
    assert ids[0] == "val-n2-b1-1" and ids[12].startswith("train"), "what no model was asked about comes last"


def test_two_runs_stand_side_by_side(opened):
    page = opened("explore.html")
    page.fill("[name=with]", "other")
    page.keyboard.press("Tab")
    wait_for(page, 36, f"{SHOWN} .sprite")
    page.click("[data-id='val-n0-b1-0']")
    page.wait_for_selector("#card[open]")
    assert texts(page, "#card h3") == ["run toy", "run other"]
    keep(page, "explorer-two-runs")


@pytest.mark.parametrize(
    ("name", "said"), [("absent", "No run absent"), ("../toy", "no name"), ("https://x.y/z", "no name")]
)
def test_no_script_is_loaded_but_of_a_run_beside(opened, name, said):
    page = opened("explore.html")
    page.fill("[name=with]", name)
    page.keyboard.press("Tab")
    page.wait_for_function("said => document.getElementById('beside').textContent.includes(said)", arg=said)


def test_a_run_without_votes_and_guesses_shows_its_images(opened):
    page = opened("../../other/html/explore.html")
    wait_for(page, 18)
    assert not page.is_visible("[name=model]") and not page.is_visible("[name=verdict]")
    assert set(texts(page, "#cells td button")) == {"3"}
