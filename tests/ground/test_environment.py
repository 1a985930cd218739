"""pyproject.toml, requirements.lock and environment.yml say the same, and what they say is what is installed."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib import metadata

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from d3s_utils.ground import paths

PROJECT = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())["project"]
DIRECT = [Requirement(text) for text in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]]
LOCK = (paths.ROOT / "requirements.lock").read_text().splitlines()
PINS = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in LOCK) if version}

# GPU libraries come with the CUDA build of torch and are absent beside the CPU build.
GPU = re.compile(r"^(nvidia-|cuda-|triton$)")
# The lock is made for this machine; elsewhere pip adds what a platform needs besides (appnope on macOS).
LINUX = {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix",
         "python_version": "3.11", "python_full_version": "3.11.7"}  # fmt: skip
# Never imported by name: called as a program, loaded by another package, or wanted beside an exact torch.
BY_OTHERS = {"accelerate", "ipykernel", "jupyterlab", "ruff", "torchvision", "huggingface-hub", "pytest-xdist"}
IMPORTED_AS = {"pillow": "PIL", "pyyaml": "yaml", "crowd-kit": "crowdkit", "ipython": "IPython",
               "open-clip-torch": "open_clip", "scikit-learn": "sklearn"}  # fmt: skip


def needed() -> set[str]:
    """Every package that the direct ones need on Linux, themselves included."""
    found, waiting = set(), [(item.name, frozenset(item.extras)) for item in DIRECT]
    done = set()
    while waiting:
        name, extras = waiting.pop()
        name = canonicalize_name(name)
        if (name, extras) in done or GPU.match(name):
            continue
        done.add((name, extras))
        found.add(name)
        for text in metadata.requires(name) or []:
            item = Requirement(text)
            if any(
                item.marker is None or item.marker.evaluate({**LINUX, "extra": extra}) for extra in (extras or {""})
            ):
                waiting.append((item.name, frozenset(item.extras)))
    return found


def third_party_imports() -> set[str]:
    """The top-level packages imported anywhere in the package, its tests, benchmarks and notebooks."""
    sources = [
        path.read_text()
        for folder in ("d3s_utils", "tests", "benchmarks")
        for path in (paths.ROOT / folder).rglob("*.py")
    ]
    for path in paths.NOTEBOOKS.glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        sources += ["\n".join(line for line in cell.source.splitlines() if not line.startswith(("%", "!")))
                    for cell in cells if cell.cell_type == "code"]  # fmt: skip
    names = set()
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add(node.module.split(".")[0])
    shared = {path.stem for path in (paths.ROOT / "tests").glob("*.py")}
    return names - set(sys.stdlib_module_names) - {"d3s_utils", "tests"} - shared


def test_the_lock_is_nothing_but_exact_versions_in_order():
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!]+", line) for line in LOCK), "no paths, no URLs"
    assert sorted(LOCK, key=str.lower) == LOCK


def test_the_lock_is_complete_and_holds_nothing_superfluous():
    packages = needed()
    assert packages - set(PINS) == set(), "needed but not locked"
    assert set(PINS) - packages == set(), "locked but needed by nothing"


def test_what_is_installed_is_what_is_locked():
    installed = {name: Version(metadata.version(name)).public for name in PINS}
    assert installed == {name: Version(version).public for name, version in PINS.items()}


@pytest.mark.parametrize("requirement", DIRECT, ids=lambda item: item.name)
def test_each_range_holds_the_locked_version(requirement):
    assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)])


def test_the_torch_family_is_pinned_in_the_project_itself():
    exact = {item.name: str(item.specifier) for item in DIRECT if item.name in ("torch", "torchvision")}
    assert exact == {"torch": "==2.13.0", "torchvision": "==0.28.0"}


def test_conda_installs_the_same_lock_on_the_same_python():
    environment = yaml.safe_load((paths.ROOT / "environment.yml").read_text())
    *plain, from_pip = environment["dependencies"]
    assert from_pip == {"pip": ["-r requirements.lock", "-e .[dev]"]}
    assert environment["channels"] == ["conda-forge"]
    python = next(Requirement(text) for text in plain if text.startswith("python"))
    assert PROJECT["requires-python"] in str(python.specifier)
    assert {text for text in plain if not text.startswith("python")} == {"pip", "make"}


def test_every_import_is_declared_and_every_declaration_is_used():
    imported = third_party_imports()
    declared = {IMPORTED_AS.get(item.name, item.name.replace("-", "_")): item.name for item in DIRECT}
    assert imported - set(declared) == set(), "imported but not in pyproject.toml"
    unused = {name for module, name in declared.items() if module not in imported}
    assert unused - BY_OTHERS == set(), "in pyproject.toml but imported nowhere"


def test_torchvision_imports_beside_any_torch():
    import torchvision

    assert torchvision.__version__.startswith("0.28")
    import timm

    assert timm.create_model("resnet10t", num_classes=3).num_classes == 3
