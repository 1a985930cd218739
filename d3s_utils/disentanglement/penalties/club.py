"""CLUB: an upper bound of the mutual information between features and labels."""

from __future__ import annotations

import torch.nn.functional as F

from d3s_utils.disentanglement.penalties.measure import Measure, PenaltyRow, classifier_head


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


ROWS = {"club": PenaltyRow(Club, 1.0, "an upper bound of the mutual information")}
