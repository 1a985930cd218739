"""Matrices of all pairs in a batch, which two penalties compare."""

from __future__ import annotations

from torch import Tensor


def squared_distances(x: Tensor) -> Tensor:
    """(n, D) -> (n, n), never negative."""
    norms = x.square().sum(dim=1)
    return (norms[:, None] + norms[None, :] - 2 * x @ x.T).clamp_min(0)


def centred(kernel: Tensor) -> Tensor:
    """Row and column means taken out of an (n, n) matrix."""
    return kernel - kernel.mean(0, keepdim=True) - kernel.mean(1, keepdim=True) + kernel.mean()


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of the angle between two centred (n, n) matrices: 0 for independence, 1 for the same geometry."""
    return (a * b).sum() / (a.norm() * b.norm()).clamp_min(1e-12)
