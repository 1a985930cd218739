"""Planted labels and objects, and a judge that reads them: what is measured must be what was planted."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from d3s_utils.generation.samples import Samples
from d3s_utils.ground.seeds import rng_for

CLASSES, BACKGROUNDS = ["teapot", "car"], ["on grass", "at night"]


class PlantedJudge:
    """Reads the class from red and the background from green of the first pixel, and finds the bluest pixel."""

    classes, backgrounds, key = CLASSES, BACKGROUNDS, "planted"

    def __init__(self):
        self.asked = 0

    def judge(self, images):
        self.asked += len(images)
        one_hot = np.eye(2, dtype=np.float32)
        answers = {"foreground": one_hot[images[:, 0, 0, 0] % 2], "background": one_hot[images[:, 0, 0, 1] % 2]}
        return SimpleNamespace(**answers)

    def locate(self, images, labels):
        side = images.shape[1]
        brightest = images[..., 2].reshape(len(images), -1).argmax(1)
        return (np.stack([brightest % side, brightest // side], axis=1) + 0.5) / side


def planted_rows():
    """Ten images per cell, 20 pixels wide, with photographs of half their side pasted anywhere."""
    cells = [(c, b, i) for c in (0, 1) for b in (0, 1) for i in range(10)]
    rows = pd.DataFrame(
        {
            "image_id": [f"val-{c}-{b}-{i}" for c, b, i in cells],
            "split": "val",
            "class_name": [CLASSES[c] for c, _, _ in cells],
            "background": [BACKGROUNDS[b] for _, b, _ in cells],
            "foreground_source": [f"photo-{c}-{i}" for c, _, i in cells],
            "scale": 0.5,
            "recipe_hash": [f"{c}{b}{i}" for c, b, i in cells],
        }
    )
    corners = rng_for("corners").integers(0, 11, (len(rows), 2))
    return rows.assign(left=corners[:, 0], top=corners[:, 1])


def drawn(rows, follow=True):
    """Images that obey: labels in the corner, one bright pixel in the middle of the pasted photograph (or anywhere)."""
    images = np.zeros((len(rows), 20, 20, 3), np.uint8)
    images[:, 0, 0, 0] = rows["class_name"].map(CLASSES.index)
    images[:, 0, 0, 1] = rows["background"].map(BACKGROUNDS.index)
    objects = rows[["left", "top"]].to_numpy() + 5
    if not follow:
        objects = rng_for("elsewhere").integers(1, 20, objects.shape)
    images[np.arange(len(images)), objects[:, 1], objects[:, 0]] = 200
    return images


def planted_samples(follow=True):
    rows = planted_rows()
    return Samples(rows, drawn(rows, follow), drawn(rows))
