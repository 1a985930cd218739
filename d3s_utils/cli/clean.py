"""Remove what a run left, unless people's work is in it.

python -m d3s_utils clean --profile smoke
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

from d3s_utils.ground import paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.notebook.execute import one_at_a_time
from d3s_utils.notebook.fresh import shown

PEOPLE = {"local", "mturk"}  # sources of votes


def clean(profile: str) -> list[str]:
    """Remove the folder of the run of `profile`; says in lines what went and how much.

    Args:
        profile: a profile's name or YAML file, there or not: only its name counts.

    Raises:
        D3SError: if that names no run, if people's votes lie anywhere in it, or if something works in it.
    """
    folder = run_folder(profile)
    if not folder.is_dir():
        return [f"There is no run in {shown(folder)}; nothing to remove."]
    voted = next((path for path in sorted(folder.rglob("*")) if holds_votes(path)), None)
    if voted is not None:
        raise D3SError(f"{shown(voted)} holds what people voted; move it away first.")
    parts = [f"{shown(path)}: {size(path)}" for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    lines = [*parts, f"{shown(folder)} removed: {size(folder)}"]
    with one_at_a_time(folder, wait=False):
        shutil.rmtree(folder)
    return lines


def run_folder(profile: str) -> Path:
    """Where the run of a profile lies.

    Raises:
        D3SError: if `profile` is empty, "..", the reference, or anything else that names no run.
    """
    path = Path(profile.strip())
    name = path.stem if path.suffix in (".yaml", ".yml") else profile.strip()
    if name.startswith(".") or Path(name).name != name or not name:
        raise D3SError(f"PROFILE={profile} names no run; give a profile's name or YAML file, as in PROFILE=smoke.")
    if name == paths.REFERENCE.name:
        raise D3SError("outputs/reference is committed and stays.")
    folder = paths.outputs() / name
    if folder.parent != paths.outputs():
        raise D3SError(f"{folder} does not lie in {paths.outputs()} itself, as runs do.")
    if folder.is_symlink():
        raise D3SError(f"{shown(folder)} is a link to {folder.resolve()}; remove that yourself.")
    return folder


def holds_votes(path: Path) -> bool:
    """Whether a file is the annotation page's memory, a table with votes of people, or Mechanical Turk's answers."""
    if path.suffix != ".csv" or not path.is_file():
        return path.name == "votes.sqlite"
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as table:
        rows = csv.DictReader(table)
        columns = set(rows.fieldnames or [])
        if not {"worker_id", "answer", "source"} <= columns:
            return "WorkerId" in columns
        return any(row["source"] in PEOPLE for row in rows)


def size(path: Path) -> str:
    """Files and megabytes of a file or folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return f"{len(files)} file{'s' * (len(files) != 1)}, {sum(file.stat().st_size for file in files) / 1e6:.1f} MB"
