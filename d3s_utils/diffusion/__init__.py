"""The generator: any Stable Diffusion checkpoint, loaded as it is, and how it draws.

Each image has a seed of its own, so that it comes out the same whichever images are drawn beside it.
"""

from d3s_utils.diffusion.draw import generate
from d3s_utils.diffusion.load import load_generator

__all__ = ["generate", "load_generator"]
