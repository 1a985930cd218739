"""Every file a run leaves, written so that it is either whole or absent, and the same bytes each time.

A file is first written under another name in the same folder (".<name>.<random>.part", so that no two machines share
one) and then renamed: a killed run leaves part files, never half a table. `COLUMNS` is the contract of the files that
others build on.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from d3s_utils.ground import journal
from d3s_utils.ground.errors import D3SError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure
    from torch import Tensor


def write_atomically(path: str | Path, write: Callable[[Path], None]) -> Path:
    """Let `write(part)` make the file under another name, then rename it to `path`; its folder is made if need be."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.part")
    try:
        write(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    journal.note_output(path)
    return path


def write_bytes(path: str | Path, data: bytes) -> Path:
    return write_atomically(path, lambda part: part.write_bytes(data))


def write_text(path: str | Path, text: str) -> Path:
    """Write `text` as UTF-8 with the line ends it has, on every system."""
    return write_bytes(path, text.encode())


def write_json(path: str | Path, value: object) -> Path:
    """Write `value` as indented JSON with sorted keys; dataclasses, arrays and paths become plain values."""
    return write_text(path, json.dumps(value, indent=2, sort_keys=True, default=plain, ensure_ascii=False) + "\n")


def write_table(path: str | Path, table: pd.DataFrame) -> Path:
    """Write `table` without its index, as CSV (six significant digits) or Parquet (exact), by the suffix of `path`."""
    path = Path(path)
    if path.suffix == ".parquet":
        return write_atomically(path, lambda part: table.to_parquet(part, index=False, engine="pyarrow"))
    if path.suffix == ".csv":
        return write_text(path, table.to_csv(index=False, lineterminator="\n", float_format="%.6g"))
    raise ValueError(f"a table is .csv or .parquet, not {path.name}")


def read_table(path: str | Path) -> pd.DataFrame:
    """Read what `write_table` wrote. In a CSV only an empty field is missing: "None" and "NA" are words.

    Raises:
        D3SError: if the file is missing or cannot be read as a table.
    """
    import pandas as pd

    path = Path(path)
    if not path.is_file():
        raise D3SError(f"There is no table {path}; run the notebook that writes it first.")
    journal.note_input(path)
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path, engine="pyarrow")
        return pd.read_csv(path, keep_default_na=False, na_values=[""])
    except (ValueError, OSError) as error:
        raise D3SError(f"{path} cannot be read as a table ({error}); delete it and run the notebook again.") from error


def write_tensors(path: str | Path, tensors: Mapping[str, Tensor | np.ndarray], metadata: object = None) -> Path:
    """Write named tensors or arrays as safetensors, with `metadata` (anything JSON holds) in the header.

    The metadata is one JSON string under the key "json", because safetensors keeps several keys in no fixed order.
    """
    import torch
    from safetensors.torch import save

    whole = {name: torch.as_tensor(tensors[name]).detach().cpu().contiguous() for name in sorted(tensors)}
    header = None if metadata is None else {"json": json.dumps(metadata, sort_keys=True, default=plain)}
    return write_bytes(path, save(whole, metadata=header))


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The named tensors of a safetensors file, on the CPU.

    Raises:
        D3SError: if the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not Path(path).is_file():
        raise D3SError(f"There is no file {path}; run the notebook that writes it first.")
    journal.note_input(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise D3SError(f"{path} cannot be read ({error}); delete it and run the notebook again.") from error


def read_metadata(path: str | Path) -> object:
    """What `write_tensors` was given as `metadata`; None if nothing.

    Raises:
        D3SError: if the file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return json.loads((file.metadata() or {}).get("json", "null"))
    except (SafetensorError, OSError) as error:
        raise D3SError(f"{path} cannot be read ({error}); delete it and run the notebook again.") from error


def write_figure(stem: str | Path, figure: Figure) -> list[Path]:
    """Write <stem>.png (150 dpi) and <stem>.svg without times or versions in them, and close `figure`.

    The picture grows or shrinks to what is drawn, so that no title or legend is cut off.
    """
    import matplotlib.pyplot as plt

    def write(suffix: str, **options: object) -> Path:
        data = io.BytesIO()
        figure.savefig(data, format=suffix, bbox_inches="tight", pad_inches=0.08, **options)
        return write_bytes(f"{stem}.{suffix}", data.getvalue())

    with plt.rc_context({"svg.hashsalt": "d3s"}):  # the salt fixes the ids inside the SVG
        written = [
            write("png", dpi=150, metadata={"Software": None}),
            write("svg", metadata={"Date": None, "Creator": None}),
        ]
    plt.close(figure)
    return written


def sha256(path: Path) -> str:
    """64 hexadecimal digits of a file's content."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def plain(value: object) -> object:
    """A JSON value for what `json` does not know: dataclass, NumPy scalar or array, path, set."""
    from dataclasses import asdict, is_dataclass

    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no plain form")
