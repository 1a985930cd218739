"""The manifest: one row per image to be made, complete before the first one is. And the guide each row asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from PIL import Image

from d3s_utils import paths
from d3s_utils.errors import D3SError
from d3s_utils.guides import NEED_BACKGROUND, NEED_FOREGROUND, compose, draw_placement, object_place
from d3s_utils.photos import open_backgrounds, open_photos
from d3s_utils.profile import recipe_hash
from d3s_utils.recipes import open_recipe
from d3s_utils.seeds import rng_for, seed_for
from d3s_utils.settings import Profile
from d3s_utils.sources import SPLITS, Backgrounds, Photos
from d3s_utils.tables import COLUMNS
from d3s_utils.taxonomy import class_table, slug


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
    manifest["recipe_hash"] = _recipes(manifest, [photos.recipe, backgrounds.recipe, generator, batches])
    return manifest[COLUMNS["manifest"]]


def image_id(split: str, wnid: str, background: str, index: int) -> str:
    """The name of an image, from its place in the dataset."""
    return f"{split}-{slug(wnid)}-{slug(background)}-{index:04d}"


def images_per_cell(profile: Profile, split: str) -> int:
    """Images of one class on one background."""
    return getattr(profile.dataset, f"{split}_per_cell")


def generator_revision(profile: Profile) -> str:
    """The revision asked of the hub; for a folder 16 hexadecimal digits of its content, or "" while it is missing.

    Training the pocket generator again thus changes the recipe of every image, as it should.
    """
    model = profile.generator.model
    folder = paths.POCKET_WEIGHTS / "generator" if model == "pocket" else paths.resolve(model)
    if not folder.is_dir():
        return profile.generator.revision or ""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.suffix in (".json", ".safetensors", ".txt", ".bin")):
        digest.update(file.relative_to(folder).as_posix().encode())
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:16]


def guide_for(row: pd.Series, photos: Photos, backgrounds: Backgrounds) -> Image.Image:
    """The guide of one row of the manifest."""
    return Image.fromarray(guides_for(row.to_frame().T, photos, backgrounds)[0])


def guides_for(rows: pd.DataFrame, photos: Photos, backgrounds: Backgrounds) -> np.ndarray:
    """The guides of many rows, all of one kind, (N, size, size, 3) uint8."""
    guides = np.empty((len(rows), photos.size, photos.size, 3), np.uint8)
    kind = _kind(rows)
    nothing = [None] * len(rows)
    sources = (
        photos.pictures(list(rows["foreground_source"])) if kind in NEED_FOREGROUND else nothing,
        backgrounds.pictures(list(rows["background_source"])) if kind in NEED_BACKGROUND else nothing,
        photos.masks(list(rows["foreground_source"])) if kind == "mask" else nothing,
    )
    for guide, place, pictures in zip(guides, _places(rows), zip(*sources, strict=True), strict=True):
        guide[:] = compose(kind, *pictures, **place, size=photos.size)
    return guides


def object_places(rows: pd.DataFrame, photos: Photos) -> np.ndarray:
    """Where the guides of many rows show their object, (N, size, size) uint8, 255 = object."""
    kind = _kind(rows)
    masks = photos.masks(list(rows["foreground_source"])) if kind == "mask" else [None] * len(rows)
    found = zip(masks, _places(rows), strict=True)
    return np.stack([np.asarray(object_place(kind, mask, **place, size=photos.size)) for mask, place in found])


def _kind(rows: pd.DataFrame) -> str:
    """What the guides of `rows` show; a table that does not say pastes."""
    return rows["guide_kind"].iloc[0] if "guide_kind" in rows and len(rows) else "paste"


def _places(rows: pd.DataFrame) -> list[dict[str, int | float]]:
    columns = zip(rows["left"], rows["top"], rows["scale"], strict=True)
    return [{"left": int(left), "top": int(top), "scale": float(scale)} for left, top, scale in columns]


def _split(profile: Profile, split: str, photos: Photos, backgrounds: Backgrounds) -> pd.DataFrame:
    """The rows of one split: what to show, where, and the seed."""
    classes, count, recipe = class_table(profile), len(backgrounds.names), open_recipe(profile)
    foregrounds = photos.table(split).groupby("label")["photo_id"].agg(list)
    places = backgrounds.table(split).groupby("background")["background_id"].agg(list)
    queues = {name: _shuffled(places[name], profile.seed, split, "backgrounds", name) for name in backgrounds.names}
    rows = []
    for label, class_name, wnid, definition in _columns(classes, "label", "class_name", "wnid", "definition"):
        queue = _shuffled(_of_class(foregrounds, label, class_name, split), profile.seed, split, "foregrounds", wnid)
        for b, background in enumerate(backgrounds.names):
            words = recipe.prompt(class_name, definition if profile.generator.definition else None, background)
            for index in range(images_per_cell(profile, split)):
                # Round robin: no photograph is used twice before each was used once.
                foreground = queue[(index * count + b) % len(queue)]
                place = queues[background][(index * len(classes) + label) % len(queues[background])]
                rows.append((label, class_name, wnid, background, index, words, foreground, place))
    names = ["label", "class_name", "wnid", "background", "index", "prompt", "foreground_source", "background_source"]
    table = _place(pd.DataFrame(rows, columns=names).assign(split=split, guide_kind=recipe.guide), profile)
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


def _place(rows: pd.DataFrame, profile: Profile) -> pd.DataFrame:
    """`rows` with image_id, seed, left and top, each from the image's own key."""
    keys = [(profile.seed, *key) for key in _columns(rows, "split", "wnid", "background", "index")]
    size, scale = profile.generator.size, profile.generator.scale
    corners = [draw_placement(rng_for(*key, "placement"), size, scale) for key in keys]
    return rows.assign(
        image_id=[image_id(*key[1:]) for key in keys],
        seed=[seed_for(*key) for key in keys],
        left=[left for left, _ in corners],
        top=[top for _, top in corners],
        scale=scale,
    )


def _recipes(manifest: pd.DataFrame, shared: Sequence[object]) -> list[str]:
    """One hash per image over its row and what all images share."""
    common, columns = recipe_hash(*shared), [column for column in COLUMNS["manifest"] if column != "recipe_hash"]
    return [recipe_hash(common, *row) for row in _columns(manifest, *columns)]


def _columns(table: pd.DataFrame, *names: str):
    """The rows of some columns as plain tuples."""
    return table[list(names)].itertuples(index=False, name=None)


def _shuffled(ids: Sequence[str], *key: object) -> list[str]:
    return [ids[i] for i in rng_for(*key).permutation(len(ids))]


def _of_class(foregrounds: pd.Series, label: int, class_name: str, split: str) -> list[str]:
    if label not in foregrounds.index:
        raise D3SError(f"foregrounds.{split}: there is no photograph of {class_name}; add some, or drop the class.")
    return foregrounds[label]
