"""A profile: one YAML file, read into the frozen settings of `settings.py`.

`extends:` names another profile; sections are merged key by key, anything else is replaced whole. Every mistake ends in
one sentence that names the file, the key, the value, what is allowed and the nearest valid key.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import re
import shlex
import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from d3s_utils.ground import paths
from d3s_utils.ground.cached import canonical
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.settings import Limit, Profile

# Values that are each allowed but do not work together: what must hold, and the sentence if it does not.
TOGETHER: list[tuple[Callable[[Profile], bool], str]] = [
    (
        lambda p: p.name != "reference",
        "a run cannot be named reference, because outputs/reference holds committed results; rename the file",
    ),
    (
        lambda p: not isinstance(p.classes, int) or p.classes >= 1,
        "classes must be at least 1, or all, or a list of names or wnids",
    ),
    (lambda p: p.classes != (), "classes is an empty list; give at least one name or wnid"),
    (lambda p: p.generator.size % 8 == 0, "generator.size must be a multiple of 8, the grid of latent diffusion"),
    (
        lambda p: int(p.generator.steps * p.generator.strength) >= 1,
        "generator.steps x generator.strength leaves no denoising step; raise one of them",
    ),
    (
        lambda p: all(int(p.generator.steps * strength) >= 1 for strength in p.realism.strengths),
        "generator.steps x the lowest of realism.strengths leaves no denoising step; raise one of them",
    ),
    (
        lambda p: p.generator.mode != "inpainting" or p.generator.guide in ("recipe", "paste", "mask"),
        "generator.mode inpainting keeps an object that is pasted; set generator.guide to paste or mask",
    ),
    (
        lambda p: p.verification.error_low <= p.verification.error_high,
        "verification.error_low must not exceed verification.error_high",
    ),
    (
        lambda p: p.verification.source == "csv" or p.verification.votes_per_image <= p.verification.workers,
        "verification.votes_per_image must not exceed verification.workers: nobody votes twice",
    ),
    (
        lambda p: p.verification.spammers < p.verification.workers,
        "verification.spammers must be fewer than verification.workers: somebody has to look",
    ),
    (
        lambda p: p.verification.source != "csv" or p.verification.votes is not None,
        "verification.source csv needs verification.votes, the file of votes",
    ),
    (
        lambda p: 0 < p.disentanglement.background_share < 1,
        "disentanglement.background_share must lie between 0 and 1, or one side has no features",
    ),
]


def load_profile(name_or_path: str | Path, overrides: str = "") -> Profile:
    """The profile called `name_or_path` (a name in d3s_utils/profiles, or a YAML file; relative to the repository).

    Args:
        overrides: single keys, "generator.strength=0.8 dataset.val_per_cell=4"; values are YAML, quoted as in a shell.

    Raises:
        D3SError: for a missing file, broken YAML, an unknown key, a wrong type, an impossible value, or a circle of
            `extends`.
    """
    path = _find(str(name_or_path), paths.ROOT, said="PROFILE")
    given = _merge(_layers(path, ()), _check(_parse_overrides(overrides), Profile, "SET"))
    profile = _build(Profile, {"name": path.stem, **given})
    for holds, sentence in TOGETHER:
        if not holds(profile):
            raise D3SError(f"{path.name}: {sentence}.")
    return profile


def to_yaml(profile: Profile) -> str:
    """Every key of `profile`, resolved, as YAML that `load_profile` reads back to the same settings."""
    keys = json.loads(canonical(profile))
    ordered = _in_order(Profile, keys)
    ordered.pop("name")
    body = yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, default_flow_style=None, width=160)
    return f"# Profile {profile.name}, every key resolved.\n{body}"


# Files and overrides --------------------------------------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """YAML in which a key given twice is an error and 1e-4 is a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def _find(name: str, base: Path, said: str) -> Path:
    """The file that a profile's name or path means; `said` is where it was written, for the error."""
    looks_like_file = name.endswith((".yaml", ".yml")) or "/" in name
    path = paths.resolve(name, base) if looks_like_file else paths.PROFILES / f"{name}.yaml"
    if path.is_file():
        return path
    if looks_like_file:
        raise D3SError(f"{said}: there is no profile file {path}; give a profile's name or an existing YAML file.")
    known = sorted(file.stem for file in paths.PROFILES.glob("*.yaml"))
    raise D3SError(f"{said}: there is no profile {name!r}{_nearest(name, known)}; known are {', '.join(known)}.")


def _read_yaml(path: Path) -> dict:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise D3SError(f"{path} is not YAML: {' '.join(str(error).split())}.") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise D3SError(f"{path} must be `key: value` lines, not {_show(content)}.")
    return content


def _layers(path: Path, seen: tuple[Path, ...]) -> dict:
    """The typed keys of `path` laid over those of the profile it extends."""
    path = path.resolve()
    if path in seen:
        circle = " -> ".join(file.name for file in (*seen, path))
        raise D3SError(f"Profiles extend each other in a circle ({circle}); remove one `extends:`.")
    content = _read_yaml(path)
    base = content.pop("extends", None)
    keys = _check(content, Profile, path.name)
    if base is None:
        return keys
    if not isinstance(base, str):
        raise D3SError(f"{path.name}: extends = {_show(base)} is not allowed; it must be a profile's name or path.")
    return _merge(_layers(_find(base, path.parent, f"{path.name}: extends"), (*seen, path)), keys)


def _parse_overrides(text: str) -> dict:
    """Nested keys from "section.key=value key=value"."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise D3SError(f"SET: {text!r} has an open quote; write it as section.key=value.") from error
    nested: dict = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise D3SError(f"SET: {word!r} is not section.key=value, such as generator.strength=0.8.")
        *sections, last = key.split(".")
        level = nested
        for section in sections:
            level = level.setdefault(section, {})
            if not isinstance(level, dict):
                raise D3SError(f"SET: {key} is set both as a value and as a section; keep one.")
        try:
            level[last] = yaml.load(value, _Loader)
        except yaml.YAMLError as error:
            raise D3SError(f"SET: the value of {key}, {value!r}, is not YAML; put it in quotes.") from error
    return nested


def _merge(under: dict, over: dict) -> dict:
    """`over` laid over `under`, sections (dicts) merged key by key."""
    merged = dict(under)
    for key, value in over.items():
        merged[key] = _merge(merged[key], value) if isinstance(value, dict) and key in merged else value
    return merged


# Types ----------------------------------------------------------------------------------------------------------------


class _Refused(Exception):
    """A value that is not of the kind asked for."""


def _check(given: Mapping, section: type, where: str, prefix: str = "") -> dict:
    """The keys of `given`, each checked against its field in the dataclass `section`; absent keys stay absent."""
    kinds = _kinds(section)
    checked: dict = {}
    for key, value in given.items():
        if key not in kinds:
            raise D3SError(f"{where}: {prefix}{key} is not a key{_nearest_key(str(key), kinds, prefix)}.")
        name, kind = f"{prefix}{key}", kinds[key]
        if dataclasses.is_dataclass(kind):
            if not isinstance(value, Mapping):
                allowed = ", ".join(_kinds(kind))
                raise D3SError(f"{where}: {name} = {_show(value)} is not allowed; it is a section with keys {allowed}.")
            checked[key] = _check(value, kind, where, f"{name}.")
            continue
        try:
            checked[key] = _parse(value, kind)
        except _Refused:
            near = _nearest(str(value), _choices(kind))
            allowed = f"it must be {_describe(kind)}"
            raise D3SError(f"{where}: {name} = {_show(value)} is not allowed{near}; {allowed}.") from None
    return checked


def _parse(value: object, kind: object) -> object:
    """`value` (as YAML gives it) as the annotation `kind` wants it; raises `_Refused`."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _within(_parse(value, arguments[0]), arguments[1:])
    if origin in (Union, types.UnionType):
        return _first_that_fits(value, arguments)
    if origin is Literal:
        return _require(value, isinstance(value, str) and value in arguments)
    if origin is tuple:
        _require(value, isinstance(value, list | tuple))
        return tuple(_parse(item, arguments[0]) for item in value)
    if dataclasses.is_dataclass(kind):
        wanted = _kinds(kind)
        _require(value, isinstance(value, Mapping) and _required(kind) <= set(value) <= set(wanted))
        return kind(**{key: _parse(value[key], wanted[key]) for key in value})
    return _parse_plain(value, kind)


def _parse_plain(value: object, kind: type) -> object:
    if kind is float:
        _require(value, isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value))
        return float(value)
    if kind is int:
        return _require(value, isinstance(value, int) and not isinstance(value, bool))
    return _require(value, isinstance(value, kind))


def _require(value: object, fits: bool) -> object:
    if not fits:
        raise _Refused
    return value


def _within(value: object, limits: Iterable[Limit]) -> object:
    for limit in limits:
        _require(value, limit.low is None or value >= limit.low)
        _require(value, limit.high is None or value <= limit.high)
    return value


def _first_that_fits(value: object, kinds: Iterable[object]) -> object:
    for kind in kinds:
        try:
            return _parse(value, kind)
        except _Refused:
            continue
    raise _Refused


def _kinds(section: type) -> dict[str, object]:
    """Key -> annotation of a settings dataclass; `name` comes from the file and is no key."""
    kinds = get_type_hints(section, include_extras=True)
    return {key: kind for key, kind in kinds.items() if not (section is Profile and key == "name")}


def _required(section: type) -> set[str]:
    """The keys of a settings dataclass that have no default."""
    missing = dataclasses.MISSING
    fields = [each for each in dataclasses.fields(section) if each.default is missing]
    return {each.name for each in fields if each.default_factory is missing}


def _build(section: type, keys: Mapping) -> object:
    """The dataclass `section` from checked keys; sections inside it are built too, absent keys take their default."""
    kinds = _kinds(section)
    return section(
        **{
            key: _build(kinds[key], value) if dataclasses.is_dataclass(kinds.get(key)) else value
            for key, value in keys.items()
        }
    )


def _in_order(section: type, keys: Mapping) -> dict:
    """`keys` in the order in which `section` declares them, sections inside likewise."""
    kinds = get_type_hints(section)
    return {
        key: _in_order(kinds[key], keys[key]) if dataclasses.is_dataclass(kinds[key]) else keys[key] for key in kinds
    }


# Words for errors -----------------------------------------------------------------------------------------------------


def _show(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _describe(kind: object) -> str:
    """What `kind` allows, in words: "a number from 0 to 1", "one of cpu, cuda"."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return f"{_describe(arguments[0])}{_describe_limit(arguments[1])}"
    if origin in (Union, types.UnionType):
        return " or ".join(_describe(argument) for argument in arguments)
    if origin is Literal:
        return arguments[0] if len(arguments) == 1 else f"one of {', '.join(arguments)}"
    if origin is tuple:
        return f"a list, each item {_describe(arguments[0])}"
    if dataclasses.is_dataclass(kind):
        return "{" + ", ".join(f"{key}: ..." for key in _kinds(kind) if key in _required(kind)) + "}"
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}[kind]


def _describe_limit(limit: Limit) -> str:
    if limit.high is None:
        return f" of at least {limit.low:g}"
    return f" from {limit.low:g} to {limit.high:g}"


def _choices(kind: object) -> list[str]:
    """Every word a Literal inside `kind` allows."""
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return [word for argument in get_args(kind) for word in _choices(argument)]


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""


def _nearest_key(key: str, siblings: Mapping, prefix: str) -> str:
    """The nearest key of the same section, else of any section, else the list of this section's keys."""
    near = difflib.get_close_matches(key, list(siblings), n=1, cutoff=0.7)
    everywhere = {dotted.rpartition(".")[2]: dotted for dotted in reversed(_dotted(Profile))}
    far = difflib.get_close_matches(key, list(everywhere), n=1, cutoff=0.7)
    hint = f"{prefix}{near[0]}" if near else everywhere[far[0]] if far else None
    allowed = f"allowed here are {', '.join(siblings)}"
    return f" (did you mean {hint}?); {allowed}" if hint else f"; {allowed}"


def _dotted(section: type, prefix: str = "") -> list[str]:
    """Every key of the settings, such as "generator.strength"."""
    names: list[str] = []
    for key, kind in _kinds(section).items():
        names += [f"{prefix}{key}"]
        names += _dotted(kind, f"{prefix}{key}.") if dataclasses.is_dataclass(kind) else []
    return names
