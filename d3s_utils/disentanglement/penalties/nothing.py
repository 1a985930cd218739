"""The control: cross entropy alone."""

from __future__ import annotations

from d3s_utils.disentanglement.penalties.measure import Measure, PenaltyRow


class Nothing(Measure):
    """No dependence is ever seen, so nothing is taken away."""

    def forward(self, features, labels, rng):
        return features.new_zeros(())


ROWS = {"none": PenaltyRow(Nothing, 0.0, "cross entropy alone")}
