"""The paper's penalty: a Wasserstein distance between pairs and shuffled pairs, told by a critic."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from d3s_utils.disentanglement.penalties.measure import Measure, PenaltyRow

NARROWEST = 128  # of a critic's hidden layers; narrower ones miss most of what a wide critic sees (docs/protocol.md)


def critic(width: int, narrowest: int = NARROWEST) -> nn.Sequential:
    """Linear layers with LeakyReLU(0.1) between them, from `width` inputs down to one score.

    The paper's halve the width down to 1. On few features that leaves a critic of a few hundred parameters, which sees
    next to nothing; so where half of the input is below `narrowest`, two hidden layers of that width take their place.
    """
    widths = [width]
    while widths[-1] > 1:
        widths.append(widths[-1] // 2)
    if width // 2 < narrowest:
        widths = [width, narrowest, narrowest, 1]
    layers: list[nn.Module] = []
    for before, after in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(before, after), nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers[:-1])


class Wasserstein(Measure):
    """The paper's penalty: Wasserstein distance between (features, label) pairs and shuffled pairs.

    The critic sees [features, label vector]; label vectors are fixed Gaussian rows, `label_share` of the feature size.
    It is kept 1-Lipschitz by a gradient penalty on points between joint and shuffled pairs (Gulrajani et al., 2017).
    Both pairs carry the same features, so the encoder feels the critic only where the critic bends: where it is linear
    the gradients of the two cancel.

    Args:
        normalise: give each feature mean 0 and deviation 1 over the batch before the critic sees it, so that an encoder
            cannot lower the distance by making its features small.
        interpolation: "sample" draws one mixing share per pair, as the gradient penalty is defined; "element" draws
            one per coordinate, as the paper's published code does.
    """

    learns = True

    def __init__(
        self,
        n_features,
        n_labels,
        *,
        label_share=0.2,
        normalise=False,
        gradient_weight=10.0,
        interpolation="sample",
    ):
        super().__init__(n_features, n_labels)
        size = max(1, int(label_share * n_features))
        self.register_buffer("label_vectors", torch.randn(n_labels, size))
        self.critic = critic(n_features + size)
        self.gradient_weight, self.interpolation, self.normalise = gradient_weight, interpolation, normalise

    def pairs(self, features: Tensor, labels: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Joint and shuffled pairs, each (n, D + size of a label vector)."""
        if self.normalise:
            features = (features - features.mean(0)) / features.std(0, unbiased=False).clamp_min(1e-6)
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
    "wasserstein_normalised": PenaltyRow(
        partial(Wasserstein, normalise=True, label_share=1.0),
        10.0,
        "the same critic, on normalised features and longer label vectors, D3S images alone",
    ),
}
