"""What every widget here is: controls in a row over the pictures that a plain function draws of their values."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from anywidget import AnyWidget
from ipywidgets import HTML, BoundedIntText, Dropdown, HBox, Layout, SelectionSlider, VBox, Widget
from ipywidgets import FloatSlider as Slider
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from traitlets import Int, List, Unicode

from d3s_utils.ground.errors import D3SError

HERE = Path(__file__).parent
DENSITY, SHOWN = 110, 96  # pixels of an inch: in the PNG, and in the page


class Viewer(VBox):
    """Controls in a row, and below them what `draw` makes of their values; drawn again whenever one of them moves.

    A `D3SError` is shown as the sentence it is, in place of the picture.

    Attributes:
        controls: by name.
        figures: what is shown, closed figures.
    """

    def __init__(
        self,
        draw: Callable[..., Figure | Sequence[Figure]],
        controls: Mapping[str, Widget],
        *,
        above: Sequence[Widget] = (),
        wait: str = "",
    ):
        """
        Args:
            draw: called with the values of the controls, by name.
            above: further widgets between the controls and the picture.
            wait: what is said while `draw` works, where that takes long.
        """
        self._draw, self.controls, self._wait, self.figures = draw, dict(controls), wait, []
        self.picture, self.notice = HTML(), HTML()
        row = HBox(
            list(controls.values()), layout=Layout(flex_flow="row wrap", align_items="center", grid_gap="2px 16px")
        )
        keys = [] if any(isinstance(control, Stepper) for control in controls.values()) else [Stepper(last=-1)]
        self._paused, self._drawn = False, None
        super().__init__([row, *keys, *above, self.notice, self.picture], layout=Layout(width="100%"))
        self.add_class("d3s-viewer")
        for control in controls.values():
            control.observe(lambda change: self.update(), "value")
        self.update()

    @property
    def values(self) -> dict[str, object]:
        return {name: control.value for name, control in self.controls.items()}

    def set(self, **values: object) -> None:
        """Move several controls, and draw once."""
        self._paused = True
        for name, value in values.items():
            self.controls[name].value = value
        self._paused = False
        self.update()

    def update(self) -> None:
        """Draw what the controls say, unless it is what is shown."""
        if self._paused or self._drawn == self.values:
            return
        self._drawn = self.values
        self.notice.value = escape(self._wait)
        try:
            drawn = self._draw(**self.values)
        except D3SError as error:
            self.notice.value = f"<b>{escape(str(error))}</b>"
            return
        self.figures = [drawn] if isinstance(drawn, Figure) else list(drawn)
        alt = ", ".join(f"{name} {value}" for name, value in self.values.items())
        images = "".join(as_html(figure, alt) for figure in self.figures)
        self.picture.value = f"<div class='d3s-figures'>{images}</div>"
        self.notice.value = ""


def as_html(figure: Figure, alt: str) -> str:
    """A figure as an image that is never wider than the page; the figure comes back closed."""
    plt.close(figure)
    figure.set_dpi(DENSITY)
    canvas, data, (width, _) = FigureCanvasAgg(figure), io.BytesIO(), figure.get_size_inches()
    canvas.draw()  # `savefig` would draw twice
    Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").save(data, "PNG", compress_level=1)
    png = base64.b64encode(data.getvalue()).decode()
    return f"<img alt='{escape(alt, quote=True)}' width='{width * SHOWN:.0f}' src='data:image/png;base64,{png}'>"


class Stepper(AnyWidget):
    """Previous and next, by buttons and by the arrow keys anywhere in the viewer; hidden where `last` is below 0.

    It also keeps the keys that are pressed in the viewer from the notebook, whose shortcuts are single keys.

    Attributes:
        value: from 0 to `last`.
        noun: what is counted.
    """

    _esm = HERE / "stepper.js"
    _css = HERE / "viewer.css"
    value = Int().tag(sync=True)
    last = Int().tag(sync=True)
    noun = Unicode("picture").tag(sync=True)


class PictureTable(AnyWidget):
    """A table whose cells are buttons, reached by arrow keys as well; the one that was chosen last is `value`.

    Attributes:
        html: the table; its buttons have data-row and data-column.
        value: row and column.
    """

    _esm = HERE / "table.js"
    _css = HERE / "viewer.css"
    html = Unicode().tag(sync=True)
    value = List(Int(), [0, 0]).tag(sync=True)


# Controls whose labels are not cut ------------------------------------------------------------------------------------


def choice(label: str, options: Sequence, value: object = None) -> Dropdown:
    """One of `options`, by default the first."""
    options = list(options)
    first = options[0][1] if isinstance(options[0], tuple) else options[0]
    return Dropdown(options=options, value=first if value is None else value, **_labelled(label, "max-content"))


def slider(label: str, value: float, low: float, high: float, step: float = 0.05, form: str = ".2f") -> Slider:
    """A number from `low` to `high`."""
    how = {"min": low, "max": high, "step": step, "readout_format": form, "continuous_update": False}
    return Slider(value=value, **how, **_labelled(label, "300px"))


def number(label: str, value: int, low: int, high: int) -> BoundedIntText:
    """A whole number that is typed in."""
    return BoundedIntText(value=value, min=low, max=high, **_labelled(label, "180px"))


def _labelled(label: str, width: str) -> dict[str, object]:
    layout = Layout(width=width, max_width="100%")
    return {"description": label, "style": {"description_width": "initial"}, "layout": layout}


def steps(label: str, options: Sequence[float], value: float) -> SelectionSlider:
    """One of some numbers, in their order."""
    named = [(f"{option:g}", option) for option in options]
    return SelectionSlider(options=named, value=value, continuous_update=False, **_labelled(label, "300px"))
