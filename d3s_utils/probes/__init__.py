"""Probes: what small classifiers read from frozen features (paper, section 5).

Four directions, linear and nonlinear readers, LEACE beside every method, and counterfactuals that move one thing alone.
"""

from d3s_utils.probes.counterfactuals import draw_families, family_table, movement_ratios
from d3s_utils.probes.directions import (
    DIRECTIONS,
    LEAKS,
    head_guesses,
    headline,
    probe,
    probe_unseen,
    summarise,
    with_erased,
)

__all__ = [
    "DIRECTIONS",
    "LEAKS",
    "draw_families",
    "family_table",
    "head_guesses",
    "headline",
    "movement_ratios",
    "probe",
    "probe_unseen",
    "summarise",
    "with_erased",
]
