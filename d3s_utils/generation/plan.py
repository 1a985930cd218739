"""The manifest: one row per image to be made, complete before the first one is."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from d3s_utils.data.classes import class_table
from d3s_utils.data.guides import NEED_BACKGROUND, NEED_FOREGROUND, draw_corner
from d3s_utils.data.prompts import open_recipe
from d3s_utils.data.sources import SPLITS, Backgrounds, Photos
from d3s_utils.diffusion.revision import generator_revision
from d3s_utils.generation.world import open_backgrounds, open_photos
from d3s_utils.ground.cached import digest
from d3s_utils.ground.columns import COLUMNS
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.seeds import rng_for, seed_for
from d3s_utils.ground.settings import Profile
from d3s_utils.ground.words import slug


def build_manifest(
    profile: Profile, photos: Photos | None = None, backgrounds: Backgrounds | None = None
) -> pd.DataFrame:
    """Every image of `profile`, balanced over split, class and background.

    Val guides show val photographs only, train guides train photographs. Seed, placement and sources of an image depend
    on its place (split, class, background, index) alone, so more images per cell change none of the earlier ones.

    Args:
        photos, backgrounds: those of `profile`, where they are open already.

    Returns:
        The columns of the contract (`tables.COLUMNS["manifest"]`), sorted by split, class, background, index.

    Raises:
        D3SError: whatever the folders of photographs and backgrounds have to say.
    """
    photos, backgrounds = photos or open_photos(profile), backgrounds or open_backgrounds(profile)
    parts = [_split(profile, split, photos, backgrounds) for split in SPLITS if images_per_cell(profile, split)]
    manifest = pd.concat(parts, ignore_index=True)
    generator = profile.generator
    manifest = manifest.assign(
        strength=1.0 if generator.mode == "text2img" else generator.strength,
        steps=generator.steps,
        guidance=generator.guidance,
        generator=generator.model,
        generator_revision=generator_revision(profile),
    )
    batches = [profile.threads, profile.device, profile.dataset.shard_size]  # sums depend on who is summed together
    manifest["recipe_hash"] = _recipes(manifest, [photos.key, backgrounds.key, generator, batches])
    return manifest[COLUMNS["manifest"]]


def image_id(split: str, wnid: str, background: str, index: int) -> str:
    """The name of an image, from its place in the dataset."""
    return f"{split}-{slug(wnid)}-{slug(background)}-{index:04d}"


def images_per_cell(profile: Profile, split: str) -> int:
    """Images of one class on one background."""
    return getattr(profile.dataset, f"{split}_per_cell")


def _split(profile: Profile, split: str, photos: Photos, backgrounds: Backgrounds) -> pd.DataFrame:
    """The rows of one split: what to show, where, and the seed."""
    classes, count, recipe = class_table(profile), len(backgrounds.names), open_recipe(profile)
    foregrounds = photos.table(split).groupby("label")["photo_id"].agg(list)
    pictures = backgrounds.table(split).groupby("background")["background_id"].agg(list)
    queues = {name: _shuffled(pictures[name], profile.seed, split, "backgrounds", name) for name in backgrounds.names}
    rows = []
    for label, class_name, wnid, definition in _columns(classes, "label", "class_name", "wnid", "definition"):
        queue = _shuffled(_of_class(foregrounds, label, class_name, split), profile.seed, split, "foregrounds", wnid)
        for b, background in enumerate(backgrounds.names):
            words = recipe.prompt(class_name, definition if profile.generator.definition else None, background)
            for index in range(images_per_cell(profile, split)):
                # Round robin: no photograph is used twice before each was used once.
                foreground = queue[(index * count + b) % len(queue)]
                picture = queues[background][(index * len(classes) + label) % len(queues[background])]
                rows.append((label, class_name, wnid, background, index, words, foreground, picture))
    names = ["label", "class_name", "wnid", "background", "index", "prompt", "foreground_source", "background_source"]
    table = _with_corners(pd.DataFrame(rows, columns=names).assign(split=split, guide_kind=recipe.guide), profile)
    return _only_what_is_shown(table, recipe.guide)


def _only_what_is_shown(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    """No sources and no place where the guide shows none."""
    if kind not in NEED_FOREGROUND:
        rows = rows.assign(foreground_source="", scale=0.0)
    elif kind == "foreground":
        rows = rows.assign(scale=1.0)
    if kind not in NEED_BACKGROUND:
        rows = rows.assign(background_source="")
    return rows if kind in ("paste", "mask") else rows.assign(left=0, top=0)


def _with_corners(rows: pd.DataFrame, profile: Profile) -> pd.DataFrame:
    """`rows` with image_id, seed, left and top, each from the image's own key."""
    keys = [(profile.seed, *key) for key in _columns(rows, "split", "wnid", "background", "index")]
    size, scale = profile.generator.size, profile.generator.scale
    corners = [draw_corner(rng_for(*key, "placement"), size, scale) for key in keys]
    return rows.assign(
        image_id=[image_id(*key[1:]) for key in keys],
        seed=[seed_for(*key) for key in keys],
        left=[left for left, _ in corners],
        top=[top for _, top in corners],
        scale=scale,
    )


def _recipes(manifest: pd.DataFrame, shared: Sequence[object]) -> list[str]:
    """One hash per image over its row and what all images share."""
    common, columns = digest(*shared), [column for column in COLUMNS["manifest"] if column != "recipe_hash"]
    return [digest(common, *row) for row in _columns(manifest, *columns)]


def _columns(table: pd.DataFrame, *names: str):
    """The rows of some columns as plain tuples."""
    return table[list(names)].itertuples(index=False, name=None)


def _shuffled(ids: Sequence[str], *key: object) -> list[str]:
    return [ids[i] for i in rng_for(*key).permutation(len(ids))]


def _of_class(foregrounds: pd.Series, label: int, class_name: str, split: str) -> list[str]:
    if label not in foregrounds.index:
        raise D3SError(f"foregrounds.{split}: there is no photograph of {class_name}; add some, or drop the class.")
    return foregrounds[label]
