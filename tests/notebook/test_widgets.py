"""A widget shows what its plain function draws."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scenes

from d3s_utils.figures.generation import draw_sample
from d3s_utils.figures.mistakes import draw_failure_table, show_failures
from d3s_utils.generation.samples import Samples
from d3s_utils.ground.errors import D3SError
from d3s_utils.notebook.widgets.pictures import remembered


@pytest.fixture(autouse=True)
def closed():
    yield
    assert not plt.get_fignums(), "a figure left open is shown twice in a notebook"


@pytest.fixture(autouse=True)
def unchanged(monkeypatch):
    """The scenes put made-up functions in place of those that need a run; here they go again."""
    for module, name in ((scenes.evaluation, "open_classifiers"), (scenes.spurious, "load_images")):
        monkeypatch.setattr(module, name, getattr(module, name))


@pytest.fixture
def samples():
    """Two classes on two backgrounds, two images each; guide i is all i, image i all 100 + i."""
    cells = [(c, b) for c in ("teapot", "daisy") for b in ("on grass", "at night") for _ in range(2)]
    rows = pd.DataFrame(cells, columns=["class_name", "background"])
    rows = rows.assign(image_id=[f"val-{i}" for i in range(8)], prompt="a photo, " * 20, strength=0.9)
    grey = np.arange(8, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    return Samples(rows, images=100 + grey, guides=grey)


def shown(figure):
    return [int(image.get_array()[0, 0, 0]) for image in figure.axes[0].images]


def drawn(figure):
    """The greys of a plain function's figure, which is closed here."""
    plt.close(figure)
    return shown(figure)


def test_a_sample_is_its_guide_and_its_image(samples):
    figure = draw_sample(samples, 5)
    assert drawn(figure) == [5, 105] and "val-5" in figure.get_supxlabel()


def test_rows_keep_their_place_when_some_are_dropped(samples):
    fewer = Samples(samples.rows.drop(index=range(4)), samples.images[4:], samples.guides[4:])
    inspector = scenes.generation.inspect_samples(fewer)
    inspector.set(class_name="daisy", background="at night")
    assert shown(inspector.figures[0]) == [6, 106]


def test_a_sample_that_is_not_there_is_named(samples):
    with pytest.raises(D3SError, match="There are 8 samples; there is no number 8"):
        draw_sample(samples, 8)


def test_the_inspector_walks_through_what_is_chosen(samples):
    inspector = scenes.generation.inspect_samples(samples)
    controls = inspector.controls
    assert controls["number"].last == 7 and shown(inspector.figures[0]) == [0, 100]
    controls["number"].value = 5
    assert shown(inspector.figures[0]) == [5, 105]
    controls["background"].value = "at night"
    assert (controls["number"].value, controls["number"].last) == (0, 3) and shown(inspector.figures[0]) == [2, 102]
    controls["class_name"].value, controls["number"].value = "daisy", 1
    assert shown(inspector.figures[0]) == [7, 107]


def test_what_is_not_there_is_a_sentence_in_place_of_a_traceback(samples):
    fewer = Samples(samples.rows.iloc[:2], samples.images[:2], samples.guides[:2])
    inspector = scenes.generation.inspect_samples(fewer)
    inspector._draw = lambda **values: draw_sample(fewer, 7)
    inspector.controls["number"].value = 1
    assert "there is no number 7" in inspector.notice.value


@pytest.fixture
def mistakes():
    """Model "a" misreads five images, each surer than the one before; model "b" the first only."""
    ids = [f"val-{i}" for i in range(5)]
    rows = pd.DataFrame({"image_id": ids, "label": 0, "guess": 1, "p_guess": np.linspace(0.5, 0.9, 5), "model": "a"})
    second = rows.assign(model="b", guess=[1, 0, 0, 0, 0])
    return pd.concat([rows, second], ignore_index=True).assign(dataset="d3s", background="in snow")


def grey_pictures(image_ids):
    return np.array([np.full((4, 4, 3), int(name[-1]), np.uint8) for name in image_ids]).reshape(-1, 4, 4, 3)


def test_failures_come_page_by_page_the_one_that_fools_most_first(mistakes):
    pages = [show_failures(mistakes, grey_pictures, ["teapot", "daisy"], page=page, per_page=3) for page in (0, 1, 9)]
    assert [shown(page) for page in pages] == [[0, 4, 3], [2, 1], [2, 1]]


def test_the_failure_browser_draws_the_model_and_the_page_chosen(mistakes):
    browser = scenes.evaluation.browse_failures(mistakes, grey_pictures, ["teapot", "daisy"], per_page=3)
    browser.controls["page"].value = 1
    assert shown(browser.figures[0]) == [2, 1]
    browser.controls["model"].value = "b"
    assert shown(browser.figures[0]) == [0] and browser.controls["page"].last == 0


def test_a_cell_of_the_table_shows_its_mistakes(mistakes):
    names = ["teapot", "$^$<b>"]
    elsewhere = mistakes.assign(background="on grass", label=1, guess=[0] * 5 + [1] * 5)
    table = scenes.evaluation.failure_table(pd.concat([mistakes, elsewhere]), grey_pictures, names)
    assert table.controls["cell"].html.count("<button") == 2 and "<b>" not in table.controls["cell"].html
    assert "60 %" in table.controls["cell"].html and "50 %" in table.controls["cell"].html
    assert shown(table.figures[0]) == [0, 4, 3, 2, 1]
    table.controls["model"].value = "b"
    assert "20 %" in table.controls["cell"].html and shown(table.figures[0]) == [0]


def test_the_static_table_shows_the_surest_mistake_of_each_cell(mistakes):
    cells = scenes.evaluation.failures_by_cell(mistakes)
    assert cells[["share", "n", "image_id", "guess"]].to_numpy().tolist() == [[60.0, 10, "val-4", 1]]
    figure = draw_failure_table(cells, grey_pictures, ["teapot", "daisy"])
    assert drawn(figure) == [4] and "60 %" in figure.axes[0].texts[0].get_text()


@pytest.mark.parametrize("name", ["samples", "threshold", "failures", "table", "side_by_side", "method", "dial"])
def test_names_of_any_characters_are_drawn(name):
    widget = getattr(scenes, name)()
    assert widget.figures and widget.notice.value == ""
    assert "<img src=x" not in widget.picture.value.replace("&lt;", "")


def test_moving_to_where_it_stands_draws_nothing():
    widget = scenes.failures()
    before = widget.figures
    widget.update()
    assert widget.figures is before


def test_a_picture_is_loaded_once():
    asked = []

    def load(ids):
        asked.extend(ids)
        return grey_pictures(ids)

    read = remembered(load, ["a-0", "a-1", "a-2"])
    assert read(["a-1"])[0, 0, 0, 0] == 1 and sorted(asked) == ["a-0", "a-1", "a-2"]
    assert read(["a-2", "a-0", "a-2"])[:, 0, 0, 0].tolist() == [2, 0, 2] and len(asked) == 3
    assert len(read([])) == 0
