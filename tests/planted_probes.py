"""Features that know exactly what they were told, for the tests of the probes."""

import numpy as np
import pandas as pd

from d3s_utils.disentanglement.features import Features
from d3s_utils.ground.seeds import rng_for

CELLS = 10  # classes, and backgrounds


def images_of(per_cell=24, val=6, seed=0):
    """Every class on every background, `per_cell` images, `val` of them for validation; a source has one class and
    split, and shows on three backgrounds or so."""
    label, background, copy = np.indices((CELLS, CELLS, per_cell)).reshape(3, -1)
    split = np.where(copy < val, "val", "train")
    table = pd.DataFrame({"label": label, "background_index": background, "split": split})
    table = table.assign(image_id=[f"image-{row}" for row in range(len(table))])
    order = rng_for("planted sources", seed).permutation(len(table))
    within = table.iloc[order].groupby(["label", "split"]).cumcount().sort_index() // 3
    source = table["label"].astype(str) + table["split"] + within.astype(str)
    return table.assign(foreground_source=source)


def features_of(images, fg, bg=None):
    ids, none = images["image_id"].to_numpy(object), np.zeros(len(images), int)
    return Features(ids, fg.astype(np.float32), (fg if bg is None else bg).astype(np.float32), none, none)


def noise(images, *key, width=12):
    return rng_for("planted noise", *key).normal(size=(len(images), width))


def leaking(images, share, *key):
    """Noise in which the background is written down, rightly in `share` of the images; and where it is right."""
    rng, background = rng_for("planted leak", share, *key), images["background_index"].to_numpy()
    wrong = (background + rng.integers(1, CELLS, len(images))) % CELLS
    written = np.where(rng.random(len(images)) < share, background, wrong)
    named = 4 * np.eye(CELLS)[written] + 0.3 * noise(images, "a", *key, width=CELLS)
    return np.concatenate([named, noise(images, "b", *key, width=4)], axis=1), written == background


def rings(images, *key, width=6):
    """Two features whose distance from the middle tells the background, in noise: a straight cut finds nothing."""
    rng = rng_for("planted rings", *key)
    angle = rng.uniform(0, 2 * np.pi, len(images))
    radius = 1 + images["background_index"].to_numpy() + 0.1 * rng.normal(size=len(images))
    ring = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.concatenate([ring, noise(images, *key, width=width)], axis=1)
