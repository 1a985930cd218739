"""Which weights a generator has."""

from __future__ import annotations

import hashlib

from d3s_utils.ground import journal, paths
from d3s_utils.ground.settings import Profile


def generator_revision(profile: Profile) -> str:
    """The revision asked of the hub; for a folder 16 hexadecimal digits of its content, or "" while it is missing.

    Training the pocket generator again thus changes the recipe of every image, as it should.
    """
    model = profile.generator.model
    folder = paths.POCKET_WEIGHTS / "generator" if model == "pocket" else paths.resolve(model)
    journal.note_input(folder)
    if not folder.is_dir():
        return profile.generator.revision or ""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.suffix in (".json", ".safetensors", ".txt", ".bin")):
        digest.update(file.relative_to(folder).as_posix().encode())
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:16]
