"""One memory: what was dear to compute is kept in a file together with the key it was computed under.

A key says everything that the result depends on: the settings that it uses, the content of its inputs, and the source
of the code that makes it (`sources.code_of`). The file carries its key, so that it never counts as another's result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from d3s_utils.ground import journal
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import plain, read_metadata, read_tensors, write_atomically, write_tensors

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SHORT = 100  # numbers of an array that a key spells out


def digest(*things: object) -> str:
    """16 hexadecimal digits that depend on the values of `things` alone (settings, numbers, text, lists, arrays)."""
    return hashlib.sha256(canonical(things).encode()).hexdigest()[:16]


def canonical(value: object) -> str:
    """`value` as JSON, equal for equal values; of a large array its hash."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain_or_hash)


def _plain_or_hash(value: object) -> object:
    if type(value).__name__ == "ndarray" and value.size > SHORT and value.dtype != object:
        return [str(value.dtype), value.shape, hashlib.sha256(value.tobytes()).hexdigest()]
    return plain(value)


@dataclass(frozen=True)
class Chunks:
    """An array too large for memory, part by part: what `make` gives for a `.npy` file.

    Attributes:
        parts: arrays that fill `shape` along its first axis, in order.
    """

    shape: tuple[int, ...]
    dtype: type
    parts: Iterable[np.ndarray]


@dataclass(frozen=True)
class Tensors:
    """Named tensors or arrays, and `about` them whatever JSON holds: a `.safetensors` file."""

    tensors: Mapping[str, object]
    about: object = None


T = TypeVar("T")


def cached(path: str | Path, key: object, make: Callable[[], T]) -> T:
    """What `make()` gives; read from `path` where that holds it under the same `key`, else made and kept there.

    The suffix of `path` says what is kept: `.parquet` a table, `.safetensors` `Tensors`, `.npy` an array, which is
    mapped and not read, and given as `Chunks`; its name has the key in it. A file that is damaged is made again.

    Args:
        key: see the module. Anything that `digest` takes.
    """
    path, wanted = Path(path), digest(key)
    kind = KINDS[path.suffix]
    file = path.with_name(f"{path.stem}-{wanted}{path.suffix}") if path.suffix == ".npy" else path
    found = _kept(kind, file, wanted)
    if found is None:
        value = make()
        write_atomically(file, lambda part: kind.write(part, value, wanted))
        found = kind.read(file)
    journal.note_output(file)
    return found


def is_kept(path: str | Path, key: object) -> bool:
    """Whether `path` holds what was made under `key`."""
    path = Path(path)
    return path.is_file() and KINDS[path.suffix].key(path) == digest(key)


def _kept(kind: Kind, path: Path, wanted: str) -> object | None:
    if not path.is_file():
        return None
    try:
        return kind.read(path) if kind.key(path) == wanted else None
    except (D3SError, OSError, ValueError):
        return None


def cached_words(
    path: str | Path, key: object, stamps: Mapping[str, str], make: Callable[[list[str]], Iterable[str]]
) -> dict[str, str]:
    """A word for each name, kept row by row in the table `path`.

    Args:
        key: as in `cached`, for all of them.
        stamps: by name, what changes when its word may; only new names and those with another stamp are made.
        make: names to their words, in the same order.
    """
    path, wanted, kind = Path(path), digest(key), KINDS[".parquet"]
    table = _kept(kind, path, wanted)
    known = {} if table is None else {name: (stamp, word) for name, stamp, word in table.itertuples(index=False)}
    new = [name for name, stamp in stamps.items() if known.get(name, (None, ""))[0] != stamp]
    if new:
        known |= {name: (stamps[name], word) for name, word in zip(new, make(new), strict=True)}
        rows = [(name, *known[name]) for name in sorted(known)]
        import pandas as pd

        table = pd.DataFrame(rows, columns=["name", "stamp", "word"])
        write_atomically(path, lambda part: kind.write(part, table, wanted))
    return {name: known[name][1] for name in stamps}


@dataclass(frozen=True)
class Kind:
    """How one kind of value is written with its key, and read."""

    write: Callable[[Path, object, str], None]
    read: Callable[[Path], object]
    key: Callable[[Path], str | None]


def _write_table(path: Path, table: pd.DataFrame, key: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = pa.Table.from_pandas(table, preserve_index=False)
    pq.write_table(content.replace_schema_metadata({**(content.schema.metadata or {}), b"d3s_key": key.encode()}), path)


def _table_key(path: Path) -> str | None:
    import pyarrow.parquet as pq

    return (pq.read_schema(path).metadata or {}).get(b"d3s_key", b"").decode()


def _read_table(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(path)


def _write_chunks(path: Path, chunks: Chunks, key: str) -> None:
    import numpy as np

    target, done = np.lib.format.open_memmap(path, "w+", chunks.dtype, chunks.shape), 0
    for part in chunks.parts:
        target[done : done + len(part)] = part
        done += len(part)
    target.flush()
    if done != chunks.shape[0]:
        raise ValueError(f"{path.name}: {done} rows came, {chunks.shape[0]} were announced")


def _read_chunks(path: Path) -> np.ndarray:
    import numpy as np

    return np.load(path, mmap_mode="r")


def _read_held(path: Path) -> Tensors:
    return Tensors(read_tensors(path), (read_metadata(path) or {}).get("about"))


KINDS = {
    ".parquet": Kind(_write_table, _read_table, _table_key),
    ".safetensors": Kind(
        lambda path, held, key: write_tensors(path, held.tensors, {"key": key, "about": held.about}) and None,
        _read_held,
        lambda path: (read_metadata(path) or {}).get("key"),
    ),
    ".npy": Kind(_write_chunks, _read_chunks, lambda path: path.stem.rpartition("-")[2]),
}
