"""A widget shows what its plain function draws."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from d3s_utils.generation.samples import Samples
from d3s_utils.ground.errors import D3SError
from d3s_utils.notebook.widgets import browse as widgets


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


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


def test_a_sample_is_its_guide_and_its_image(samples):
    figure = widgets.show_sample(samples, "daisy", "on grass", 1)
    assert shown(figure) == [5, 105]
    assert "val-5" in figure.get_supxlabel() and not plt.fignum_exists(figure.number)


def test_rows_keep_their_place_when_some_are_dropped(samples):
    fewer = Samples(samples.rows.drop(index=range(4)), samples.images[4:], samples.guides[4:])
    assert shown(widgets.show_sample(fewer, "daisy", "at night", 0)) == [6, 106]


def test_a_sample_that_is_not_there_is_named(samples):
    with pytest.raises(D3SError, match="2 images of daisy on grass; there is no number 2"):
        widgets.show_sample(samples, "daisy", "on grass", 2)


def test_the_inspector_draws_what_is_chosen(samples):
    inspector = widgets.inspect_samples(samples)
    chosen = {widget.description: widget for widget in inspector.children[:-1]}
    chosen["background"].value = "at night"
    chosen["number"].value = 1
    inspector.update()
    assert shown(inspector.result) == [3, 103]


@pytest.fixture
def mistakes():
    """Model "a" misreads five images, each surer than the one before; model "b" the first only."""
    ids = [f"val-{i}" for i in range(5)]
    rows = pd.DataFrame({"image_id": ids, "label": 0, "guess": 1, "p_guess": np.linspace(0.5, 0.9, 5), "model": "a"})
    second = rows.assign(model="b", guess=[1, 0, 0, 0, 0])
    return pd.concat([rows, second], ignore_index=True).assign(dataset="d3s", background="in snow")


def grey_pictures(image_ids):
    return np.array([np.full((4, 4, 3), int(name[-1]), np.uint8) for name in image_ids])


def shown_failures(figure):
    return [int(image.get_array()[0, 0, 0]) for image in figure.axes[0].images]


def test_failures_come_page_by_page_the_one_that_fools_most_first(mistakes):
    pages = [
        widgets.show_failures(mistakes, grey_pictures, ["teapot", "daisy"], page=page, per_page=3) for page in (0, 1, 9)
    ]
    assert [shown_failures(page) for page in pages] == [[0, 4, 3], [2, 1], [2, 1]]


def test_the_failure_browser_draws_the_model_chosen(mistakes):
    browser = widgets.browse_failures(mistakes, grey_pictures, ["teapot", "daisy"])
    chosen = {widget.description: widget for widget in browser.children[:-1]}
    chosen["model"].value = "b"
    browser.update()
    assert shown_failures(browser.result) == [0]
