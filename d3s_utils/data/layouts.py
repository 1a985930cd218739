"""How photographs lie: a folder per class, one folder with a list of their classes, or a Hugging Face dataset."""

from __future__ import annotations

import functools
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from d3s_utils.data.imagenet import wnid_by_word
from d3s_utils.data.pictures import Source, file_stamp, is_picture, list_pictures
from d3s_utils.ground import journal, paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.settings import Folders, HubDataset

if TYPE_CHECKING:
    from datasets import Dataset

TRUTH = "data/ILSVRC2012_validation_ground_truth.txt"  # inside ImageNet's development kit ...
META = "data/meta.mat"  # ... and what its numbers mean
NUMBER = re.compile(r"_(\d{8})$")  # ILSVRC2012_val_00000293.JPEG


class Layout(ABC):
    """Where the photographs of one split lie.

    Attributes:
        setting: the key of the profile, for errors.
        kind: "folder" or "split".
        called: what a person would call it.
        origin: the same without paths of this machine.
    """

    kind: str
    setting: str
    called: str
    origin: str

    @abstractmethod
    def class_names(self) -> list[str]:
        """The names under which the split knows its classes (wnids, or the user's own), sorted.

        Raises:
            D3SError: there is no such folder or list, or no class in it.
        """

    @abstractmethod
    def files(self, class_names: Sequence[str]) -> dict[str, list[str]]:
        """The pictures of some classes, sorted: files relative to the split's folder, or rows of a dataset.

        Raises:
            D3SError: a class has no folder, or no picture.
        """

    @abstractmethod
    def open(self, name: str) -> Source:
        """The file of a picture, or what is in it."""

    @abstractmethod
    def stamp(self, name: str) -> str:
        """What changes when the picture does."""

    def _choose(self, class_names: Sequence[str], files: Mapping[str, list[str]], listed_in: object) -> dict:
        """The `files` of some classes."""
        for name in class_names:
            if name not in files:
                raise D3SError(
                    f"{self.setting}: {listed_in} has no picture of {name}; add some, or take {name} out of `classes`."
                )
        return {name: files[name] for name in class_names}


def open_layout(source: Folders | HubDataset, split: str) -> Layout:
    """How the photographs of a split lie; nothing is read yet."""
    setting = f"foregrounds.{split}"
    if isinstance(source, HubDataset):
        return HubLayout(setting, source, getattr(source, split))
    root, labels = paths.resolve(getattr(source, split)), getattr(source, f"{split}_labels")
    journal.note_input(root)
    if labels is not None:
        journal.note_input(paths.resolve(labels))
    return ClassFolders(setting, root) if labels is None else FlatFolder(setting, root, paths.resolve(labels))


@dataclass(frozen=True)
class ClassFolders(Layout):
    """DIR/<class>/*.JPEG, as ImageNet's training pictures lie."""

    kind = "folder"
    setting: str
    root: Path

    @property
    def called(self) -> str:
        return str(self.root)

    @property
    def origin(self) -> str:
        return f"the folder {self.root.name}"

    def class_names(self) -> list[str]:
        self._require_root()
        names = sorted(entry.name for entry in self.root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        if not names:
            flat = any(map(is_picture, self.root.iterdir()))
            hint = f" Pictures all in one folder need {self.setting}_labels." if flat else ""
            raise D3SError(f"{self.setting}: {self.root} has no class folders; it must hold DIR/<wnid>/*.JPEG.{hint}")
        return names

    def files(self, class_names: Sequence[str]) -> dict[str, list[str]]:
        return {
            name: [f"{name}/{file}" for file in list_pictures(self.root / name, self.setting)] for name in class_names
        }

    def open(self, name: str) -> Path:
        return self.root / name

    def stamp(self, name: str) -> str:
        return file_stamp(self.root / name)

    def _require_root(self) -> None:
        if not self.root.is_dir():
            raise D3SError(f"{self.setting}: there is no folder {self.root}; give one that holds DIR/<wnid>/*.JPEG.")


@dataclass(frozen=True)
class FlatFolder(ClassFolders):
    """All in one folder, as ImageNet's validation pictures lie.

    Attributes:
        labels: says the class of each: a CSV with columns wnid and file, or the folder of ImageNet's devkit.
    """

    labels: Path

    def class_names(self) -> list[str]:
        self._require_root()
        return sorted(self._by_class())

    def files(self, class_names: Sequence[str]) -> dict[str, list[str]]:
        return self._choose(class_names, self._by_class(), self.labels)

    def _by_class(self) -> Mapping[str, list[str]]:
        """Files by class.

        Raises:
            D3SError: a missing or malformed list, or a file it names that is not there.
        """
        setting = f"{self.setting}_labels"
        table = _devkit(self.root, self.labels, setting) if self.labels.is_dir() else _csv(self.labels, setting)
        lost = [file for file in table["file"] if not (self.root / file).is_file()]
        if lost:
            raise D3SError(
                f"{setting}: {self.labels} lists {lost[0]}, which is not in {self.root} ({len(lost)} such); "
                "put it there."
            )
        return table.sort_values("file").groupby("wnid")["file"].agg(list).to_dict()


def _csv(path: Path, setting: str) -> pd.DataFrame:
    if not path.is_file():
        raise D3SError(f"{setting}: there is no {path}; give a CSV with columns wnid and file, or the devkit's folder.")
    try:
        table = pd.read_csv(path, dtype=str, skipinitialspace=True)
    except (ValueError, OSError) as error:
        raise D3SError(f"{setting}: {path} cannot be read as CSV ({error}); mend it.") from error
    if not {"wnid", "file"} <= set(table.columns):
        raise D3SError(f"{setting}: {path} has the columns {', '.join(table.columns)}; it needs wnid and file.")
    blank = table.index[table[["wnid", "file"]].isna().any(axis=1)]
    if len(blank):
        raise D3SError(f"{setting}: {path}, row {blank[0] + 2} lacks a wnid or a file; complete or remove it.")
    twice = table.loc[table["file"].duplicated(), "file"]
    if len(twice):
        raise D3SError(f"{setting}: {path} lists {twice.iloc[0]} twice; remove one.")
    return table[["wnid", "file"]]


def _devkit(root: Path, devkit: Path, setting: str) -> pd.DataFrame:
    """ImageNet's own answer list: the n-th line is the class number of the n-th validation picture."""
    from scipy.io import loadmat

    truth, meta = devkit / TRUTH, devkit / META
    for file in (truth, meta):
        if not file.is_file():
            raise D3SError(f"{setting}: there is no {file}; give the unpacked ILSVRC2012_devkit_t12, or a CSV.")
    synsets = loadmat(meta, squeeze_me=True)["synsets"]
    wnids = dict(zip((int(number) for number in synsets["ILSVRC2012_ID"]), map(str, synsets["WNID"]), strict=True))
    numbers = [int(line) for line in truth.read_text().split()]
    rows = []
    for file in sorted(entry for entry in root.iterdir() if is_picture(entry)):
        number = NUMBER.search(file.stem)
        if number is None or not 1 <= int(number[1]) <= len(numbers):
            raise D3SError(
                f"{setting}: {file} is none of the {len(numbers)} pictures of {truth.name}; move it elsewhere."
            )
        rows.append((wnids[numbers[int(number[1]) - 1]], file.name))
    return pd.DataFrame(rows, columns=["wnid", "file"])


@dataclass(frozen=True)
class HubLayout(Layout):
    """One split of a Hugging Face dataset, by its name on the hub or a folder that `datasets` reads."""

    kind = "split"
    setting: str
    source: HubDataset
    part: str

    @property
    def called(self) -> str:
        return f"{self.source.dataset}, split {self.part}"

    @property
    def origin(self) -> str:
        return self.source.dataset

    def class_names(self) -> list[str]:
        return sorted(load_hub(self).classes)

    def files(self, class_names: Sequence[str]) -> dict[str, list[str]]:
        found = {name: [f"{row:09d}" for row in rows] for name, rows in load_hub(self).classes.items()}
        return self._choose(class_names, found, self.called)

    def open(self, name: str) -> Source:
        held = load_hub(self).rows[int(name)][self.source.image]
        return held["bytes"] if held["bytes"] is not None else Path(held["path"])

    def stamp(self, name: str) -> str:
        return load_hub(self).stamp


@dataclass(frozen=True)
class HubSplit:
    """What a split of a Hugging Face dataset holds.

    Attributes:
        rows: with the column of images as bytes or path, undecoded.
        classes: row numbers by class: a wnid where the dataset's name of the class is one of ImageNet's, else the name.
        stamp: changes with the dataset.
    """

    rows: Dataset
    classes: Mapping[str, np.ndarray]
    stamp: str


@functools.lru_cache(maxsize=4)
def load_hub(layout: HubLayout) -> HubSplit:
    """A split of a dataset on the hub, or of one that lies in a folder.

    Raises:
        D3SError: it cannot be loaded, or lacks the columns.
    """
    import datasets

    source, folder = layout.source, paths.resolve(layout.source.dataset)
    journal.note_input(folder)
    location, options = (str(folder), {}) if folder.is_dir() else (source.dataset, {"revision": source.revision})
    try:
        rows = datasets.load_dataset(location, split=layout.part, **options)
    except Exception as error:  # whatever is wrong on the way: network, name, format
        reason = " ".join(str(error).split())[:200]
        raise D3SError(
            f"foregrounds: the dataset {layout.called} cannot be loaded ({reason}); check name and split."
        ) from error
    for column, kind in ((source.image, datasets.Image), (source.label, datasets.ClassLabel)):
        if not isinstance(rows.features.get(column), kind):
            has = ", ".join(f"{name} ({type(feature).__name__})" for name, feature in rows.features.items())
            raise D3SError(f"foregrounds: {layout.called} has no {kind.__name__} column {column!r}; it has {has}.")
    names = rows.features[source.label].names
    labels = np.asarray(rows.with_format("numpy")[source.label][:])
    words = wnid_by_word()
    classes = {words.get(name.lower(), name): np.flatnonzero(labels == i) for i, name in enumerate(names)}
    held = rows.cast_column(source.image, datasets.Image(decode=False))
    return HubSplit(held, {name: index for name, index in classes.items() if len(index)}, stamp=rows._fingerprint)
