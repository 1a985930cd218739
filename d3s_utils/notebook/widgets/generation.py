"""The widgets of notebook 01: leaf through samples, and draw an image of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from d3s_utils.figures.generation import draw_sample, draw_sketch
from d3s_utils.generation.samples import Samples
from d3s_utils.generation.sketch import Request, Sketcher
from d3s_utils.generation.world import World
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.settings import Profile

if TYPE_CHECKING:
    from ipywidgets import Widget

EVERY = "all"


def inspect_samples(samples: Samples) -> Widget:
    """Leaf through the samples, all of them or those of a class and a background; see `draw_sample`."""
    from d3s_utils.notebook.widgets.viewer import Stepper, Viewer, choice

    def draw(class_name: str, background: str, number: int) -> Figure:
        found = positions(samples, class_name, background)
        if not len(found):
            raise D3SError(f"The samples hold no {class_name} {background}.")
        return draw_sample(samples, found[number])

    controls = {
        "class_name": choice("class", [EVERY, *samples.rows["class_name"].unique()]),
        "background": choice("background", [EVERY, *samples.rows["background"].unique()]),
        "number": Stepper(last=len(samples.rows) - 1, noun="image"),
    }

    def narrow(change: object) -> None:
        found = positions(samples, controls["class_name"].value, controls["background"].value)
        controls["number"].value, controls["number"].last = 0, len(found) - 1

    for name in ("class_name", "background"):
        controls[name].observe(narrow, "value")
    return Viewer(draw, controls)


def positions(samples: Samples, class_name: str, background: str) -> np.ndarray:
    """Which samples show a class on a background, either of which may be `EVERY`: (N,) positions."""
    kept = np.ones(len(samples.rows), bool)
    for column, wanted in (("class_name", class_name), ("background", background)):
        kept &= (samples.rows[column] == wanted).to_numpy() | (wanted == EVERY)
    return np.flatnonzero(kept)


def draw_yourself(profile: Profile, world: World) -> Widget:
    """Ask for an image: class, background, strength, guidance, seed, and where and how large the foreground is pasted.

    See `Sketcher` and `draw_sketch`.
    """
    from d3s_utils.notebook.widgets.viewer import Viewer, choice, number, slider

    wanted, sketcher = profile.generator, Sketcher(profile, world)
    least = 1 / wanted.steps
    controls = {
        "class_name": choice("class", world.classes["class_name"]),
        "background": choice("background", world.backgrounds.names),
        "strength": slider("strength", wanted.strength, round(least + 0.005, 2), 1.0),
        "guidance": slider("guidance", wanted.guidance, 1.0, 15.0, 0.5, ".1f"),
        "left": slider("left to right", 0.5, 0.0, 1.0),
        "top": slider("top to bottom", 0.5, 0.0, 1.0),
        "scale": slider("size", wanted.scale, 0.1, 1.0),
        "seed": number("seed", 0, 0, 2**31 - 1),
    }
    return Viewer(lambda **values: draw_sketch(sketcher(Request(**values))), controls, wait="drawing …")
