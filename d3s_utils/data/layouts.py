"""How photographs lie: a folder per class, one folder with a list of their classes, or a Hugging Face dataset."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from d3s_utils.data.imagenet import wnid_by_word
from d3s_utils.data.pictures import is_picture, list_pictures
from d3s_utils.ground import journal, paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.settings import Folders, HubDataset

if TYPE_CHECKING:
    from datasets import Dataset

TRUTH = "data/ILSVRC2012_validation_ground_truth.txt"  # inside ImageNet's development kit ...
META = "data/meta.mat"  # ... and what its numbers mean
NUMBER = re.compile(r"_(\d{8})$")  # ILSVRC2012_val_00000293.JPEG


def split_root(folders: Folders, split: str) -> Path:
    """The folder of a split."""
    root = paths.resolve(getattr(folders, split))
    journal.note_input(root)
    return root


def class_names(source: Folders | HubDataset, split: str) -> list[str]:
    """The names under which a split knows its classes (wnids, or the user's own), sorted.

    Raises:
        D3SError: there is no such folder or list, or no class in it.
    """
    if isinstance(source, HubDataset):
        return sorted(open_hub(source, split).classes)
    return _folder_classes(source, split)


def _folder_classes(folders: Folders, split: str) -> list[str]:
    root, key = split_root(folders, split), f"foregrounds.{split}"
    if not root.is_dir():
        raise D3SError(f"{key}: there is no folder {root}; give one that holds DIR/<wnid>/*.JPEG.")
    if _labels(folders, split) is not None:
        return sorted(labelled_files(folders, split))
    names = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        flat = f" Pictures all in one folder need {key}_labels." if any(map(is_picture, root.iterdir())) else ""
        raise D3SError(f"{key}: {root} has no class folders; it must hold DIR/<wnid>/*.JPEG.{flat}")
    return names


def class_files(source: Folders | HubDataset, split: str, names: Sequence[str]) -> dict[str, list[str]]:
    """The pictures of some classes, sorted: files relative to the split's folder, or rows of a dataset.

    Raises:
        D3SError: a class has no folder, or no picture.
    """
    key = f"foregrounds.{split}"
    if isinstance(source, HubDataset):
        part = open_hub(source, split)
        listed, where = {name: [f"{row:09d}" for row in rows] for name, rows in part.classes.items()}, part.called
    elif _labels(source, split) is not None:
        listed, where = labelled_files(source, split), f"{_labels(source, split)}"
    else:
        return {name: _in_folder(split_root(source, split) / name, key) for name in names}
    for name in names:
        if name not in listed:
            raise D3SError(f"{key}: {where} has no picture of {name}; add some, or take {name} out of `classes`.")
    return {name: listed[name] for name in names}


def _in_folder(folder: Path, key: str) -> list[str]:
    return [f"{folder.name}/{name}" for name in list_pictures(folder, key)]


def labelled_files(folders: Folders, split: str) -> Mapping[str, list[str]]:
    """Files by class name of a flat folder, as its list says: a CSV with columns wnid and file, or the devkit's folder.

    Raises:
        D3SError: a missing or malformed list, or a file it names that is not there.
    """
    root, labels = split_root(folders, split), _labels(folders, split)
    key = f"foregrounds.{split}_labels"
    table = _devkit(root, labels, key) if labels.is_dir() else _csv(labels, key)
    lost = [file for file in table["file"] if not (root / file).is_file()]
    if lost:
        raise D3SError(f"{key}: {labels} lists {lost[0]}, which is not in {root} ({len(lost)} such); put it there.")
    return table.sort_values("file").groupby("wnid")["file"].agg(list).to_dict()


def _labels(folders: Folders, split: str) -> Path | None:
    given = getattr(folders, f"{split}_labels")
    if given is None:
        return None
    journal.note_input(paths.resolve(given))
    return paths.resolve(given)


def _csv(path: Path, key: str) -> pd.DataFrame:
    if not path.is_file():
        raise D3SError(f"{key}: there is no {path}; give a CSV with columns wnid and file, or the devkit's folder.")
    try:
        table = pd.read_csv(path, dtype=str, skipinitialspace=True)
    except (ValueError, OSError) as error:
        raise D3SError(f"{key}: {path} cannot be read as CSV ({error}); mend it.") from error
    if not {"wnid", "file"} <= set(table.columns):
        raise D3SError(f"{key}: {path} has the columns {', '.join(table.columns)}; it needs wnid and file.")
    blank = table.index[table[["wnid", "file"]].isna().any(axis=1)]
    if len(blank):
        raise D3SError(f"{key}: {path}, row {blank[0] + 2} lacks a wnid or a file; complete or remove it.")
    twice = table.loc[table["file"].duplicated(), "file"]
    if len(twice):
        raise D3SError(f"{key}: {path} lists {twice.iloc[0]} twice; remove one.")
    return table[["wnid", "file"]]


def _devkit(root: Path, devkit: Path, key: str) -> pd.DataFrame:
    """ImageNet's own answer list: the n-th line is the class number of the n-th validation picture."""
    from scipy.io import loadmat

    truth, meta = devkit / TRUTH, devkit / META
    for file in (truth, meta):
        if not file.is_file():
            raise D3SError(f"{key}: there is no {file}; give the unpacked ILSVRC2012_devkit_t12, or a CSV.")
    synsets = loadmat(meta, squeeze_me=True)["synsets"]
    wnids = dict(zip((int(number) for number in synsets["ILSVRC2012_ID"]), map(str, synsets["WNID"]), strict=True))
    numbers = [int(line) for line in truth.read_text().split()]
    rows = []
    for file in sorted(entry for entry in root.iterdir() if is_picture(entry)):
        number = NUMBER.search(file.stem)
        if number is None or not 1 <= int(number[1]) <= len(numbers):
            raise D3SError(f"{key}: {file} is none of the {len(numbers)} pictures of {truth.name}; move it elsewhere.")
        rows.append((wnids[numbers[int(number[1]) - 1]], file.name))
    return pd.DataFrame(rows, columns=["wnid", "file"])


@dataclass(frozen=True)
class HubSplit:
    """One split of a Hugging Face dataset.

    Attributes:
        called: what a person would call it.
        rows: with column `image` as bytes or path, undecoded.
        classes: row numbers by class: a wnid where the dataset's name of the class is one of ImageNet's, else the name.
        stamp: changes with the dataset.
    """

    called: str
    rows: Dataset
    image: str
    classes: Mapping[str, np.ndarray]
    stamp: str

    def picture(self, row: int) -> Path | bytes:
        """What is in the file of a row."""
        held = self.rows[row][self.image]
        return held["bytes"] if held["bytes"] is not None else Path(held["path"])


@functools.lru_cache(maxsize=4)
def open_hub(source: HubDataset, split: str) -> HubSplit:
    """A split of a dataset on the hub, or of one that lies in a folder.

    Raises:
        D3SError: it cannot be loaded, or lacks the columns.
    """
    import datasets

    part, folder = getattr(source, split), paths.resolve(source.dataset)
    called = f"{source.dataset}, split {part}"
    journal.note_input(folder)
    location, options = (str(folder), {}) if folder.is_dir() else (source.dataset, {"revision": source.revision})
    try:
        rows = datasets.load_dataset(location, split=part, **options)
    except Exception as error:  # whatever is wrong on the way: network, name, format
        reason = " ".join(str(error).split())[:200]
        raise D3SError(
            f"foregrounds: the dataset {called} cannot be loaded ({reason}); check name and split."
        ) from error
    for column, kind in ((source.image, datasets.Image), (source.label, datasets.ClassLabel)):
        if not isinstance(rows.features.get(column), kind):
            has = ", ".join(f"{name} ({type(feature).__name__})" for name, feature in rows.features.items())
            raise D3SError(f"foregrounds: {called} has no {kind.__name__} column {column!r}; it has {has}.")
    names = rows.features[source.label].names
    labels = np.asarray(rows.with_format("numpy")[source.label][:])
    words = wnid_by_word()
    classes = {words.get(name.lower(), name): np.flatnonzero(labels == i) for i, name in enumerate(names)}
    held = rows.cast_column(source.image, datasets.Image(decode=False))
    found = {name: index for name, index in classes.items() if len(index)}
    return HubSplit(called, held, source.image, found, stamp=rows._fingerprint)
