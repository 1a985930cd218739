"""Kernel independence (HSIC), on features as they are or whitened."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from d3s_utils.disentanglement.penalties.kernels import centred, correlation, squared_distances
from d3s_utils.disentanglement.penalties.measure import Measure, PenaltyRow


def whitened(x: Tensor, ridge: float = 0.01) -> Tensor:
    """`x` (n, D) with mean 0 and covariance 1; `ridge`, a share of the mean variance, keeps noise from growing."""
    x = x - x.mean(dim=0)
    covariance = x.T @ x / len(x)
    floor = ridge * covariance.diagonal().mean().detach().clamp_min(1e-12)
    factor = torch.linalg.cholesky(covariance + floor * torch.eye(len(covariance), device=x.device))
    return torch.linalg.solve_triangular(factor, x.T, upper=False).T


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


ROWS = {
    "hsic": PenaltyRow(Hsic, 10.0, "kernel independence (HSIC)"),
    "hsic_whitened": PenaltyRow(partial(Hsic, whiten=True), 10.0, "kernel independence, faint directions made loud"),
}
