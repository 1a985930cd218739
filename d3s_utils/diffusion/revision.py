"""Which weights a generator has."""

from __future__ import annotations

import hashlib
from pathlib import Path

from d3s_utils.ground import journal, paths
from d3s_utils.ground.settings import Generator


def model_folder(model: str) -> Path:
    """Where `generator.model` lies, if it is on this machine."""
    return paths.POCKET_WEIGHTS / "generator" if model == "pocket" else paths.resolve(model)


def generator_revision(wanted: Generator) -> str:
    """The revision asked of the hub; for a folder 16 hexadecimal digits of its content, or "" while it is missing.

    Training the pocket generator again thus changes the hash of every image.
    """
    folder = model_folder(wanted.model)
    journal.note_input(folder)
    if not folder.is_dir():
        return wanted.revision or ""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.suffix in (".json", ".safetensors", ".txt", ".bin")):
        digest.update(file.relative_to(folder).as_posix().encode())
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:16]
