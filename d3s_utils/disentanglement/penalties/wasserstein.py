"""The paper's penalty: a Wasserstein distance between pairs and shuffled pairs, told by a critic."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from d3s_utils.disentanglement.penalties.measure import Measure, PenaltyRow


def halving_critic(width: int) -> nn.Sequential:
    """Linear layers that halve `width` down to 1, LeakyReLU(0.1) between them (the paper's critic)."""
    layers: list[nn.Module] = []
    while width > 1:
        layers += [nn.Linear(width, width // 2), nn.LeakyReLU(0.1)]
        width //= 2
    return nn.Sequential(*layers[:-1])


class Wasserstein(Measure):
    """The paper's penalty: Wasserstein distance between (features, label) pairs and shuffled pairs.

    The critic sees [features, label vector]; label vectors are fixed Gaussian rows, `label_share` of the feature size.
    It is kept 1-Lipschitz by a gradient penalty on points between joint and shuffled pairs (Gulrajani et al., 2017).
    Both pairs carry the same features, so the encoder feels the critic only where the critic bends: where it is linear
    the gradients of the two cancel.

    Args:
        interpolation: "sample" draws one mixing share per pair, as the gradient penalty is defined; "element" draws
            one per coordinate, as the paper's published code does.
    """

    learns = True

    def __init__(self, n_features, n_labels, *, label_share=0.2, gradient_weight=10.0, interpolation="sample"):
        super().__init__(n_features, n_labels)
        size = max(1, int(label_share * n_features))
        self.register_buffer("label_vectors", torch.randn(n_labels, size))
        self.critic = halving_critic(n_features + size)
        self.gradient_weight, self.interpolation = gradient_weight, interpolation

    def pairs(self, features: Tensor, labels: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Joint and shuffled pairs, each (n, D + size of a label vector)."""
        order = torch.randperm(len(labels), generator=rng).to(labels.device)
        joint = torch.cat([features, self.label_vectors[labels]], dim=1)
        return joint, torch.cat([features, self.label_vectors[labels[order]]], dim=1)

    def forward(self, features, labels, rng):
        joint, shuffled = self.pairs(features, labels, rng)
        return (self.critic(shuffled) - self.critic(joint)).mean()

    def critic_loss(self, features, labels, rng):
        joint, shuffled = self.pairs(features, labels, rng)
        gap = (self.critic(joint) - self.critic(shuffled)).mean()
        return gap + self.gradient_weight * self.gradient_penalty(joint, shuffled, rng)

    def gradient_penalty(self, joint: Tensor, shuffled: Tensor, rng: torch.Generator) -> Tensor:
        """Mean squared distance from 1 of the critic's gradient norm, at points between the pairs."""
        shape = joint.shape if self.interpolation == "element" else (len(joint), 1)
        share = torch.rand(shape, generator=rng).to(joint)
        between = (share * joint + (1 - share) * shuffled).requires_grad_()
        (gradient,) = torch.autograd.grad(self.critic(between).sum(), between, create_graph=True)
        return (gradient.norm(dim=1) - 1).square().mean()


ROWS = {
    "wasserstein": PenaltyRow(
        Wasserstein, 1.0, "the paper's critic, on pairs of features and label", both_streams=True
    ),
    "wasserstein_element": PenaltyRow(
        partial(Wasserstein, interpolation="element"),
        1.0,
        "the same, with the mixing of the published code",
        both_streams=True,
    ),
}
