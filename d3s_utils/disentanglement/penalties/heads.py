"""Penalties that train a classifier head: gradient reversal, and the CLUB bound."""

from __future__ import annotations

from math import log

import torch.nn.functional as F

from d3s_utils.disentanglement.penalties.measure import Measure, classifier_head


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


class Club(Measure):
    """Contrastive log-ratio upper bound of the mutual information, in nats (Cheng et al., 2020).

    A head q(label | features) is fitted; the bound is its log-likelihood on true labels less that on labels drawn
    from the batch, the expectation over draws taken exactly.
    """

    learns = True

    def __init__(self, n_features, n_labels):
        super().__init__(n_features, n_labels)
        self.critic = classifier_head(n_features, n_labels)

    def forward(self, features, labels, rng):
        log_q = self.critic(features).log_softmax(dim=1)  # (n, K)
        frequency = F.one_hot(labels, self.n_labels).to(log_q).mean(dim=0)  # (K,)
        return log_q.gather(1, labels[:, None]).mean() - (log_q @ frequency).mean()

    def critic_loss(self, features, labels, rng):
        return F.cross_entropy(self.critic(features), labels)
