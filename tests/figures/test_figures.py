"""The shapes every figure is made of, and the house style."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from d3s_utils.figures import disentanglement, evaluation
from d3s_utils.figures import shapes as figures
from d3s_utils.ground.files import write_figure


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def pictures(count: int) -> list[np.ndarray]:
    return [np.full((4, 4, 3), 20 * index, dtype=np.uint8) for index in range(count)]


def shown(figure) -> list[tuple[int, float, float]]:
    """The grey value, left and top of every picture in the figure, in inches from the top left of the figure."""
    (ax,) = figure.axes
    return [(int(image.get_array()[0, 0, 0]), image.get_extent()[0], image.get_extent()[3]) for image in ax.images]


def written(figure) -> dict[str, tuple[float, float]]:
    return {text.get_text(): text.get_position() for text in figure.axes[0].texts}


@pytest.mark.parametrize("count, columns, rows", [(1, None, 1), (7, 3, 3), (12, None, 2), (10, 10, 1)])
def test_a_grid_shows_each_picture_once_in_reading_order(count, columns, rows):
    found = shown(figures.image_grid(pictures(count), columns=columns))
    assert [value for value, _, _ in found] == [20 * index for index in range(count)]
    assert found == sorted(found, key=lambda picture: (round(picture[2], 3), picture[1]))
    assert len({round(top, 3) for _, _, top in found}) == rows


def test_titles_stand_over_pictures_and_rows_have_names():
    figure = figures.image_grid(pictures(4), ["a", "b"], 2, row_titles=["first", "second"])
    (_, x0, y0), (_, x1, _), (_, _, y2), _ = shown(figure)
    places = written(figure)
    assert x0 < places["a"][0] < x1 < places["b"][0] and places["a"][1] < y0
    assert places["first"][0] < x0 and y0 < places["first"][1] < y2 < places["second"][1]


def test_every_row_has_room_for_titles_of_its_own():
    figure = figures.image_grid(pictures(4), ["a", "b", "c", "two\nlines"], 2)
    (_, _, y0), _, (_, _, y2), _ = shown(figure)
    assert y0 < written(figure)["c"][1] < y2 and y2 - y0 > 1.3 + 2 * figures.LINE


def test_nothing_is_drawn_outside_the_figure():
    names = ["a class with a long name", "short"]
    figure = figures.image_grid(pictures(4), ["on grass"] * 2, 2, row_titles=names, title="A title of some length")
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    for text in [*figure.axes[0].texts, figure._suptitle]:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, text.get_text()


def test_a_frame_has_the_colour_it_was_given():
    figure = figures.image_grid(pictures(2), colors=[figures.COLORS["good"], figures.COLORS["bad"]])
    edges = [patch.get_edgecolor()[:3] for patch in figure.axes[0].patches]
    assert edges == [to_rgb(figures.COLORS["good"]), to_rgb(figures.COLORS["bad"])]


def test_whiskers_span_the_interval_and_the_first_row_is_on_top():
    frame = pd.DataFrame(
        {"background": ["in rain", "at night"], "accuracy": [50, 20], "low": [40, 15], "high": [60, 30]}
    )
    ax = figures.interval_dots(frame, "background")
    (whiskers,) = ax.collections
    assert [sorted(segment[:, 0]) for segment in whiskers.get_segments()] == [[40, 60], [15, 30]]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["in rain", "at night"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_a_heatmap_writes_its_numbers_where_they_belong():
    frame = pd.DataFrame([[10.2, np.nan], [99.6, 0.0]], index=["daisy", "teapot"], columns=["in snow", "in sand"])
    ax = figures.heatmap(frame)
    written = {text.get_position(): text.get_text() for text in ax.texts}
    assert written == {(0.5, 0.5): "10", (0.5, 1.5): "100", (1.5, 1.5): "0"}


@pytest.mark.parametrize("axis", ["x", "y"])
def test_the_chance_line_lies_at_chance(axis):
    ax = figures.chance_line(figures.new_axis(), 10, axis=axis)
    assert list(ax.lines[0].get_data()[axis == "y"]) == [10, 10]


def test_helpers_draw_on_the_axis_they_are_given():
    figure, (left, right) = figures.panel(2)
    frame = pd.DataFrame({"background": ["in rain"], "accuracy": [50], "low": [40], "high": [60]})
    assert figures.interval_dots(frame, "background", ax=right) is right
    assert not left.collections and figure.get_size_inches()[0] > figure.get_size_inches()[1]


def test_colours_stay_apart_for_every_kind_of_colour_vision():
    """Simulated dichromats (Machado and others, 2009, severity 1): all pairs of the cycle stay distinguishable."""
    protan = np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]])
    deutan = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])
    colors = np.array([to_rgb(color) for color in plt.rcParams["axes.prop_cycle"].by_key()["color"][:6]]) ** 2.2
    for vision in (np.eye(3), protan, deutan):
        seen = np.clip(colors @ vision.T, 0, 1) ** (1 / 2.2)
        distances = np.linalg.norm(seen[:, None] - seen[None], axis=2)[np.triu_indices(len(seen), 1)]
        assert distances.min() > 0.1


def test_a_figure_is_the_same_bytes_each_time(tmp_path):
    for name in ("one", "two"):
        write_figure(tmp_path / name, figures.image_grid(pictures(3), ["a", "b", "c"], title="Three"))
    for suffix in ("png", "svg"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()


def test_a_figure_without_data_says_why():
    axis = evaluation.plot_background_pull(pd.DataFrame(columns=["model", "share", "low", "high", "chance"]))
    assert [text.get_text() for text in axis.texts] == [
        "nobody knows where these photographs were taken, so no class has a home"
    ]
    plt.close(axis.figure)


def test_curves_of_a_plain_network_are_drawn_while_somebody_watches(monkeypatch):
    """It learns the class alone, so its records say nothing of backgrounds."""
    monkeypatch.setenv("D3S_HEADLESS", "0")
    shown = []
    handle = type("Handle", (), {"update": lambda self, figure: shown.append(len(figure.axes[0].lines))})()
    monkeypatch.setattr("IPython.display.display", lambda **options: handle)
    records = ({"step": step, "label_loss": 1.0, "label_accuracy": 50.0 + step} for step in range(60))
    assert len(disentanglement.watch(records)) == 60 and shown == [1]
