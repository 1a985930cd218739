"""Where photographs come from: the pocket world, rendered when asked for, or files. One contract for both.

`Photos` are pictures of foreground classes (they train the classifiers and are pasted into guides), `Backgrounds` are
pictures of places with nothing in them.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from d3s_utils import paths, tables
from d3s_utils.errors import D3SError
from d3s_utils.files import FolderBackgrounds, FolderPhotos, HubPhotos
from d3s_utils.guides import NEED_BACKGROUND
from d3s_utils.pictures import read_picture
from d3s_utils.profile import recipe_hash
from d3s_utils.recipes import Recipe, open_recipe
from d3s_utils.seeds import seed_for
from d3s_utils.settings import HubDataset, Profile
from d3s_utils.sources import SPLITS, Backgrounds, NoBackgrounds, Photos
from d3s_utils.taxonomy import BACKGROUNDS, class_table, slug

EMPTY_SCENES = 100  # clean pocket backgrounds per background and split


def open_photos(profile: Profile, *, habit: float | None = None, key: str = "natural") -> Photos:
    """The photographs of `profile`.

    Args:
        habit: how often a class is on its habitual background, instead of `profile.natural.habit`; 0.1 is the uniform
            control. Pocket world only.
        key: names another draw of scenes, e.g. "natural-uniform".

    Raises:
        D3SError: for a missing folder, an empty class folder, or a habit asked of folders.
    """
    if profile.foregrounds == "pocket":
        return PocketPhotos(profile, profile.natural.habit if habit is None else habit, key)
    if habit is not None:
        raise D3SError("A habit can only be set in the pocket world; photographs in folders have the habits they have.")
    return HubPhotos(profile) if isinstance(profile.foregrounds, HubDataset) else FolderPhotos(profile)


def open_backgrounds(profile: Profile) -> Backgrounds:
    """The background pictures of `profile`, or the names of its shifts alone where no guide shows a background.

    Raises:
        D3SError: for a missing or empty folder, or a shift of the recipe that has no pictures.
    """
    recipe = open_recipe(profile)
    shifts = None if recipe.shifts is None else tuple(label for label, _ in recipe.shifts)
    if recipe.guide not in NEED_BACKGROUND and (shifts or profile.backgrounds in ("pocket", "generate")):
        return NoBackgrounds(shifts or BACKGROUNDS)
    if profile.backgrounds == "generate":
        return GeneratedBackgrounds(profile, recipe, shifts or BACKGROUNDS)
    backgrounds = PocketBackgrounds(profile) if profile.backgrounds == "pocket" else FolderBackgrounds(profile)
    missing = [name for name in shifts or () if name not in backgrounds.names]
    if missing:
        raise D3SError(
            f"recipe: {profile.recipe} shifts to {missing[0]!r}, of which {profile.backgrounds} has no pictures; add a "
            "folder of that name, set backgrounds to generate, or generator.guide to foreground."
        )
    if recipe.guide not in NEED_BACKGROUND:
        return NoBackgrounds(backgrounds.names)
    backgrounds.names = shifts or backgrounds.names
    return backgrounds


def natural_arrays(folder: Path | object, photos: Photos, split: str) -> tuple[np.ndarray, pd.DataFrame]:
    """All photographs of a split, (N, size, size, 3) uint8, and their table; kept under <folder>/cache.

    Args:
        folder: the run, or its folder.
    """
    table = photos.table(split)
    name = recipe_hash("natural", photos.recipe, photos.size, list(table["photo_id"]))
    path = Path(getattr(folder, "folder", folder)) / "cache" / f"{name}.safetensors"
    if not path.is_file():
        tables.write_tensors(path, {"images": photos.load(list(table["photo_id"]))})
    return tables.read_tensors(path)["images"].numpy(), table


# The pocket world -----------------------------------------------------------------------------------------------------


@functools.cache
def renderer_hash() -> str:
    """16 hexadecimal digits that change with the source of the pocket world's renderer, and so with its pictures."""
    folder = paths.PACKAGE / "pocket"
    sources = [folder / f"{name}.py" for name in ("raster", "foregrounds", "backgrounds", "world")]
    text = b"".join(source.read_bytes() for source in sources).replace(b"\r\n", b"\n")
    return hashlib.sha256(text).hexdigest()[:16]


class PocketPhotos(Photos):
    """Scenes of the pocket world, each class mostly on its habitual background."""

    def __init__(self, profile: Profile, habit: float, key: str):
        self.size, self.habit = profile.generator.size, habit
        self._classes = class_table(profile)
        self._per_class = {"train": profile.natural.train_per_class, "val": profile.natural.val_per_class}
        self._draw = (profile.seed, habit, key)
        self._scenes: dict[str, pd.DataFrame] = {}
        self.recipe = [renderer_hash(), self.size, list(self._classes["class_name"]), self._per_class, self._draw]

    def table(self, split: str) -> pd.DataFrame:
        return self._split(split).reset_index()[["photo_id", "label", "class_name", "background"]]

    def pictures(self, photo_ids: Sequence[str]) -> Iterator[Image.Image]:
        return map(Image.fromarray, self.load(photo_ids))

    def load(self, photo_ids: Sequence[str]) -> np.ndarray:
        return _render(self._find(photo_ids).assign(scene_id=list(photo_ids)), self.size, "rgb")

    def masks(self, photo_ids: Sequence[str]) -> Iterator[Image.Image]:
        masks = _render(self._find(photo_ids).assign(scene_id=list(photo_ids)), self.size, "mask")
        return map(Image.fromarray, masks)

    def _split(self, split: str) -> pd.DataFrame:
        """The scenes of a split, indexed by photo_id."""
        if split not in self._scenes:
            from d3s_utils.pocket.world import natural_scenes

            seed, habit, key = self._draw
            names = list(self._classes["class_name"])
            scenes = natural_scenes(seed, split, names, self._per_class[split], habit, key)
            self._scenes[split] = scenes.rename(columns={"scene_id": "photo_id"}).set_index("photo_id")
        return self._scenes[split]

    def _find(self, photo_ids: Sequence[str]) -> pd.DataFrame:
        return _rows(pd.concat([self._split(split) for split in SPLITS]), photo_ids, "photograph")


class PocketBackgrounds(Backgrounds):
    """The pocket world without its objects; train and val never share a scene."""

    def __init__(self, profile: Profile):
        self.names = BACKGROUNDS
        self._size, self._seed = profile.generator.size, profile.seed
        self.recipe = [renderer_hash(), self._size, self._seed, EMPTY_SCENES]

    def table(self, split: str) -> pd.DataFrame:
        ids = [(f"{split}-{slug(name)}-{self._seed}-{i:04d}", name) for name in self.names for i in range(EMPTY_SCENES)]
        return pd.DataFrame(ids, columns=["background_id", "background"])

    def pictures(self, background_ids: Sequence[str]) -> Iterator[Image.Image]:
        from d3s_utils.pocket.world import render_clean

        known = pd.concat([self.table(split) for split in SPLITS]).set_index("background_id")
        scenes = _rows(known, background_ids, "background picture").assign(scene_id=list(background_ids))
        return map(Image.fromarray, render_clean(scenes, self._size))


# Made from text -------------------------------------------------------------------------------------------------------


class GeneratedBackgrounds(Backgrounds):
    """Pictures of empty places that the run's own checkpoint makes from text, once; kept in <outputs>/.backgrounds.

    Each picture comes from a seed of its own, so it is the same whoever makes it and beside whichever others.
    """

    def __init__(self, profile: Profile, recipe: Recipe, names: Sequence[str]):
        from d3s_utils.manifest import generator_revision

        self.names, self._profile, self._count = tuple(names), profile, profile.dataset.generated_backgrounds
        self._words = dict(recipe.shifts or ())
        generator = profile.generator
        made_of = [generator.model, generator_revision(profile), generator.size, generator.steps, generator.guidance]
        self.recipe = ["generated", *made_of, generator.dtype, generator.eta, profile.seed, sorted(self._words.items())]
        self._folder = paths.outputs() / ".backgrounds" / recipe_hash(self.recipe)

    def table(self, split: str) -> pd.DataFrame:
        ids = [(f"{split}-{slug(name)}-{i:04d}", name) for name in self.names for i in range(self._count)]
        return pd.DataFrame(ids, columns=["background_id", "background"])

    def pictures(self, background_ids: Sequence[str]) -> Iterator[Image.Image]:
        self._make([name for name in dict.fromkeys(background_ids) if not self._path(name).is_file()])
        return (read_picture(self._path(background_id)) for background_id in background_ids)

    def _path(self, background_id: str) -> Path:
        return self._folder / f"{background_id}.png"

    def _make(self, missing: list[str]) -> None:
        if not missing:
            return
        from d3s_utils.generation import load_generator, text_to_image

        known = pd.concat([self.table(split) for split in SPLITS]).set_index("background_id")
        names = list(_rows(known, missing, "background picture")["background"])
        generator, settings = load_generator(self._profile), self._profile.generator
        for start in range(0, len(missing), settings.batch_size):
            batch = slice(start, start + settings.batch_size)
            prompts = [f"a photo {self._words.get(name, name)}" for name in names[batch]]
            seeds = [seed_for(self._profile.seed, "background", name) for name in missing[batch]]
            for name, image in zip(missing[batch], text_to_image(generator, prompts, seeds, settings), strict=True):
                picture = Image.fromarray(image)
                tables.write_atomically(self._path(name), lambda part, p=picture: p.save(part, format="PNG"))


def _render(scenes: pd.DataFrame, size: int, picture: str) -> np.ndarray:
    """One of the pictures (rgb, mask, clean) of many scenes, uint8."""
    from d3s_utils.pocket.world import render

    return getattr(render(scenes[["scene_id", "class_name", "background"]], size=size), picture)


def _rows(known: pd.DataFrame, ids: Sequence[str], what: str) -> pd.DataFrame:
    """The rows of `known` (indexed by id) for `ids`, in their order."""
    missing = [name for name in ids if name not in known.index]
    if missing:
        raise D3SError(f"There is no {what} {missing[0]} in this profile; check its seed and natural section.")
    return known.loc[list(ids)]
