"""The table of all penalties."""

from __future__ import annotations

from functools import partial

from d3s_utils.disentanglement.penalties.heads import Club, GradientReversal
from d3s_utils.disentanglement.penalties.kernels import DistanceCorrelation, Hsic
from d3s_utils.disentanglement.penalties.measure import Nothing, Penalty, Recipe
from d3s_utils.disentanglement.penalties.wasserstein import Wasserstein
from d3s_utils.ground.errors import D3SError

# One row here is all it takes for a penalty to be trained, probed and tested.
PENALTIES: dict[str, Recipe] = {
    "none": Recipe(Nothing, 0.0, "cross entropy alone"),
    "wasserstein": Recipe(Wasserstein, 1.0, "the paper's critic, on pairs of features and label", both_streams=True),
    "wasserstein_element": Recipe(
        partial(Wasserstein, interpolation="element"),
        1.0,
        "the same, with the mixing of the published code",
        both_streams=True,
    ),
    "gradient_reversal": Recipe(GradientReversal, 1.0, "an adversarial head, its gradient reversed"),
    "club": Recipe(Club, 1.0, "an upper bound of the mutual information"),
    "hsic": Recipe(Hsic, 10.0, "kernel independence (HSIC)"),
    "hsic_whitened": Recipe(partial(Hsic, whiten=True), 10.0, "kernel independence, faint directions made loud"),
    "distance_correlation": Recipe(DistanceCorrelation, 10.0, "correlation of distances"),
}


def recipe_for(name: str) -> Recipe:
    """The row of `PENALTIES` called `name`.

    Raises:
        D3SError: there is no such row.
    """
    if name not in PENALTIES:
        raise D3SError(f"There is no penalty called {name!r}; disentanglement.penalties takes {', '.join(PENALTIES)}.")
    return PENALTIES[name]


def build_penalty(name: str, fg_dim: int, bg_dim: int, n_classes: int, n_backgrounds: int) -> Penalty:
    """The penalty called `name` for features of these widths; critics start from torch's current seed."""
    recipe = recipe_for(name)
    return Penalty(recipe.measure, fg_dim, bg_dim, n_classes, n_backgrounds, recipe.both_streams)
