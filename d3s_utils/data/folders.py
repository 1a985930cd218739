"""Photographs and backgrounds that lie in files: folders, or a Hugging Face dataset. Unusable pictures are left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
from PIL import Image

from d3s_utils.data.layouts import open_layout
from d3s_utils.data.masks import mask_file, mask_for
from d3s_utils.data.pictures import file_stamp, list_pictures, read_picture, usable
from d3s_utils.data.sources import SKIPPED, SPLITS, Backgrounds, Photos, no_skips
from d3s_utils.ground import journal, paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.settings import Profile
from d3s_utils.ground.sources import code_of
from d3s_utils.ground.squares import square
from d3s_utils.ground.words import BACKGROUNDS


class StoredPhotos(Photos):
    """Photographs that somebody took, at most `profile.natural.*_per_class` of a class, drawn by the profile's seed.

    A photo_id is "<split>/<name>". A picture that cannot be used is replaced by the next of its class.
    """

    noun = "photograph"

    def __init__(self, profile: Profile, classes: pd.DataFrame):
        self.size, self.habit = profile.generator.size, None
        self._seed, self._masks, self._classes = profile.seed, profile.generator.masks, classes
        self._most = {"train": profile.natural.train_per_class, "val": profile.natural.val_per_class}
        self._layouts = {split: open_layout(profile.foregrounds, split) for split in SPLITS}
        self._tables: dict[str, pd.DataFrame] = {}
        self._skipped: dict[str, pd.DataFrame] = {}
        self.key = [profile.foregrounds, self.size, code_of(read_picture, square)]
        self.origin = self._layouts["train"].origin
        train, val = (Path(layout.called).resolve() for layout in self._layouts.values())
        if train == val:
            raise D3SError(
                f"foregrounds: train and val are the same {self._layouts['train'].kind}, {train}; "
                "val needs photographs that train never uses."
            )

    def table(self, split: str) -> pd.DataFrame:
        if split not in self._tables:
            self._tables[split], self._skipped[split] = self._draw(split)
        return self._tables[split].copy()

    def skipped(self) -> pd.DataFrame:
        return pd.concat([no_skips(), *self._skipped.values()], ignore_index=True)

    def pictures(self, photo_ids: Sequence[str]) -> Iterator[Image.Image]:
        for photo_id in photo_ids:
            split, _, name = photo_id.partition("/")
            yield read_picture(self._layouts[split].open(name), photo_id)

    def stamps(self, photo_ids: Sequence[str]) -> list[str]:
        parts = [photo_id.partition("/") for photo_id in photo_ids]
        return [self._layouts[split].stamp(name) for split, _, name in parts]

    def masks(self, photo_ids: Sequence[str]) -> Iterator[Image.Image]:
        pairs = zip(photo_ids, self.pictures(photo_ids), strict=True)
        return (mask_for(self._masks, photo_id, picture) for photo_id, picture in pairs)

    def mask_stamps(self, photo_ids: Sequence[str]) -> list[str]:
        code, files = code_of(mask_for), (mask_file(self._masks, photo_id) for photo_id in photo_ids)
        return [f"{code} {file} {file_stamp(file)}" for file in files]

    def _draw(self, split: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The photographs of a split, and what was left out."""
        layout, wanted = self._layouts[split], {}
        for wnid, names in layout.files(list(self._classes["wnid"])).items():
            order = rng_for(self._seed, "photos", split, wnid).permutation(len(names))
            wanted[wnid] = [names[i] for i in order]
        chosen, reasons = usable(wanted, self._most[split], layout.called, layout.open, layout.stamp)
        rows = []
        for label, wnid, class_name in self._classes[["label", "wnid", "class_name"]].itertuples(index=False):
            if not chosen[wnid]:
                self._refuse(split, class_name, wanted[wnid], reasons)
            rows += [(f"{split}/{name}", label, class_name, None) for name in sorted(chosen[wnid])]
        skipped = [("foregrounds", f"{split}/{name}", reasons[name]) for name in sorted(reasons)]
        return (
            pd.DataFrame(rows, columns=["photo_id", "label", "class_name", "background"]),
            pd.DataFrame(skipped, columns=SKIPPED),
        )

    def _refuse(self, split: str, class_name: str, tried: list[str], reasons: dict[str, str]) -> None:
        first = min(tried)
        raise D3SError(
            f"foregrounds.{split}: no picture of {class_name} in {self._layouts[split].called} can be used "
            f"({len(tried)} tried; {first} {reasons[first]}); replace them, or take the class out of `classes`."
        )


class FolderBackgrounds(Backgrounds):
    """Pictures in DIR/<background>/*.jpg ("in_a_cave" or "in a cave"); both splits draw from the same ones."""

    def __init__(self, folder: str):
        self._root = paths.resolve(folder)
        journal.note_input(self._root)
        if not self._root.is_dir():
            raise D3SError(f"backgrounds: there is no folder {self._root}; give one that holds DIR/<background>/*.jpg.")
        folders = [entry.name for entry in self._root.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
        if not folders:
            raise D3SError(f"backgrounds: {self._root} has no folders; it must hold DIR/<background>/*.jpg.")
        named = {_phrase(name): name for name in folders}
        self._folders = {background: named[background] for background in sorted(named, key=paper_order)}
        if len(self._folders) < len(folders):
            raise D3SError(f"backgrounds: two folders of {self._root} mean the same background; join them.")
        self.names = tuple(self._folders)
        self._table, self._skipped = self._list()
        self.key, self.origin = [folder, code_of(read_picture)], self._root.name

    def table(self, split: str) -> pd.DataFrame:
        return self._table.copy()

    def skipped(self) -> pd.DataFrame:
        return self._skipped.copy()

    def pictures(self, background_ids: Sequence[str]) -> Iterator[Image.Image]:
        return (read_picture(self._path(background_id)) for background_id in background_ids)

    def stamps(self, background_ids: Sequence[str]) -> list[str]:
        return [self._stamp(background_id) for background_id in background_ids]

    def _path(self, background_id: str) -> Path:
        return self._root / background_id

    def _stamp(self, background_id: str) -> str:
        return file_stamp(self._path(background_id))

    def _list(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The usable pictures, and what was left out."""
        wanted = {
            background: [f"{folder}/{name}" for name in list_pictures(self._root / folder, "backgrounds")]
            for background, folder in self._folders.items()
        }
        most = max(map(len, wanted.values()))
        chosen, reasons = usable(wanted, most, str(self._root), self._path, self._stamp)
        for background, names in chosen.items():
            if not names:
                raise D3SError(
                    f"backgrounds: no picture in {self._root / self._folders[background]} can be used "
                    f"({wanted[background][0]} {reasons[wanted[background][0]]}); replace them, or remove the folder."
                )
        rows = [(name, background) for background, names in chosen.items() for name in names]
        skipped = [("backgrounds", name, reasons[name]) for name in sorted(reasons)]
        return pd.DataFrame(rows, columns=["background_id", "background"]), pd.DataFrame(skipped, columns=SKIPPED)


def _phrase(folder: str) -> str:
    return folder.replace("_", " ").replace("-", " ")


def paper_order(background: str) -> tuple[int, str]:
    """Sorts backgrounds as the paper lists them, any others after, by name."""
    return (BACKGROUNDS.index(background) if background in BACKGROUNDS else len(BACKGROUNDS), background)
