"""Every widget in JupyterLab: a control is moved, by keyboard or mouse, and other pixels are shown."""

import io

import numpy as np
import pytest
from browsing import CHROMIUM, chromium, jupyterlab, keep, run_all
from PIL import Image

from d3s_utils.ground import paths

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")]
SCENES = ["samples", "sketch", "threshold", "failures", "table", "side_by_side", "method", "counterfactual", "dial"]


@pytest.fixture(scope="module")
def page(tmp_path_factory, tiny_checkpoint):
    """One notebook that shows them all, one under the other, in a narrow window."""
    cells = [f"import sys\nsys.path[:0] = [{str(paths.ROOT)!r}, {str(paths.ROOT / 'tests')!r}]\nimport scenes"]
    cells += [f"scenes.{name}({str(tiny_checkpoint)!r})" if name == "sketch" else f"scenes.{name}()" for name in SCENES]
    with chromium() as browser, jupyterlab(tmp_path_factory.mktemp("widgets"), cells) as address:
        page = run_all(browser, address, width=800)
        page.wait_for_function(f"document.querySelectorAll('.d3s-viewer .d3s-figures img').length >= {len(SCENES)}")
        page.wait_for_selector(f".d3s-viewer >> nth={len(SCENES) - 1} >> .d3s-figures img")
        yield page


def widget(page, name):
    return page.locator(".d3s-viewer").nth(SCENES.index(name))


def pixels(page, name):
    """What the browser shows of the widget's first picture."""
    shot = widget(page, name).locator(".d3s-figures img").first.screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)


def changed(page, name, move):
    """Whether the picture has other pixels once the kernel has answered `move`; it comes or the test never ends."""
    pictures = widget(page, name).locator(".d3s-figures")
    before, source = pixels(page, name), pictures.inner_html()
    move(widget(page, name))
    page.wait_for_function(
        "([before, number]) => { const box = document.querySelectorAll('.d3s-viewer')[number];"
        "const now = box.querySelector('.d3s-figures');"
        "return now && now.innerHTML !== before && [...now.querySelectorAll('img')].every(image => image.complete) }",
        arg=[source, SCENES.index(name)],
    )
    after = pixels(page, name)
    return before.shape != after.shape or bool((np.abs(before - after).max(-1) > 30).mean() > 0.002)


def pick(label, option):
    """Choose an option of the list that is called `label`."""
    return lambda box: box.get_by_label(label, exact=True).select_option(label=option)


def slide(label, key):
    """Press a key on the slider that is called `label`."""

    def move(box):
        box.locator(".widget-slider", has_text=label).locator(".noUi-handle").focus()
        box.page.keyboard.press(key)

    return move


def click(name):
    return lambda box: box.get_by_role("button", name=name).click()


def press(key):
    """Press a key with the widget itself in focus."""

    def move(box):
        box.focus()
        box.page.keyboard.press(key)

    return move


MOVES = {
    "samples": [click("Next"), press("ArrowRight"), press("ArrowLeft"), pick("class", "daisy"), click("Next")],
    "sketch": [slide("strength", "Home"), slide("left to right", "Home"), pick("background", "in snow")],
    "threshold": [slide("at least", "End"), pick("belief", "Dawid-Skene, probability")],
    "failures": [click("Next"), press("ArrowLeft"), pick("model", "b")],
    "table": [click("daisy on grass"), lambda box: box.page.keyboard.press("ArrowRight"), pick("model", "b")],
    "side_by_side": [press("ArrowRight"), pick("pictures", "both wrong"), pick("one", "b")],
    "method": [pick("method", "a_$penalty$")],
    "counterfactual": [pick("method", "a_$penalty$"), pick("distance from the image", "at night")],
    "dial": [pick("head on", "plain, all features"), slide("correlation", "ArrowLeft")],
}


@pytest.mark.parametrize("name", SCENES)
def test_what_is_moved_changes_the_picture(page, name):
    keep(page, f"widget_{name}_before")
    for number, move in enumerate(MOVES[name], start=1):
        assert changed(page, name, move), f"move {number} shows the same pixels"
    keep(page, f"widget_{name}")


def test_the_steps_of_a_drawing_stand_beside_it(page):
    assert widget(page, "sketch").locator(".d3s-figures img").count() == 2


def test_keys_stay_in_the_widget(page):
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    widget(page, "samples").focus()
    for key in ("d", "d", "x", "b"):
        page.keyboard.press(key)
    assert changed(page, "samples", press("ArrowRight")), "an answer, so the keys before it were heard"
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells


@pytest.mark.parametrize("width", [800, 1400])
def test_labels_are_whole_and_nothing_is_wider_than_the_window(page, width):
    page.set_viewport_size({"width": width, "height": 1000})
    for name in SCENES:
        box = widget(page, name)
        box.scroll_into_view_if_needed()
        for label in box.locator(".widget-label, button, .d3s-stepper span").all():
            text = label.evaluate("node => node.scrollWidth <= node.clientWidth + 1 || node.offsetWidth === 0")
            assert text, f"{name}: {label.inner_text()} is cut"
        assert box.evaluate("node => node.scrollWidth <= node.clientWidth + 1"), f"{name} is too wide"
        left, right = box.evaluate(
            "node => { const place = node.getBoundingClientRect(); return [place.left, place.right] }"
        )
        assert left >= 0 and right <= width, f"{name} leaves the window"
        for image in box.locator(".d3s-figures img").all():
            assert image.get_attribute("alt") and image.bounding_box()["width"] > 100
        keep(page, f"widget_{name}_{width}")


def test_controls_are_reached_with_the_tab_key(page):
    widget(page, "samples").focus()
    reached = []
    for _ in range(4):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.tagName"))
    assert reached[:2] == ["SELECT", "SELECT"] and "BUTTON" in reached


def test_names_with_markup_are_text(page):
    assert page.evaluate("window.hacked") is None
    assert "<img src=x" in widget(page, "table").inner_text()
