"""The generator: any Stable Diffusion checkpoint, and how it draws with the stock pipelines of diffusers. An image has
a seed of its own, so that it comes out the same whichever images are drawn beside it; weights have a revision."""

from d3s_utils.diffusion.draw import generate
from d3s_utils.diffusion.load import load_generator

__all__ = ["generate", "load_generator"]
