"""The pocket world as a source of pictures: renders of objects in scenes, and of empty scenes, made when asked for."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from PIL import Image

from d3s_utils.data.classes import class_table
from d3s_utils.data.sources import SPLITS, Backgrounds, Photos
from d3s_utils.ground import paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.settings import Profile
from d3s_utils.ground.words import BACKGROUNDS, slug
from d3s_utils.pocket.world import natural_scenes, render, render_clean

EMPTY_SCENES = 100  # clean pocket backgrounds per background and split


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
        self.key = [renderer_hash(), self.size, list(self._classes["class_name"]), self._per_class, self._draw]

    def table(self, split: str) -> pd.DataFrame:
        return self._split(split).reset_index()[["photo_id", "label", "class_name", "background"]]

    def pictures(self, photo_ids: Sequence[str]) -> Iterator[Image.Image]:
        return map(Image.fromarray, self.load(photo_ids))

    def load(self, photo_ids: Sequence[str]) -> np.ndarray:
        return rendered(self._find(photo_ids).assign(scene_id=list(photo_ids)), self.size, "rgb")

    def masks(self, photo_ids: Sequence[str]) -> Iterator[Image.Image]:
        masks = rendered(self._find(photo_ids).assign(scene_id=list(photo_ids)), self.size, "mask")
        return map(Image.fromarray, masks)

    def _split(self, split: str) -> pd.DataFrame:
        """The scenes of a split, indexed by photo_id."""
        if split not in self._scenes:
            seed, habit, key = self._draw
            names = list(self._classes["class_name"])
            scenes = natural_scenes(seed, split, names, self._per_class[split], habit, key)
            self._scenes[split] = scenes.rename(columns={"scene_id": "photo_id"}).set_index("photo_id")
        return self._scenes[split]

    def _find(self, photo_ids: Sequence[str]) -> pd.DataFrame:
        return rows_of(pd.concat([self._split(split) for split in SPLITS]), photo_ids, "photograph")


class PocketBackgrounds(Backgrounds):
    """The pocket world without its objects; train and val never share a scene."""

    def __init__(self, profile: Profile):
        self.names = BACKGROUNDS
        self._size, self._seed = profile.generator.size, profile.seed
        self.key = [renderer_hash(), self._size, self._seed, EMPTY_SCENES]

    def table(self, split: str) -> pd.DataFrame:
        ids = [(f"{split}-{slug(name)}-{self._seed}-{i:04d}", name) for name in self.names for i in range(EMPTY_SCENES)]
        return pd.DataFrame(ids, columns=["background_id", "background"])

    def pictures(self, background_ids: Sequence[str]) -> Iterator[Image.Image]:
        known = pd.concat([self.table(split) for split in SPLITS]).set_index("background_id")
        scenes = rows_of(known, background_ids, "background picture").assign(scene_id=list(background_ids))
        return map(Image.fromarray, render_clean(scenes, self._size))


def rendered(scenes: pd.DataFrame, size: int, picture: str) -> np.ndarray:
    """One of the pictures (rgb, mask, clean) of many scenes, uint8."""
    return getattr(render(scenes[["scene_id", "class_name", "background"]], size=size), picture)


def rows_of(known: pd.DataFrame, ids: Sequence[str], what: str) -> pd.DataFrame:
    """The rows of `known` (indexed by id) for `ids`, in their order."""
    missing = [name for name in ids if name not in known.index]
    if missing:
        raise D3SError(f"There is no {what} {missing[0]} in this profile; check its seed and natural section.")
    return known.loc[list(ids)]
