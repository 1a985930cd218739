"""Where pictures come from: classes, prompts, and the sources of photographs, renders and backgrounds. Every source
keeps the contracts of `sources`: pictures by id, a table of them, and what they depend on; a picture that cannot be
used is left out by name."""

from d3s_utils.data.classes import class_table, imagenet9
from d3s_utils.data.prompts import Recipe, open_recipe

__all__ = ["Recipe", "class_table", "imagenet9", "open_recipe"]
