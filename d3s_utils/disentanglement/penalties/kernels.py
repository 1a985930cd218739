"""Penalties without a critic: kernel independence and distance correlation."""

from __future__ import annotations

import torch
from torch import Tensor

from d3s_utils.disentanglement.penalties.measure import Measure


def squared_distances(x: Tensor) -> Tensor:
    """(n, D) -> (n, n), never negative."""
    norms = x.square().sum(dim=1)
    return (norms[:, None] + norms[None, :] - 2 * x @ x.T).clamp_min(0)


def whitened(x: Tensor, ridge: float = 0.01) -> Tensor:
    """`x` (n, D) with mean 0 and covariance 1; `ridge`, a share of the mean variance, keeps noise from growing."""
    x = x - x.mean(dim=0)
    covariance = x.T @ x / len(x)
    floor = ridge * covariance.diagonal().mean().detach().clamp_min(1e-12)
    factor = torch.linalg.cholesky(covariance + floor * torch.eye(len(covariance), device=x.device))
    return torch.linalg.solve_triangular(factor, x.T, upper=False).T


def centred(kernel: Tensor) -> Tensor:
    """Row and column means taken out of an (n, n) matrix."""
    return kernel - kernel.mean(0, keepdim=True) - kernel.mean(1, keepdim=True) + kernel.mean()


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of the angle between two centred (n, n) matrices: 0 for independence, 1 for the same geometry."""
    return (a * b).sum() / (a.norm() * b.norm()).clamp_min(1e-12)


class Hsic(Measure):
    """Hilbert-Schmidt independence criterion (Gretton et al., 2005), normalised to 0-1.

    Gaussian kernels on the features, at the median distance times `scales`; on labels, "same or not".

    Args:
        whiten: measure distances after the batch has been whitened. Otherwise a kernel sees the loud directions alone,
            and an encoder learns to whisper: it moves the label into directions too faint for the kernel, where a
            probe still finds it.
    """

    def __init__(self, n_features, n_labels, *, scales=(0.5, 1.0, 2.0), whiten=False):
        super().__init__(n_features, n_labels)
        self.scales, self.whiten = scales, whiten

    def forward(self, features, labels, rng):
        squared = squared_distances(whitened(features) if self.whiten else features)
        median = squared.detach().median().clamp_min(1e-12)
        kernel = sum(torch.exp(-squared / (2 * scale**2 * median)) for scale in self.scales)
        same = (labels[:, None] == labels[None, :]).to(kernel)
        return correlation(centred(kernel), centred(same))


class DistanceCorrelation(Measure):
    """Distance correlation (Szekely et al., 2007), 0-1, between features and labels that are equal or not."""

    def forward(self, features, labels, rng):
        distance = (squared_distances(features) + 1e-8).sqrt()
        different = (labels[:, None] != labels[None, :]).to(distance)
        return correlation(centred(distance), centred(different)).clamp_min(0)
