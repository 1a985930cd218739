"""Checksums of a dataset, and whether a copy of it is whole.

    python -m d3s_utils verify outputs/pocket/dataset

SHA256SUMS is written when the last shard is there, in the format of `sha256sum -c`. Two runs of one profile, each from
nothing and on one machine, have the same sums, however often they were killed on the way.
"""

from __future__ import annotations

import re
from pathlib import Path

from d3s_utils.generation.dataset import read_dataset
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import sha256, write_text

NAME = "SHA256SUMS"
LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")  # "*" is how sha256sum --binary marks its lines


def write_sums(folder: Path) -> Path:
    """Write `folder`/SHA256SUMS over its shards, card and metadata, in the order of their names."""
    lines = [f"{sha256(folder / name)}  {name}\n" for name in contents(folder)]
    return write_text(folder / NAME, "".join(lines))


def contents(folder: Path) -> list[str]:
    """The files of a dataset that have a sum, relative to its folder, sorted."""
    files = [*(folder / "data").glob("*.parquet"), *(folder / name for name in ("README.md", "croissant.json"))]
    return sorted(file.relative_to(folder).as_posix() for file in files if file.is_file())


def read_sums(folder: Path) -> dict[str, str]:
    """Sum by file name.

    Raises:
        D3SError: there is no SHA256SUMS, or a line of it is no sum and name.
    """
    path = folder / NAME
    if not path.is_file():
        raise D3SError(f"There is no {path}; notebook 01 writes it when the dataset is complete.")
    sums = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fields = LINE.fullmatch(line)
        if fields is None:
            raise D3SError(f"{path}, line {number} is no sum and file name; run notebook 01 again to write it anew.")
        sums[fields[2]] = fields[1].lower()
    return sums


def problems(folder: Path) -> list[str]:
    """What is wrong with a dataset folder, a sentence each; nothing if it is whole.

    Every file of SHA256SUMS is there and unchanged, no shard is without a sum, and every split can be read, with all
    columns of the contract and no image twice.

    Raises:
        D3SError: as `read_sums`.
    """
    sums, there = read_sums(folder), contents(folder)
    found = [f"{name} is missing" for name in sums if not (folder / name).is_file()]
    found += [f"{name} has changed" for name in sums if name in there and sha256(folder / name) != sums[name]]
    found += [f"{name} has no sum" for name in there if name not in sums]
    if found:
        return found
    for split in dict.fromkeys(Path(name).name.partition("-")[0] for name in sums if name.startswith("data/")):
        try:
            ids = read_dataset(folder, split)["image_id"]
        except D3SError as error:
            found.append(str(error))
        else:
            found += [f"{split} holds {name} twice" for name in ids[ids.duplicated()].unique()]
    return found
