"""Every location, derived from the repository's root; never from the current folder."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "d3s_utils"
NOTEBOOKS = ROOT / "notebooks"
PROFILES = PACKAGE / "profiles"
RECIPES = PACKAGE / "recipes"  # what the prompts say
POCKET_WEIGHTS = PACKAGE / "pocket" / "weights"  # generator/ (diffusers layout) and judge/
REFERENCE = ROOT / "outputs" / "reference"


def outputs() -> Path:
    """The folder that holds one folder per run; `D3S_OUTPUTS` moves it, say to a large disk."""
    return Path(os.environ.get("D3S_OUTPUTS") or ROOT / "outputs").expanduser().resolve()


def resolve(path: str | Path, base: Path = ROOT) -> Path:
    """`path` as it is when absolute, otherwise relative to `base`."""
    path = Path(path).expanduser()
    return path if path.is_absolute() else base / path
