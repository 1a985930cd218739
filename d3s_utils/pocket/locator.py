"""The locator: where the object of a given class is, in renders, guides and whatever lies between the two.

The judge says *whether* an object is there and is trained on whole pictures; a render pasted into a guide is small
and brings its own background along. To measure how an object follows its guide, one instrument has to read both.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from d3s_utils.ground.words import CLASSES

WIDTHS = (24, 48, 96)
CELLS = 16  # a side of the map; a cell is four pixels wide


class LocatorNet(nn.Module):
    """(B, 3, 64, 64) in [0, 1] to one map of scores per class, (B, classes, 16, 16)."""

    def __init__(self, classes: int = len(CLASSES)):
        super().__init__()
        layers, width = [], 3
        for stage, wide in enumerate(WIDTHS):
            layers += [_conv(width, wide, stride=2 if stage else 1), _conv(wide, wide)]
            width = wide
        wider = [_conv(width, width, dilation=2), _conv(width, width, dilation=4)]  # to see whole objects
        self.layers = nn.Sequential(*layers, *wider, nn.Conv2d(width, classes, 1))

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Log-probability of the centre of class `labels` (B,) over cells, (B, 16, 16)."""
        maps = self.layers((images - 0.45) / 0.25)
        own = maps[torch.arange(len(maps)), labels].float()
        return own.flatten(1).log_softmax(1).view_as(own)


def _conv(wide_in: int, wide_out: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(wide_in, wide_out, 3, stride, dilation, dilation, bias=False),
        nn.BatchNorm2d(wide_out),
        nn.ReLU(inplace=True),
    )


def cell_centres() -> Tensor:
    """(16,) middles of the cells, as fractions of the side."""
    return (torch.arange(CELLS) + 0.5) / CELLS


def expected_location(logp: Tensor) -> Tensor:
    """Mean place (B, 2), x and y as fractions of the side, of log-probabilities (B, 16, 16)."""
    p, centres = logp.exp(), cell_centres().to(logp.device)
    return torch.stack([p.sum(1) @ centres, p.sum(2) @ centres], dim=1)


def location_loss(logp: Tensor, centres: Tensor, spread: float = 1 / CELLS) -> Tensor:
    """Cross entropy in nats against a Gaussian of `spread` around the true centres (B, 2)."""
    x, y = (-(cell_centres() - own[:, None]).square() / (2 * spread**2) for own in centres.unbind(1))
    wanted = (y[:, :, None] + x[:, None, :]).flatten(1).softmax(1)
    return F.cross_entropy(logp.flatten(1), wanted)
