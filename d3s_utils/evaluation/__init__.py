"""How well classifiers do on images whose background is unusual: the zoo is trained or fetched, each classifier answers
once for every image of every set, and the answers say how much accuracy is lost, where, and to what.
"""

from d3s_utils.evaluation.decomposition import PARTS, decompose, of_order, two_by_two
from d3s_utils.evaluation.findings import headline
from d3s_utils.evaluation.gaps import (
    ZOO_MEAN,
    accuracy_by_rule,
    accuracy_table,
    gap_table,
    habit_curve,
    with_zoo_mean,
)
from d3s_utils.evaluation.mistakes import (
    background_pull,
    confident_failures,
    confusion,
    failures_by_cell,
    home_order,
    usual_backgrounds,
)
from d3s_utils.evaluation.models import across_habits, evaluate, models_of, training_histories, zoo_of
from d3s_utils.evaluation.sets import D3S, NATURAL, SETS, UNIFORM, of_set, open_sets
from d3s_utils.evaluation.zero_shot import clip_agreement

__all__ = [
    "D3S",
    "NATURAL",
    "PARTS",
    "SETS",
    "UNIFORM",
    "ZOO_MEAN",
    "accuracy_by_rule",
    "accuracy_table",
    "across_habits",
    "background_pull",
    "clip_agreement",
    "confident_failures",
    "confusion",
    "decompose",
    "evaluate",
    "failures_by_cell",
    "gap_table",
    "habit_curve",
    "headline",
    "home_order",
    "models_of",
    "of_order",
    "of_set",
    "open_sets",
    "training_histories",
    "two_by_two",
    "usual_backgrounds",
    "with_zoo_mean",
    "zoo_of",
]
