"""What this machine has, what it lacks, and what to do about it.

python -m d3s_utils doctor --profile pocket
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from d3s_utils.ground import paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.settings import Folders, Profile

MEMORY_GB, DISK_GB = 4, 3  # what the pocket profile wants


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `fix` says what to do where something is wrong; without it all is well."""

    thing: str
    value: str
    fix: str = ""


def examine(profile: str, overrides: str = "") -> list[Finding]:
    """Everything that decides whether `make all` will work under `profile`."""
    findings = [python(), packages(), torch_build(), cores(), memory(), disk()]
    try:
        settings = load_profile(profile, overrides)
    except D3SError as error:
        return [*findings, Finding("profile", profile, str(error))]
    return [*findings, Finding("profile", f"{settings.name}, valid"), *sources(settings)]


def python() -> Finding:
    fix = "" if sys.version_info >= (3, 11) else "install Python 3.11 or later; make setup BASE_PYTHON=python3.12"
    return Finding("python", f"{platform.python_version()} in {sys.prefix}", fix)


def packages() -> Finding:
    """Whether the installed versions are those of requirements.lock."""
    lines = (paths.ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    off = []
    for name, _, version in (line.partition("==") for line in lines):
        try:
            installed = metadata.version(name).split("+")[0]
        except metadata.PackageNotFoundError:
            installed = "absent"
        if installed != version:
            off.append(f"{name} {installed} (locked {version})")
    fix = "run: rm -f .venv/.ready && make setup" if off else ""
    return Finding("packages", "; ".join(off[:5]) if off else f"all {len(lines)} as locked", fix)


def torch_build() -> Finding:
    try:
        import torch
        import torchvision
    except (ImportError, RuntimeError) as error:
        return Finding("torch", str(error), "run: make setup")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    if torch.backends.mps.is_available():
        device = "Apple GPU"
    return Finding("torch", f"{torch.__version__}, torchvision {torchvision.__version__}, runs on {device}")


def cores() -> Finding:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Finding("cores", str(count), "" if count >= 2 else "the pocket profile takes twice as long on one core")


def memory() -> Finding:
    import psutil

    free = psutil.virtual_memory().available / 1e9
    fix = "" if free >= MEMORY_GB else f"close something, or lower generator.batch_size: {MEMORY_GB} GB are wanted"
    return Finding("free memory", f"{free:.1f} GB", fix)


def disk() -> Finding:
    existing = paths.outputs()
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free / 1e9
    fix = "" if free >= DISK_GB else f"make room, or set D3S_OUTPUTS to a folder with {DISK_GB} GB"
    return Finding("free disk", f"{free:.1f} GB for {paths.outputs()}", fix)


def sources(profile: Profile) -> list[Finding]:
    """Where the generator's weights, the photographs and the backgrounds come from."""
    findings = [generator(profile)]
    if profile.verification.judge == "pocket" or profile.realism.features == "judge":
        findings.append(
            folder("judge", paths.POCKET_WEIGHTS / "judge", "restore it with: git checkout d3s_utils/pocket/weights")
        )
    if isinstance(profile.foregrounds, Folders):
        fix = "put photographs there as DIR/<wnid>/*.JPEG, or change `foregrounds` in the profile"
        findings += [
            folder(f"{split} photographs", paths.resolve(getattr(profile.foregrounds, split)), fix)
            for split in ("train", "val")
        ]
        findings += [
            there(f"{split} labels", paths.resolve(labels), f"give the list, or take foregrounds.{split}_labels away")
            for split in ("train", "val")
            if (labels := getattr(profile.foregrounds, f"{split}_labels")) is not None
        ]
    if profile.backgrounds != "pocket":
        fix = "put pictures there as DIR/<background>/*.jpg, or change `backgrounds` in the profile"
        findings.append(folder("backgrounds", paths.resolve(profile.backgrounds), fix))
    return findings


def generator(profile: Profile) -> Finding:
    model = profile.generator.model
    if model == "pocket":
        fix = "restore it with: git checkout d3s_utils/pocket/weights; or train it: make pocket-generator"
        return folder("generator", paths.POCKET_WEIGHTS / "generator", fix)
    if paths.resolve(model).is_dir():
        return folder("generator", paths.resolve(model), "")
    from huggingface_hub import try_to_load_from_cache

    cached = isinstance(try_to_load_from_cache(model, "model_index.json", revision=profile.generator.revision), str)
    state = "already downloaded" if cached else "will be downloaded from the hub at first use"
    return Finding("generator", f"{model}, {state}")


def folder(thing: str, path: Path, fix: str) -> Finding:
    """A folder that must be there and not be empty."""
    if not path.is_dir() or not any(path.iterdir()):
        return Finding(thing, f"{path} is missing or empty", fix)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6
    return Finding(thing, f"{path}, {size:,.0f} MB")


def there(thing: str, path: Path, fix: str) -> Finding:
    """A file or folder that must be there."""
    return Finding(thing, str(path)) if path.exists() else Finding(thing, f"{path} is missing", fix)
