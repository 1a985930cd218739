"""Adversarial heads: what a head learns to read, the encoder learns to hide."""

from __future__ import annotations

from math import log

import torch.nn.functional as F

from d3s_utils.disentanglement.penalties.measure import Measure, PenaltyRow, classifier_head


class GradientReversal(Measure):
    """Adversarial heads (Ganin et al., 2016): a head learns to read the label, the encoder learns that it cannot.

    In nats: log K less the head's cross entropy, so 0 is chance. Head and encoder take turns, which gives the encoder
    exactly the head's gradient, reversed.
    """

    learns = True

    def __init__(self, n_features, n_labels):
        super().__init__(n_features, n_labels)
        self.critic = classifier_head(n_features, n_labels)

    def forward(self, features, labels, rng):
        return log(self.n_labels) - F.cross_entropy(self.critic(features), labels)

    def critic_loss(self, features, labels, rng):
        return F.cross_entropy(self.critic(features), labels)


ROWS = {"gradient_reversal": PenaltyRow(GradientReversal, 1.0, "an adversarial head, its gradient reversed")}
