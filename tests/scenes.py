"""The widgets over made-up runs, one function each: what the tests in a browser and without one look at."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
from conftest import EVIL
from tiny_run import small_profile

from d3s_utils.disentanglement.features import Features
from d3s_utils.evaluation.predict import ImageSet
from d3s_utils.generation.samples import Samples
from d3s_utils.generation.world import open_world
from d3s_utils.notebook.widgets import disentanglement, evaluation, generation, probes, spurious, verification
from d3s_utils.probes.directions import DIRECTIONS

CLASSES, PLACES = ["$^$ x_1", EVIL, "daisy"], ["on grass", "at night", "in_$snow"]
SIDE = 16


def noise(*key):
    return np.random.default_rng([7, *key])


def pictures(ids):
    """A coarse picture of its own for each image_id, which ends in a number."""
    seeds = [int(name.rpartition("-")[2]) for name in ids]
    coarse = [noise(seed).integers(0, 256, (4, 4, 3), np.uint8) for seed in seeds]
    return np.array([own.repeat(SIDE // 4, 0).repeat(SIDE // 4, 1) for own in coarse]).reshape(-1, SIDE, SIDE, 3)


def image_table(copies=4):
    """Each class on each background, half of the images for training; one row each."""
    cells = [(label, place, copy) for label, place in product(range(3), range(3)) for copy in range(copies)]
    table = pd.DataFrame(cells, columns=["label", "background_index", "copy"])
    return table.assign(
        image_id=[f"val-{number}" for number in range(len(table))],
        class_name=[CLASSES[label] for label in table["label"]],
        background=[PLACES[place] for place in table["background_index"]],
        split=np.where(table["copy"] < copies // 2, "train", "val"),
        foreground_source="a photo",
    )


def samples():
    rows = image_table().assign(prompt="a photo, " * 20, strength=0.9)
    images = pictures(rows["image_id"])
    return generation.inspect_samples(Samples(rows, images, images[:, ::-1]))


def sketch(checkpoint):
    profile = small_profile(checkpoint)
    return generation.draw_yourself(profile, open_world(profile))


def verified_table():
    """36 images of 5 votes; the share of yes rises with the number of the image."""
    table = image_table()
    share = np.floor(np.linspace(0, 5.99, len(table))) / 5
    rows = table[["image_id"]].assign(p_foreground=share, p_background=1.0, n_votes=5, source="simulated", asked=True)
    rows = rows.assign(flagged_adult=False, rule="majority", accepted=share > 0.5)
    return pd.concat([rows, rows.assign(rule="dawid_skene", p_foreground=share**2)], ignore_index=True)


def threshold():
    table, verified = image_table(), verified_table()
    seen = table[["image_id"]].assign(background=1.0, foreground=(np.arange(len(table)) > 12).astype(float))
    return verification.move_threshold(verified, table, pictures(table["image_id"]), seen)


def answers():
    """What two models say: "a" is wrong about two images in three, "b" about every second."""
    table = image_table()[["image_id", "label", "background"]].assign(dataset="d3s")
    number = np.arange(len(table))
    p = 0.5 + number / 100
    wrong = {"a": number % 3 > 0, "b": number % 2 > 0}
    parts = [
        table.assign(model=name, p_guess=p, guess=np.where(own, (table["label"] + 1) % 3, table["label"]))
        for name, own in wrong.items()
    ]
    return pd.concat(parts, ignore_index=True)


def failures():
    return evaluation.browse_failures(answers(), pictures, CLASSES, per_page=4)


def table():
    return evaluation.failure_table(answers(), pictures, CLASSES)


def side_by_side():
    class Made:
        """A classifier that likes the class by its name and the brightness of the picture."""

        def __init__(self, name):
            self.shift = ord(name) - ord("a")

        def logits(self, images):
            return np.roll(images.mean((1, 2)) / 40, self.shift, axis=1)

    images = ImageSet("d3s", image_table(), pictures, "made up")
    evaluation.open_classifiers = lambda run, photos, names: {name: Made(name) for name in names}
    return evaluation.compare_models(None, None, images, answers(), CLASSES)


def features(ids, *key):
    """Foreground features that know the class, background features that know the background."""
    table, rng = image_table(), noise(*key)
    rows = table.set_index("image_id").loc[ids]
    fg = np.eye(3)[rows["label"]] * 3 + rng.normal(size=(len(rows), 3))
    bg = np.eye(3)[rows["background_index"]] * 3 + rng.normal(size=(len(rows), 3))
    guesses = [rows[name].to_numpy() for name in ("label", "background_index")]
    return Features(np.array(ids, object), fg.astype("float32"), bg.astype("float32"), *guesses)


def method():
    table, names = image_table(), ["none", "a_$penalty$"]
    rows = [
        (name, probe, one.id, 50 + 10 * number, 40, 90, 33)
        for number, name in enumerate(names)
        for probe, one in product(("linear", "mlp"), DIRECTIONS)
    ]
    summary = pd.DataFrame(rows, columns=["method", "probe", "direction", "accuracy", "low", "high", "chance"])
    ids = list(table["image_id"])
    by_name = {name: features(ids, number) for number, name in enumerate(names)}
    heads = [(name, head, 90.0, 85.0, 95.0) for name, head in product(names, ("label", "background"))]
    heads = pd.DataFrame(heads, columns=["method", "head", "accuracy", "low", "high"])
    return disentanglement.pick_method(by_name, table, summary, heads)


def families():
    """Of each class one image on each background."""
    return image_table().query("copy == 3").assign(family=0).reset_index(drop=True)


def counterfactual():
    rows, ids = families(), list(image_table()["image_id"])
    names = ["none", "a_$penalty$"]
    known = {name: features(ids, number) for number, name in enumerate(names)}
    encoded = {name: own.pick(rows["image_id"]) for name, own in known.items()}
    return probes.move_background(pictures(rows["image_id"]), rows, encoded, known)


def dial_guesses(images):
    """Two readers at two correlations: the first is always right, the second never at the higher one."""
    from d3s_utils.spurious.task import pairing

    tied = pairing(3, 3, 0, "spurious", 0)
    test = images[images["split"] == "val"]
    test = test.assign(agrees=test["background_index"].to_numpy() == tied[test["label"]])[
        ["image_id", "label", "agrees"]
    ]
    parts = []
    for (method, kind), at in product((("none", "fg"), ("plain", "all")), (0.5, 1.0)):
        fooled = int(kind == "all" and at == 1.0)
        how = {"method": method, "features": kind, "permutation": 0, "correlation": at}
        parts.append(test.assign(**how, guess=(test["label"] + fooled) % 3))
    return pd.concat(parts, ignore_index=True)


def dial():
    from d3s_utils.spurious.task import summarise

    images = image_table(8)
    guesses = dial_guesses(images)
    summary = summarise(guesses, images, 0)
    spurious.load_images = lambda folder, ids: (pictures(ids), SimpleNamespace())
    return spurious.turn_dial(images, guesses, summary, [("none", "fg"), ("plain", "all")], None, 0)
