"""The pocket world as a source of pictures: renders of objects in scenes, and of empty scenes, made when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from PIL import Image

from d3s_utils.data.sources import SPLITS, Backgrounds, Photos
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.settings import Profile
from d3s_utils.ground.sources import code_of
from d3s_utils.ground.words import BACKGROUNDS, slug
from d3s_utils.pocket.world import natural_scenes, render, render_clean

EMPTY_SCENES = 100  # clean pocket backgrounds per background and split


class PocketPhotos(Photos):
    """Scenes of the pocket world, each class mostly on its habitual background."""

    noun = "render"

    def __init__(self, profile: Profile, classes: pd.DataFrame, habit: float):
        self.size, self.habit, self._seed = profile.generator.size, habit, profile.seed
        self._class_names = list(classes["class_name"])
        self._per_class = {"train": profile.natural.train_per_class, "val": profile.natural.val_per_class}
        self._scenes: dict[str, pd.DataFrame] = {}
        self.key = [code_of(render), self.size, self._class_names, self._per_class, self._seed, habit]

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
            scenes = natural_scenes(self._seed, split, self._class_names, self._per_class[split], self.habit)
            self._scenes[split] = scenes.rename(columns={"scene_id": "photo_id"}).set_index("photo_id")
        return self._scenes[split]

    def _find(self, photo_ids: Sequence[str]) -> pd.DataFrame:
        return rows_of(pd.concat([self._split(split) for split in SPLITS]), photo_ids, self.noun)


class PocketBackgrounds(Backgrounds):
    """The pocket world without its objects; train and val never share a scene."""

    def __init__(self, size: int, seed: int):
        self.names, self._size, self._seed = BACKGROUNDS, size, seed
        self.key = [code_of(render), size, seed, EMPTY_SCENES]

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
