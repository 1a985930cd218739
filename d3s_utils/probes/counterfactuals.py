"""Counterfactuals: the same picture with only the background changed, or only the foreground (design, section 7.5).

Images come in families. Within a family everything is shared but two things: which natural image is pasted, and which
background the prompt names. Every combination of the two is made, all from one seed and one guide background. So two
images of one row differ by what the background alone moves, two of one column by what the foreground alone moves.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from d3s_utils.data.guides import draw_corner
from d3s_utils.diffusion.load import load_generator
from d3s_utils.disentanglement.features import Features
from d3s_utils.generation.guides import guides_for
from d3s_utils.generation.plan import drawn_by, image_hashes
from d3s_utils.generation.shard import draw
from d3s_utils.generation.world import World
from d3s_utils.ground.cached import Tensors, cached
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.seeds import rng_for, seed_for
from d3s_utils.ground.settings import Profile
from d3s_utils.ground.stats import cluster_bootstrap
from d3s_utils.probes.readers import standardised

PARTS = ("fg", "bg")


def family_table(profile: Profile, world: World) -> pd.DataFrame:
    """The images to be made, `probes.families` x `probes.foregrounds` x backgrounds, in this order.

    Returns:
        image_id, family, label, class_name, background, prompt, seed, foreground_source, background_source, left, top,
        scale. Foregrounds of a family are of different classes, from natural validation images.
    """
    settings, generator, classes, recipe = profile.probes, profile.generator, world.classes, world.recipe
    photo_ids = world.photos.table("val").groupby("label")["photo_id"].agg(list)
    empty_scenes, rows = world.backgrounds.table("val")["background_id"].tolist(), []
    for family in range(settings.families):
        rng = rng_for(profile.seed, "family", family)
        left, top = draw_corner(rng, generator.size, generator.scale)
        shared = {
            "family": family,
            "seed": seed_for(profile.seed, "family", family),
            "background_source": empty_scenes[rng.integers(len(empty_scenes))],
            "left": left,
            "top": top,
            "scale": generator.scale,
        }
        labels = rng.choice(len(classes), min(settings.foregrounds, len(classes)), replace=False)
        sources = {int(label): photo_ids[label][rng.integers(len(photo_ids[label]))] for label in labels}
        for (label, source), background in product(sources.items(), world.backgrounds.names):
            own = classes.iloc[label]
            words = recipe.prompt(own["class_name"], own["definition"] if generator.definition else None, background)
            named = {"label": label, "class_name": own["class_name"], "background": background, "prompt": words}
            rows.append({**shared, **named, "foreground_source": source, "guide_kind": recipe.guide})
    return pd.DataFrame(rows).assign(image_id=[f"family-{number:05d}" for number in range(len(rows))])


def draw_families(
    folder: Path, profile: Profile, families: pd.DataFrame, world: World
) -> tuple[np.ndarray, np.ndarray]:
    """Images and guides of `families`, (N, S, S, 3) uint8 each, drawn as the dataset's are, kept in <folder>/cache."""
    one_background = families.drop_duplicates(["family", "label"])
    guides = guides_for(one_background, world.photos, world.backgrounds)
    guides = guides.repeat(families["background"].nunique(), axis=0)

    def make() -> Tensors:
        return Tensors({"images": draw(load_generator(profile), families, guides, world.photos, profile.generator)})

    key = image_hashes(drawn_by(families, profile.generator), profile, world)
    kept = cached(Path(folder) / "cache" / "counterfactuals.safetensors", key, make)
    return kept.tensors["images"].numpy(), guides


def movement(x: np.ndarray, families: pd.DataFrame) -> pd.DataFrame:
    """How far features move within each family, in the unit of `x`.

    Args:
        x: (N, D) features of the images of `families`.

    Returns:
        family, background_changes, foreground_changes: the mean Euclidean distance over all pairs of images that differ
        in the background alone, or in the foreground alone.
    """
    rows = []
    for family, group in families.reset_index(drop=True).groupby("family"):
        grid = x[group.index].reshape(group["label"].nunique(), group["background"].nunique(), -1)  # (F, B, D)
        rows.append((family, mean_distance(grid), mean_distance(grid.swapaxes(0, 1))))
    return pd.DataFrame(rows, columns=["family", "background_changes", "foreground_changes"])


def mean_distance(grid: np.ndarray) -> float:
    """Mean distance between two members of a row, over all rows of (rows, members, D); at least two members."""
    members = grid.shape[1]
    distance = np.linalg.norm(grid[:, :, None] - grid[:, None], axis=-1)  # (rows, members, members)
    return float(distance.sum() / (len(grid) * members * (members - 1)))


def movement_ratios(
    encoded: dict[str, Features], reference: dict[str, Features], families: pd.DataFrame, seed: int
) -> pd.DataFrame:
    """Movement when the background changes over movement when the foreground changes, for both parts of each method.

    0 means that a part does not feel the background at all; 1 that either change moves it as far.

    Args:
        encoded: by method, features of the images of `families`.
        reference: by method, features of many other images; each coordinate is measured in their deviation.

    Returns:
        method, features ("fg" or "bg"), ratio, low, high (95 %, whole families redrawn), families.
    """
    rows = []
    for method, part in product(encoded, PARTS):
        known, new = getattr(reference[method], part), getattr(encoded[method], part)
        x = standardised(np.concatenate([known, new]), np.arange(len(known) + len(new)) < len(known))[len(known) :]
        table = movement(x, families)
        low, high = cluster_bootstrap(table, ratio, "family", (seed, "invariance interval"))
        rows.append((method, part, ratio(table), float(low), float(high), len(table)))
    return pd.DataFrame(rows, columns=["method", "features", "ratio", "low", "high", "families"])


def ratio(table: pd.DataFrame) -> float:
    """Mean movement with the background over mean movement with the foreground."""
    return table["background_changes"].mean() / table["foreground_changes"].mean()


def moved_from(
    encoded: Features,
    reference: Features,
    families: pd.DataFrame,
    row: tuple[int, int] | None = None,
    start: str | None = None,
) -> pd.DataFrame:
    """How far each part moves when only the background of one foreground changes.

    Args:
        encoded: features of the images of `families`.
        reference: features of many other images of the same method; each coordinate is measured in their deviation.
        row: the family and the label of the foreground; by default the first.
        start: the background from which distances are measured; by default the row's first.

    Returns:
        Rows of `families`, numbered as there from 0, with `fg` and `bg`: the distance of each part from the image on
        `start`, as a share of the root mean square distance between two of the reference's images (1: as far as to any
        image); and `start`, whether it is that image.

    Raises:
        D3SError: there is no such image.
    """
    table = families.reset_index(drop=True)
    family, label = row or tuple(table.loc[0, ["family", "label"]])
    rows = table[(table["family"] == family) & (table["label"] == label)]
    begun = rows["background"] == (rows["background"].iloc[0] if start is None and len(rows) else start)
    if not begun.any():
        raise D3SError(f"Family {family} has no image of class {label} on such a background ({start}).")
    found = {}
    for part in PARTS:
        known, new = getattr(reference, part), getattr(encoded, part)
        scale = known.std(axis=0)
        scale = np.where(scale > 0, scale, 1)
        usual = np.sqrt(2 * (known / scale).var(axis=0).sum())
        found[part] = np.linalg.norm((new[rows.index] - new[rows.index[begun][0]]) / scale, axis=1) / usual
    return rows.assign(**found, start=begun)
