"""D3S: pictures that say what is in them and where, made by diffusion, and what classifiers make of them."""

from d3s_utils.ground.compat import mend_torchvision

__version__ = "0.1.0"

mend_torchvision()
