"""Recipes as data: what an image is asked to show, and how that shifts. One YAML file each; the user's own work alike.

    prompt: "a photo of a {class}, {definition}, {shift}"   # parts between commas; one left empty falls away
    shifts: [on grass, in snow]   # or {label: words}, or `backgrounds`: as the background pictures are called
    guide: paste                  # see `guides.KINDS`
    word: background              # what a shift is called in figures; may be left out

The label of the shift stands in the column `background` of every table, whatever it shifts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from d3s_utils.data.guides import KINDS
from d3s_utils.ground import journal, paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.settings import Profile

KEYS = ("prompt", "shifts", "guide")
WORD = "background"  # what a shift is called where the recipe does not say


@dataclass(frozen=True)
class Recipe:
    """What to ask for.

    Attributes:
        template: with {class}, {definition} and {shift}.
        shifts: label and words of each shift; None where they are called as the background pictures are.
        guide: what diffusion starts from, one of `guides.KINDS`.
        word: what one of the shifts is called in figures, such as "country".
    """

    name: str
    template: str
    shifts: tuple[tuple[str, str], ...] | None
    guide: str
    word: str = WORD

    def prompt(self, class_name: str, definition: str | None, shift: str) -> str:
        """The words for one image. `definition` may be missing; `shift` is a label."""
        words = dict(self.shifts or ()).get(shift, shift)
        given = {
            "{class}": class_name,
            "{definition}": definition if isinstance(definition, str) else "",
            "{shift}": words,
        }
        return ", ".join(part for part in (_filled(part, given) for part in self.template.split(", ")) if part)


def _filled(part: str, given: Mapping[str, str]) -> str:
    """A part of the template with its words in; "" where one of them is missing. Braces in the words stay."""
    for name, value in given.items():
        if name in part:
            before, _, after = part.partition(name)
            return f"{_filled(before, given)}{value}{_filled(after, given)}" if value else ""
    return part


def open_recipe(profile: Profile) -> Recipe:
    """The recipe `profile.recipe`, with the guide `profile.generator.guide` where that says another.

    Raises:
        D3SError: there is no such recipe, or its file is malformed.
    """
    path = _find(profile.recipe)
    recipe, wanted = read_recipe(path), profile.generator.guide
    if profile.generator.mode == "text2img":
        wanted = "none"  # nothing would be seen of it
    return recipe if wanted == "recipe" else replace(recipe, guide=wanted)


def _find(name: str) -> Path:
    path = paths.RECIPES / f"{name}.yaml"
    if path.is_file():
        return path
    path = paths.resolve(name)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return path
    known = ", ".join(sorted(file.stem for file in paths.RECIPES.glob("*.yaml")))
    raise D3SError(f"recipe: there is no {name}; give a YAML file, or one of {known}.")


def read_recipe(path: Path) -> Recipe:
    """A recipe from its file.

    Raises:
        D3SError: naming the file, the key and what it must hold.
    """
    journal.note_input(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise D3SError(f"recipe: {path} cannot be read ({' '.join(str(error).split())}).") from error
    if not isinstance(content, dict) or set(content) - {"word"} != set(KEYS):
        raise D3SError(f"recipe: {path} must have the keys {', '.join(KEYS)}, may have word, and has no others.")
    template, shifts, guide = (content[key] for key in KEYS)
    word = content.get("word", WORD)
    if not isinstance(word, str) or not word.strip():
        raise D3SError(f"recipe: {path}: word must be a noun, such as country.")
    if not isinstance(template, str) or "{class}" not in template:
        raise D3SError(f"recipe: {path}: prompt must be a text with {{class}} in it.")
    if guide not in KINDS:
        raise D3SError(f"recipe: {path}: there is no guide {guide!r}; choose one of {', '.join(KINDS)}.")
    return Recipe(path.stem, template, _shifts(shifts, path), guide, word.strip())


def _shifts(value: object, path: Path) -> tuple[tuple[str, str], ...] | None:
    if value == "backgrounds":
        return None
    listed = [(one, one) for one in value] if isinstance(value, list) else []
    pairs = list(value.items()) if isinstance(value, dict) else listed
    pairs = [(str(label).strip(), str(words).strip()) for label, words in pairs]
    labels = [label for label, _ in pairs]
    if not pairs or not all(labels) or len(set(labels)) < len(value):
        raise D3SError(f"recipe: {path}: shifts must be `backgrounds`, a list of different labels, or label: words.")
    return tuple(pairs)
