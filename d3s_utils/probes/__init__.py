"""Probes: what small classifiers read from frozen features (paper, section 5).

Four directions, four kinds of probe and the strongest of them, controls, LEACE, and counterfactuals.
"""

from d3s_utils.probes.counterfactuals import draw_families, family_table, moved_from, movement_ratios
from d3s_utils.probes.directions import DIRECTIONS, LEAKS, head_guesses, summarise, with_erased
from d3s_utils.probes.findings import headline
from d3s_utils.probes.protocol import (
    difference,
    leaks,
    on_both,
    only,
    probe,
    probe_controls,
    probe_held_out,
    probe_unseen,
    strongest,
)
from d3s_utils.probes.strength import last_doubling, strength

__all__ = [
    "DIRECTIONS",
    "LEAKS",
    "difference",
    "draw_families",
    "family_table",
    "head_guesses",
    "headline",
    "last_doubling",
    "leaks",
    "moved_from",
    "movement_ratios",
    "on_both",
    "only",
    "probe",
    "probe_controls",
    "probe_held_out",
    "probe_unseen",
    "strength",
    "strongest",
    "summarise",
    "with_erased",
]
