"""The manifest: one row per image to be made, complete before the first one is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from d3s_utils.data.guides import NEED_BACKGROUND, NEED_FOREGROUND, draw_corner
from d3s_utils.data.sources import SPLITS, Photos
from d3s_utils.diffusion.draw import generate
from d3s_utils.diffusion.revision import generator_revision
from d3s_utils.generation.guides import guides_for
from d3s_utils.generation.world import World
from d3s_utils.ground.cached import digest
from d3s_utils.ground.columns import MANIFEST
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.seeds import rng_for, seed_for
from d3s_utils.ground.settings import Generator, Profile
from d3s_utils.ground.sources import code_of
from d3s_utils.ground.words import slug


def build_manifest(profile: Profile, world: World) -> pd.DataFrame:
    """Every image of `profile`, balanced over split, class and background.

    Val guides show val photographs only, train guides train photographs. Seed, corner and sources of an image depend on
    its cell and number (split, class, background, index) alone: more images per cell change none of the earlier ones.

    Args:
        world: that of `profile`.

    Returns:
        The columns of the contract (`columns.MANIFEST`), sorted by split, class, background, index.

    Raises:
        D3SError: for photographs, backgrounds or masks that are missing or unusable.
    """
    parts = [_split(profile, split, world) for split in SPLITS if images_per_cell(profile, split)]
    manifest = pd.concat(parts, ignore_index=True)
    manifest = drawn_by(manifest, profile.generator)
    return manifest.assign(recipe_hash=image_hashes(manifest, profile, world))[MANIFEST]


def image_hashes(rows: pd.DataFrame, profile: Profile, world: World) -> list[str]:
    """Of each image 16 hexadecimal digits that depend on everything it is made from, and on nothing else.

    That is its row, the content of the very pictures its guide shows, the settings and the code that draw it, and what
    is drawn together.

    Args:
        rows: see `drawn_by`; of the manifest, or with some of its columns.
    """
    own = rows[[name for name in MANIFEST if name in rows and name != "recipe_hash"]].copy()
    keys = []
    for name, key, stamps, column in _shown(world):
        keys.append(key)
        ids = list(rows[column].unique())
        own[name] = rows[column].map(dict(zip(ids, stamps(ids), strict=True)))
    together = [profile.threads, profile.device, profile.dataset.shard_size]  # sums depend on who is summed together
    code = code_of(generate, guides_for, beside=[Photos.__module__])  # which says what sources give, and not how
    common = digest(keys, drawn_with(profile.generator), together, code)
    return [digest(common, *row) for row in _columns(own, *own.columns)]


def _shown(world: World) -> list[tuple[str, object, Callable[[Sequence[str]], list[str]], str]]:
    """The pictures that the guides show: name, what all of them depend on, their stamps, the column of their ids."""
    kind, photos, backgrounds = world.recipe.guide, world.photos, world.backgrounds
    shown = []
    if kind in NEED_FOREGROUND:
        shown.append(("foreground stamp", photos.key, photos.stamps, "foreground_source"))
    if kind == "mask":
        shown.append(("mask stamp", photos.key, photos.mask_stamps, "foreground_source"))
    if kind in NEED_BACKGROUND:
        shown.append(("background stamp", backgrounds.key, backgrounds.stamps, "background_source"))
    return shown


def drawn_by(rows: pd.DataFrame, generator: Generator) -> pd.DataFrame:
    """`rows` with the columns that say which model draws, and how."""
    return rows.assign(
        strength=1.0 if generator.mode == "text2img" else generator.strength,
        steps=generator.steps,
        guidance=generator.guidance,
        generator=generator.model,
        generator_revision=generator_revision(generator),
    )


def drawn_with(generator: Generator) -> list[object]:
    """The settings of the generator that count for an image and that its row of the manifest does not say."""
    return [
        *(generator.size, generator.mode, generator.eta, generator.dtype),
        *(generator.batch_size, generator.compile, generator.safety),
    ]


def image_id(split: str, wnid: str, background: str, index: int) -> str:
    """The name of an image, from its cell and number."""
    return f"{split}-{slug(wnid)}-{slug(background)}-{index:04d}"


def images_per_cell(profile: Profile, split: str) -> int:
    """Images of one class on one background."""
    return getattr(profile.dataset, f"{split}_per_cell")


def _split(profile: Profile, split: str, world: World) -> pd.DataFrame:
    """The rows of one split: what to show, where, and the seed."""
    classes, recipe, backgrounds = world.classes, world.recipe, world.backgrounds
    count = len(backgrounds.names)
    foregrounds = world.photos.table(split).groupby("label")["photo_id"].agg(list)
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
    """No sources and no corner where the guide shows none."""
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


def _columns(table: pd.DataFrame, *names: str):
    """The rows of some columns as plain tuples."""
    return table[list(names)].itertuples(index=False, name=None)


def _shuffled(ids: Sequence[str], *key: object) -> list[str]:
    return [ids[i] for i in rng_for(*key).permutation(len(ids))]


def _of_class(foregrounds: pd.Series, label: int, class_name: str, split: str) -> list[str]:
    if label not in foregrounds.index:
        raise D3SError(f"foregrounds.{split}: there is no photograph of {class_name}; add some, or drop the class.")
    return foregrounds[label]
