"""What every penalty is made of: a measure of how much features know about labels, which an encoder can lower."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Parts:
    """The split features of one batch and what is known of its images.

    D3S images come first: only they have a background label, so `background` may be shorter than the rest.
    """

    fg: Tensor  # (n, Df) foreground features
    bg: Tensor  # (n, Db) background features
    label: Tensor  # (n,) class of the foreground
    background: Tensor  # (m,) background of the first m <= n images

    def detach(self) -> Parts:
        return Parts(self.fg.detach(), self.bg.detach(), self.label, self.background)


class Measure(nn.Module):
    """How much features (n, D) know about labels (n,), as something an encoder can lower.

    A measure with `learns` carries a network of its own, the critic, which takes its turns through `critic_loss`.
    """

    learns = False

    def __init__(self, n_features: int, n_labels: int):
        super().__init__()
        self.n_features, self.n_labels = n_features, n_labels

    def forward(self, features: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        """The dependence the encoder lowers, a scalar; `rng` draws the shuffles."""
        raise TypeError(f"{type(self).__name__} does not say how to measure dependence.")

    def critic_loss(self, features: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        """What the critic lowers at its turn, a scalar; `features` carry no gradient."""
        raise TypeError(f"{type(self).__name__} has no critic.")


def classifier_head(n_features: int, n_labels: int, hidden: int = 128) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_features, hidden), nn.ReLU(), nn.Linear(hidden, n_labels))


@dataclass(frozen=True)
class PenaltyRow:
    """One row of the table of penalties.

    Attributes:
        measure: made for a number of features and a number of labels.
        weight: what suits its scale, beside the cross entropies.
        about: one line for tables.
        both_streams: see `Penalty`.
    """

    measure: Callable[[int, int], Measure]
    weight: float
    about: str
    both_streams: bool = False

    @property
    def learns(self) -> bool:
        """Whether the measure has a critic."""
        return getattr(self.measure, "func", self.measure).learns


class Penalty(nn.Module):
    """One measure for each side of the split, whose features have these two `sizes`.

    Foreground features are held against the background label, which only D3S images have; background features against
    the class. On natural images class and background truly go together, so background features that name the background
    also foretell the class; a measure therefore looks at D3S images only, unless `both_streams` asks for the paper's
    published way.
    """

    def __init__(self, row: PenaltyRow, sizes: Sequence[int], n_classes: int, n_backgrounds: int):
        super().__init__()
        self.fg, self.bg = row.measure(sizes[0], n_backgrounds), row.measure(sizes[1], n_classes)
        self.weight, self.both_streams = row.weight, row.both_streams

    @property
    def learns(self) -> bool:
        """Whether there are critics that must take turns with the encoder."""
        return self.fg.learns

    def loss(self, parts: Parts, rng: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """What the encoder lowers, and its two terms by name."""
        return self._sum("penalty", self.fg, self.bg, parts, rng)

    def critic_loss(self, parts: Parts, rng: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """What the critics lower, and its two terms by name; the features get no gradient."""
        return self._sum("critic", self.fg.critic_loss, self.bg.critic_loss, parts.detach(), rng)

    def _sum(self, word: str, fg_side, bg_side, parts: Parts, rng) -> tuple[Tensor, dict[str, float]]:
        seen = len(parts.label if self.both_streams else parts.background)
        fg = fg_side(parts.fg[: len(parts.background)], parts.background, rng)
        bg = bg_side(parts.bg[:seen], parts.label[:seen], rng)
        return fg + bg, {f"fg_{word}": fg.item(), f"bg_{word}": bg.item()}
