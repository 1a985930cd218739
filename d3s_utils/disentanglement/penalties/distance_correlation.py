"""Distance correlation."""

from __future__ import annotations

from d3s_utils.disentanglement.penalties.kernels import centred, correlation, squared_distances
from d3s_utils.disentanglement.penalties.measure import Measure, PenaltyRow


class DistanceCorrelation(Measure):
    """Distance correlation (Szekely et al., 2007), 0-1, between features and labels that are equal or not."""

    def forward(self, features, labels, rng):
        distance = (squared_distances(features) + 1e-8).sqrt()
        different = (labels[:, None] != labels[None, :]).to(distance)
        return correlation(centred(distance), centred(different)).clamp_min(0)


ROWS = {"distance_correlation": PenaltyRow(DistanceCorrelation, 10.0, "correlation of distances")}
