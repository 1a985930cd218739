"""Whether a notebook has to run again: what it rests on is written down when it ends and compared before the next run.

That is its code, the settings and files that it reads (`ground.journal`), the installed packages and Python.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from d3s_utils.ground import paths
from d3s_utils.ground.cached import canonical
from d3s_utils.ground.files import write_json
from d3s_utils.ground.journal import Notes
from d3s_utils.ground.settings import Profile
from d3s_utils.notebook.code import changed_code, code_of_notebook, hashes, reached
from d3s_utils.notebook.states import State, changed_files, is_same, state_of

VERSION = 1  # of the records
LOCK = "requirements.lock"
REPORT = "d3s_utils.notebook.report"
REPORT_LOOKS = (
    *(
        f"d3s_utils/notebook/templates/{page}.{kind}"
        for page in ("report", "explore")
        for kind in ("html", "css", "js")
    ),
    "d3s_utils/notebook/summary/captions.yaml",
    "d3s_utils/ground/pages.css",
)
REPORTED = (
    *("claims", "runtime", "tables", "figures", "notebooks", "claims.csv", "runtime.csv", "profile.yaml"),
    *("manifest.parquet", "dataset/data", "votes.csv", "votes_simulated.csv", "verified.csv", "predictions.parquet"),
    *("html/index.html", "html/explore.html", "html/explore"),
)


@dataclass(frozen=True)
class Files:
    """What running one notebook leaves in the folder of its run, its tables and figures apart."""

    folder: Path
    name: str  # such as "01_generation"

    @property
    def finished(self) -> Path:
        return self.folder / "notebooks" / f"{self.name}.ipynb"

    @property
    def failed(self) -> Path:
        return self.finished.with_suffix(".failed.ipynb")

    @property
    def part(self) -> Path:
        return self.finished.with_name(f".{self.name}.part.ipynb")

    @property
    def page(self) -> Path:
        return self.folder / "html" / f"{self.name}.html"

    @property
    def runtime(self) -> Path:
        return self.folder / "runtime" / f"{self.name}.json"

    @property
    def journal(self) -> Path:
        return self.folder / ".journal" / f"{self.name}.lines"

    @property
    def record(self) -> Path:
        return self.folder / ".journal" / f"{self.name}.json"

    def clear(self) -> None:
        """Remove what an earlier attempt left, so that nothing old stands beside the tables of this one."""
        for path in (self.finished, self.failed, self.part, self.page, self.runtime, self.journal, self.record):
            path.unlink(missing_ok=True)

    def drop_others(self, left: Collection[str]) -> None:
        """Remove this notebook's tables, figures and claims that are not among `left`, what its last run left.

        They are those of other votes or settings, and the report would show them as if they were of this run.
        """
        for pattern in (f"tables/{self.name}_*", f"figures/{self.name}_*", f"claims/{self.name}.csv"):
            for path in self.folder.glob(pattern):
                if str(path) not in left:
                    path.unlink()


def why(notebook: Path, profile: Profile) -> list[str]:
    """What has changed since `notebook` last ran under `profile`, a sentence each; nothing if it need not run."""
    return compare(notebook, profile)[0]


def compare(notebook: Path, profile: Profile) -> tuple[list[str], dict | None]:
    """The sentences of `why`, and the record of the last run with sizes and times as they are now; None without one."""
    files = Files(paths.outputs() / profile.name, notebook.stem)
    kept = read_record(files.record)
    if not files.finished.is_file() or kept is None:
        return [_unfinished(files)], None
    now = look(notebook, kept)
    states = {name: state_of(_path(name, files.folder), known) for name, known in kept["inputs"].items()}
    needed = [files.page, files.runtime, *(_path(name, files.folder) for name in kept["outputs"])]
    reasons = [
        *changed_code(now, kept),
        *(f"{LOCK} has changed" for _ in [0] if now["lock"] != kept["lock"]),
        *(f"Python was {kept['python']} and is {now['python']}" for _ in [0] if now["python"] != kept["python"]),
        *_changed_settings(kept["settings"], _values(profile)),
        *_changed_inputs(kept["inputs"], states, files.folder),
        *(f"{shown(path)} is missing" for path in needed if not path.is_file()),
    ]
    return list(dict.fromkeys(reasons)), {**kept, **now, "inputs": states}


def look(notebook: Path, known: Mapping | None = None) -> dict:
    """What can be said of `notebook` before it runs: its code and the environment; see `code_of_notebook`."""
    return {
        **code_of_notebook(notebook, known),
        "lock": hashes([LOCK])[LOCK],
        "python": platform.python_version(),
    }


def keep(files: Files, profile: Profile, before: Mapping, notes: Notes) -> None:
    """Write down what a run of a notebook rested on and what it left.

    Args:
        before: what `look` said before it ran.
        notes: what it noted while it ran; without a note on settings it counts as having read all of them.
    """
    values = _values(profile)
    left = {name for name in notes.outputs if Path(name).is_file() and not _is_cache(Path(name))}
    inputs = {
        name: _as_read(Path(name), seen, name in left)
        for name, seen in notes.inputs.items()
        if name in left or not (name in notes.outputs or _is_cache(Path(name)))
    }
    record = {
        "version": VERSION,
        **before,
        "settings": {key: _value(values, key) for key in sorted(notes.settings or _leaves(values))},
        "inputs": {_name(Path(name), files.folder): state for name, state in inputs.items()},
        "outputs": sorted(_name(Path(name), files.folder) for name in left),
    }
    write_json(files.record, record)


def report_reasons(folder: Path) -> list[str]:
    """What has changed since the page of the run in `folder` was drawn; nothing if it need not be drawn again."""
    kept = read_record(folder / ".journal" / "index.json")
    if kept is None:
        return ["it has not been drawn yet"]
    states = {name: state_of(_path(name, folder), known) for name, known in kept["inputs"].items()}
    files = hashes(kept["files"])
    return [
        *(f"{name} has changed" for name in files if files[name] != kept["files"][name]),
        *_changed_inputs(kept["inputs"], states, folder),
    ]


def keep_report(folder: Path) -> None:
    """Write down what the page of the run in `folder` was drawn from."""
    files = reached([REPORT])["files"] | hashes(REPORT_LOOKS)
    inputs = {f"run:{name}": state_of(folder / name) for name in REPORTED}
    write_json(folder / ".journal" / "index.json", {"version": VERSION, "files": files, "inputs": inputs})


def read_record(path: Path) -> dict | None:
    """What `keep` or `keep_report` wrote; None where they wrote nothing, or nothing that can be read."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get("version") == VERSION else None


def shown(path: Path) -> str:
    """A path as people type it: relative to the repository where it lies inside."""
    return path.relative_to(paths.ROOT).as_posix() if path.is_relative_to(paths.ROOT) else str(path)


def _unfinished(files: Files) -> str:
    if files.failed.is_file():
        return f"its last run failed, see {shown(files.failed)}"
    return "nothing is known of its last run" if files.finished.is_file() else "it has not run to its end yet"


def _changed_settings(before: Mapping, values: Mapping) -> list[str]:
    now = {key: _value(values, key) for key in before}
    return [f"{key} was {_say(before[key])} and is {_say(now[key])}" for key in before if before[key] != now[key]]


def _changed_inputs(before: Mapping[str, State], now: Mapping[str, State], folder: Path) -> list[str]:
    texts = []
    for name, state in now.items():
        path = _path(name, folder)
        if is_same(state, before[name]):
            continue
        if state is None or before[name] is None:
            texts.append(f"{shown(path)} is {'missing' if state is None else 'new'}")
        else:
            files = changed_files(state, before[name])
            more = f", and {len(files) - 1} more there" if len(files) > 1 else ""
            texts.append(f"{shown(path / files[0] if files else path)} has changed{more}")
    return texts


def _as_read(path: Path, seen: list[int] | None, left: bool) -> State:
    """An input as it was when it was read; one that the notebook has left itself as it is now."""
    state = state_of(path)
    if left or isinstance(state, dict) or (state and state[:2] == seen):
        return state
    return seen and [*seen, None]  # somebody changed it meanwhile; this equals no content


def _is_cache(path: Path) -> bool:
    """Whether a file lies in a hidden folder of the outputs, where keys decide what counts (see `cached`)."""
    inside = path.is_relative_to(paths.outputs())
    return inside and any(part.startswith(".") for part in path.relative_to(paths.outputs()).parts)


def _values(profile: Profile) -> dict:
    """What settings say: the profile, and the rows of small networks, which are looked at by name as keys are."""
    file = paths.PACKAGE / "evaluation" / "networks.yaml"
    networks = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return json.loads(canonical(profile)) | {"networks": networks}


def _leaves(values: Mapping, prefix: str = "") -> list[str]:
    """Every key that holds no section, such as "generator.strength"."""
    found = []
    for key, value in values.items():
        found += _leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}"]
    return found


def _value(values: object, key: str) -> object:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values


def _say(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


# Files are named relative to the run or the repository, so that both can be moved.


def _name(path: Path, run: Path) -> str:
    for word, base in (("run", run), ("repository", paths.ROOT)):
        if path.is_relative_to(base):
            return f"{word}:{path.relative_to(base).as_posix()}"
    return str(path)


def _path(name: str, run: Path) -> Path:
    word, colon, rest = name.partition(":")
    if colon and word in ("run", "repository"):
        return (run if word == "run" else paths.ROOT) / rest
    return Path(name)
