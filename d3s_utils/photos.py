"""Where photographs come from: the pocket world, rendered when asked for, or folders of files. One contract for both.

`Photos` are pictures of foreground classes (they train the classifiers and are pasted into guides), `Backgrounds` are
pictures of places with nothing in them.
"""

from __future__ import annotations

import functools
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from d3s_utils import paths, tables
from d3s_utils.errors import D3SError
from d3s_utils.guides import square
from d3s_utils.profile import recipe_hash
from d3s_utils.seeds import rng_for
from d3s_utils.settings import Profile
from d3s_utils.taxonomy import BACKGROUNDS, class_table, slug

SPLITS = ("train", "val")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
EMPTY_SCENES = 100  # clean pocket backgrounds per background and split


class Photos(ABC):
    """Photographs of the classes of a run.

    Attributes:
        size: side of what `load` returns, pixels.
        habit: probability of the habitual background; None where nobody staged the photographs.
        recipe: everything the pictures depend on, for `recipe_hash`.
    """

    size: int
    habit: float | None
    recipe: object

    @abstractmethod
    def table(self, split: str) -> pd.DataFrame:
        """photo_id, label, class_name, background (None where unknown), class by class."""

    @abstractmethod
    def pictures(self, photo_ids: Sequence[str]) -> Iterator[Image.Image]:
        """RGB pictures in their own size, upright, one after another: files are read as they are asked for."""

    def picture(self, photo_id: str) -> Image.Image:
        return next(self.pictures([photo_id]))

    def load(self, photo_ids: Sequence[str]) -> np.ndarray:
        """Centre squares, (N, size, size, 3) uint8."""
        images = np.empty((len(photo_ids), self.size, self.size, 3), np.uint8)
        for i, picture in enumerate(self.pictures(photo_ids)):
            images[i] = square(picture, self.size)
        return images


class Backgrounds(ABC):
    """Pictures of empty places.

    Attributes:
        names: the backgrounds of this run, the paper's ten first and in its order.
        recipe: everything the pictures depend on, for `recipe_hash`.
    """

    names: tuple[str, ...]
    recipe: object

    @abstractmethod
    def table(self, split: str) -> pd.DataFrame:
        """background_id, background."""

    @abstractmethod
    def pictures(self, background_ids: Sequence[str]) -> Iterator[Image.Image]:
        """RGB pictures in their own size, upright, one after another: files are read as they are asked for."""

    def picture(self, background_id: str) -> Image.Image:
        return next(self.pictures([background_id]))


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
    return FolderPhotos(profile)


def open_backgrounds(profile: Profile) -> Backgrounds:
    """The background pictures of `profile`; raises `D3SError` for a missing or empty folder."""
    return PocketBackgrounds(profile) if profile.backgrounds == "pocket" else FolderBackgrounds(profile)


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

    def masks(self, photo_ids: Sequence[str]) -> np.ndarray:
        """Where the object is, (N, size, size) uint8, 255 inside."""
        return _render(self._find(photo_ids).assign(scene_id=list(photo_ids)), self.size, "mask")

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


def _render(scenes: pd.DataFrame, size: int, picture: str) -> np.ndarray:
    """One of the pictures (rgb, mask, clean) of many scenes, uint8."""
    from d3s_utils.pocket.world import render

    return getattr(render(scenes[["scene_id", "class_name", "background"]], size=size), picture)


# Folders --------------------------------------------------------------------------------------------------------------


class FolderPhotos(Photos):
    """Photographs in ImageNet layout, at most `profile.natural.*_per_class` of a class, drawn by the profile's seed.

    A photo_id is "<split>/<class folder>/<file>".
    """

    def __init__(self, profile: Profile):
        self.size, self.habit = profile.generator.size, None
        self._folders, self._seed = profile.foregrounds, profile.seed
        self._most = {"train": profile.natural.train_per_class, "val": profile.natural.val_per_class}
        self._classes = class_table(profile)
        self._tables: dict[str, pd.DataFrame] = {}
        self.recipe = [self._folders, self.size]
        if self._root("train").resolve() == self._root("val").resolve():
            raise D3SError(
                f"foregrounds: train and val are the same folder, {self._root('train')}; "
                "val needs photographs that train never uses."
            )

    def table(self, split: str) -> pd.DataFrame:
        if split not in self._tables:
            self._tables[split] = self._list(split)
        return self._tables[split].copy()

    def pictures(self, photo_ids: Sequence[str]) -> Iterator[Image.Image]:
        return (read_picture(self._path(photo_id)) for photo_id in photo_ids)

    def _root(self, split: str) -> Path:
        return paths.resolve(getattr(self._folders, split))

    def _path(self, photo_id: str) -> Path:
        split, _, rest = photo_id.partition("/")
        return self._root(split) / rest

    def _list(self, split: str) -> pd.DataFrame:
        rows = []
        for label, wnid, class_name in self._classes[["label", "wnid", "class_name"]].itertuples(index=False):
            names = list_pictures(self._root(split) / wnid, f"foregrounds.{split}")
            if len(names) > self._most[split]:
                drawn = rng_for(self._seed, "photos", split, wnid).choice(len(names), self._most[split], replace=False)
                names = [names[i] for i in sorted(drawn)]
            rows += [(f"{split}/{wnid}/{name}", label, class_name, None) for name in names]
        return pd.DataFrame(rows, columns=["photo_id", "label", "class_name", "background"])


class FolderBackgrounds(Backgrounds):
    """Pictures in DIR/<background>/*.jpg ("in_a_cave" or "in a cave"); both splits draw from the same ones."""

    def __init__(self, profile: Profile):
        self._root = paths.resolve(profile.backgrounds)
        if not self._root.is_dir():
            raise D3SError(f"backgrounds: there is no folder {self._root}; give one that holds DIR/<background>/*.jpg.")
        folders = [entry.name for entry in self._root.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
        if not folders:
            raise D3SError(f"backgrounds: {self._root} has no folders; it must hold DIR/<background>/*.jpg.")
        named = {_phrase(name): name for name in folders}
        self._folders = {background: named[background] for background in sorted(named, key=_paper_order)}
        if len(self._folders) < len(folders):
            raise D3SError(f"backgrounds: two folders of {self._root} mean the same background; join them.")
        self.names = tuple(self._folders)
        self._table = pd.DataFrame(
            [
                (f"{folder}/{name}", background)
                for background, folder in self._folders.items()
                for name in list_pictures(self._root / folder, "backgrounds")
            ],
            columns=["background_id", "background"],
        )
        self.recipe = profile.backgrounds

    def table(self, split: str) -> pd.DataFrame:
        return self._table.copy()

    def pictures(self, background_ids: Sequence[str]) -> Iterator[Image.Image]:
        return (read_picture(self._root / background_id) for background_id in background_ids)


def list_pictures(folder: Path, key: str) -> list[str]:
    """Names of the pictures in `folder`, sorted; `key` of the profile is named in the errors.

    Raises:
        D3SError: if the folder is missing or has no pictures.
    """
    if not folder.is_dir():
        raise D3SError(f"{key}: there is no folder {folder}; make it, or take {folder.name} out of the profile.")
    names = sorted(file.name for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.name[0] != ".")
    if not names:
        raise D3SError(f"{key}: the folder {folder} has no pictures ({', '.join(SUFFIXES)}); fill it or remove it.")
    return names


def read_picture(path: Path) -> Image.Image:
    """The picture in a file, upright (EXIF), RGB whatever it was (grey, CMYK, palette, transparent on white).

    Raises:
        D3SError: if the file is missing or cannot be decoded.
    """
    try:
        with Image.open(path) as picture:
            return _to_rgb(ImageOps.exif_transpose(picture))
    except FileNotFoundError as error:
        raise D3SError(f"There is no picture {path}; put it back, or build the manifest again.") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise D3SError(f"{path} cannot be read as a picture ({error}); replace or remove the file.") from error


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16"):  # plain `convert` would clip 16-bit greys to white
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    sheet = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(sheet, picture.convert("RGBA")).convert("RGB")


def _phrase(folder: str) -> str:
    return folder.replace("_", " ").replace("-", " ")


def _paper_order(background: str) -> tuple[int, str]:
    return (BACKGROUNDS.index(background) if background in BACKGROUNDS else len(BACKGROUNDS), background)


def _rows(known: pd.DataFrame, ids: Sequence[str], what: str) -> pd.DataFrame:
    """The rows of `known` (indexed by id) for `ids`, in their order."""
    missing = [name for name in ids if name not in known.index]
    if missing:
        raise D3SError(f"There is no {what} {missing[0]} in this profile; check its seed and natural section.")
    return known.loc[list(ids)]
