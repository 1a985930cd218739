"""Figures: one module for each part of the story, and the shapes that all of them are made of.

A figure is a function of a table and an axis: an axis in (none makes one), the axis out. What is shifted has its word.
"""

from d3s_utils.figures.shapes import image_grid, panel, use_word

__all__ = ["image_grid", "panel", "use_word"]
