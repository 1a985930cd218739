"""Linear erasure (LEACE, Belrose et al., 2023): what is left when a linear reader can learn nothing more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from d3s_utils.disentanglement.features import Features


def leace(x: np.ndarray, labels: np.ndarray, fit: np.ndarray) -> np.ndarray:
    """`x` (N, D) with everything a linear reader could learn of `labels` (N,) projected out.

    LEACE (Belrose et al., 2023), the smallest such change, fitted on the rows `fit` (N,) marks. It is exact there: the
    covariance of features and labels is 0 to rounding. The package's defaults (covariances shrunk, singular values up
    to 0.01 dropped) would leave a residue that a linear reader finds.
    """
    import torch
    from concept_erasure import LeaceFitter

    values = torch.as_tensor(x, dtype=torch.float64)
    one_hot = torch.eye(int(labels.max()) + 1, dtype=torch.float64)[torch.tensor(labels)]
    rows = torch.tensor(fit)
    return LeaceFitter.fit(values[rows], one_hot[rows], shrinkage=False, svd_tol=1e-8).eraser(values).float().numpy()


def erase(features: Features, images: pd.DataFrame, fit: np.ndarray) -> Features:
    """The background erased from the foreground features, the class from the background features.

    Args:
        images: one row per row of `features`, with `label` and `background_index`.
        fit: (N,) bool, the images the erasure is fitted on (the training split).
    """
    return replace(
        features,
        fg=leace(features.fg, images["background_index"].to_numpy(), fit),
        bg=leace(features.bg, images["label"].to_numpy(), fit),
    )
