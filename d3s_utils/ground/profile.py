"""A profile: one YAML file, read into the frozen settings of `settings.py`.

`extends:` names another profile; sections are merged key by key, anything else is replaced whole. Every mistake ends in
one sentence that names the file, the key, the value, what is allowed and the nearest valid key.
"""

from __future__ import annotations

import difflib
import json
import re
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from d3s_utils.ground import journal, paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.settings import KEYS, SECTIONS, Profile

PROFILE = TypeAdapter(Profile)

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
    below, above = _layers(path, ()), _parse_overrides(overrides)
    _check(above, "SET")
    profile = _check(_merge(below, above), path.name, path.stem)
    with journal.silent():
        for holds, sentence in TOGETHER:
            if not holds(profile):
                raise D3SError(f"{path.name}: {sentence}.")
    return profile


def to_yaml(profile: Profile) -> str:
    """Every key of `profile`, resolved, as YAML that `load_profile` reads back to the same settings."""
    with journal.silent():
        keys = PROFILE.dump_python(profile, mode="json")
    name = keys.pop("name")
    body = yaml.safe_dump(keys, sort_keys=False, allow_unicode=True, default_flow_style=None, width=160)
    return f"# Profile {name}, every key resolved.\n{body}"


# Files and overrides --------------------------------------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """YAML in which a key given twice is an error and 1e-4 is a number. Keys are text, whatever they look like."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key} is given twice", node.start_mark)
        return {str(key): value for key, value in super().construct_mapping(node, deep).items()}


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
    """The keys of `path`, each checked, laid over those of the profile it extends."""
    path = path.resolve()
    if path in seen:
        circle = " -> ".join(file.name for file in (*seen, path))
        raise D3SError(f"Profiles extend each other in a circle ({circle}); remove one `extends:`.")
    content = _read_yaml(path)
    base = content.pop("extends", None)
    _check(content, path.name)
    if base is None:
        return content
    if not isinstance(base, str):
        raise D3SError(f"{path.name}: extends = {_show(base)} is not allowed; it must be a profile's name or path.")
    return _merge(_layers(_find(base, path.parent, f"{path.name}: extends"), (*seen, path)), content)


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
    """`over` laid over `under`, sections merged key by key."""
    sections = {key: under.get(key, {}) | over[key] for key in SECTIONS if key in over}
    return under | over | sections


# Checks, and words for what they find ---------------------------------------------------------------------------------


def _check(given: dict, where: str, name: str = "run") -> Profile:
    """The profile that the keys in `given` make, absent keys at their defaults.

    Raises:
        D3SError: says what is wrong with the first key that is.
    """
    if "name" in given:  # which comes from the file
        raise D3SError(_unknown("name", "", where))
    try:  # as JSON, whose lists are tuples and whose objects are sections, and which is strict with all else
        return PROFILE.validate_json(json.dumps(given | {"name": name}, default=str))
    except ValidationError as error:
        raise D3SError(_what_is_wrong(error.errors()[0]["loc"], given, where)) from None


def _what_is_wrong(location: tuple, given: dict, where: str) -> str:
    """One sentence on the value at `location`, such as ("generator", "strength"), in `given`."""
    key, prefix = str(location[0]), ""
    if key in SECTIONS and len(location) > 1:
        given, prefix, key = given[key], f"{key}.", str(location[1])
    allowed = _allowed(prefix)
    if key not in allowed:
        return _unknown(key, prefix, where)
    sentence = f"{where}: {prefix}{key} = {_show(given[key])} is not allowed"
    if key in SECTIONS and not prefix:
        return f"{sentence}; it is a section with keys {', '.join(_allowed(f'{key}.'))}."
    return f"{sentence}{_nearest(str(given[key]), _choices(allowed[key]))}; it must be {_describe(allowed[key])}."


def _unknown(key: str, prefix: str, where: str) -> str:
    """A sentence with the nearest key of the same section, else of any section, and the keys of this section."""
    siblings = _allowed(prefix)
    everywhere = {dotted.rpartition(".")[2]: dotted for dotted in reversed([*SECTIONS, *KEYS.values()])}
    everywhere.pop("name")
    near = difflib.get_close_matches(key, siblings, n=1, cutoff=0.7)
    far = difflib.get_close_matches(key, everywhere, n=1, cutoff=0.7)
    hint = f"{prefix}{near[0]}" if near else everywhere[far[0]] if far else ""
    meant = f" (did you mean {hint}?)" if hint else ""
    return f"{where}: {prefix}{key} is not a key{meant}; allowed here are {', '.join(siblings)}."


def _allowed(prefix: str = "") -> dict[str, dict]:
    """Key -> JSON schema of its values, of the section that `prefix` names ("generator."), else of the profile."""
    schema = PROFILE.json_schema()
    if prefix:
        return schema["$defs"][SECTIONS[prefix[:-1]].__name__]["properties"]
    return {key: value for key, value in schema["properties"].items() if key != "name"}


def _describe(schema: dict) -> str:
    """What a JSON schema allows, in words: "a number from 0 to 1", "one of cpu, cuda"."""
    if "anyOf" in schema:
        return " or ".join(map(_describe, schema["anyOf"]))
    if "$ref" in schema:
        section = PROFILE.json_schema()["$defs"][schema["$ref"].rpartition("/")[2]]
        return "{" + ", ".join(f"{key}: ..." for key in section["required"]) + "}"
    if words := _choices(schema):
        return words[0] if len(words) == 1 else f"one of {', '.join(words)}"
    if "items" in schema:
        return f"a list, each item {_describe(schema['items'])}"
    kinds = {"integer": "a whole number", "number": "a number", "boolean": "true or false", "null": "null"}
    low, high = schema.get("minimum"), schema.get("maximum")
    limits = "" if low is None else f" of at least {low:g}" if high is None else f" from {low:g} to {high:g}"
    return kinds.get(schema["type"], "text") + limits


def _choices(schema: dict) -> list[str]:
    """Every word that a JSON schema allows."""
    words = [schema["const"]] if "const" in schema else schema.get("enum", [])
    return [*words, *(word for part in schema.get("anyOf", []) for word in _choices(part))]


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""


def _show(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
