"""Kernel independence (HSIC) over the present batch and features of recent ones.

A batch of 32 images of 1 000 classes holds hardly a pair of one class, and once it is whitened in 1 798 dimensions all
distances in it are equal: whatever the features know, HSIC reads the same. Recent features, without gradient, make up
the number that is missing.
"""

from __future__ import annotations

from functools import partial

import torch

from d3s_utils.disentanglement.penalties.hsic import Hsic
from d3s_utils.disentanglement.penalties.measure import PenaltyRow

ROWS_PER_FEATURE = 2  # of the queue; whitening needs more rows than there are features
FEWEST = 1024  # rows of the queue, for few features of many classes


class RecentHsic(Hsic):
    """`Hsic` of the present features together with those of the batches before, oldest out first.

    The queue is part of the state, so that a training which was killed goes on with the same features.
    """

    def __init__(self, n_features, n_labels, **options):
        super().__init__(n_features, n_labels, **options)
        rows = max(FEWEST, ROWS_PER_FEATURE * n_features)
        self.register_buffer("recent", torch.zeros(rows, n_features))
        self.register_buffer("recent_labels", torch.full((rows,), -1))  # -1: nothing there yet

    def forward(self, features, labels, rng):
        there = self.recent_labels >= 0
        value = super().forward(
            torch.cat([features, self.recent[there]]), torch.cat([labels, self.recent_labels[there]]), rng
        )
        if features.requires_grad:
            self.remember(features.detach(), labels)
        return value

    @torch.no_grad()
    def remember(self, features: torch.Tensor, labels: torch.Tensor) -> None:
        """Put features (n, D) and their labels (n,) in front; as many fall out at the end."""
        rows = len(self.recent)
        self.recent.copy_(torch.cat([features.to(self.recent), self.recent])[:rows])
        self.recent_labels.copy_(torch.cat([labels.to(self.recent_labels), self.recent_labels])[:rows])


ROWS = {
    "hsic_recent": PenaltyRow(
        partial(RecentHsic, whiten=True),
        10.0,
        "whitened HSIC over recent batches too: many classes",
    )
}
