"""Planted accuracies: every part of the drop, in either order, and their interaction come out as they were put in."""

import numpy as np
import pandas as pd
import pytest
from predicted import HOME, accepted, images, share, world

from d3s_utils.evaluation import gaps
from d3s_utils.evaluation.decomposition import (
    BACKGROUND_FIRST,
    PARTS,
    SHAPLEY,
    STYLE_FIRST,
    decompose,
    of_order,
    two_by_two,
)
from d3s_utils.evaluation.gaps import ZOO_MEAN

KEY = ("test",)


def crossed(natural: tuple[int, int], generated: tuple[int, int], model: str = "a") -> pd.DataFrame:
    """Accuracies at home and away, in percent. Natural images are 80 % at home, those without habit and D3S 50 %."""
    parts = []
    for label, home in HOME.items():
        for place, of_natural, of_generated, n in zip(
            (home, HOME[1 - label]), natural, generated, (80, 20), strict=True
        ):
            parts.append(images("natural", label, place, share(of_natural, n), model))
            parts.append(images("natural-uniform", label, place, share(of_natural), model))
            parts.append(images("d3s", label, place, share(of_generated), model))
    return pd.concat(parts, ignore_index=True)


def points(table: pd.DataFrame, order: str = SHAPLEY, model: str = "a") -> dict[str, float]:
    return of_order(table[table["model"] == model], order).set_index("part")["points"].to_dict()


def decomposed(predictions: pd.DataFrame, n: int = 50) -> pd.DataFrame:
    return decompose(predictions, accepted(predictions), KEY, n=n)


def interaction(table: pd.DataFrame) -> dict:
    return table[(table["model"] == "a") & (table["part"] == "interaction")].iloc[0].to_dict()


@pytest.mark.parametrize(
    ("at_home", "away", "natural", "refused"), [(80, 30, 90, 0), (50, 50, 100, 25), (10, 90, 40, 7)]
)
@pytest.mark.parametrize("order", [STYLE_FIRST, BACKGROUND_FIRST, SHAPLEY])
def test_the_parts_add_up_to_the_drop_exactly_in_every_order(at_home, away, natural, refused, order):
    predictions = world(at_home, away, natural, refused)
    found = points(decomposed(predictions), order)
    drop = gaps.gap_table(predictions, KEY)["gap"].item()
    assert sum(found[part] for part in PARTS) == pytest.approx(drop)
    assert found["natural"] - found["d3s"] == pytest.approx(drop)


def test_effects_that_only_add_up_are_the_same_in_both_orders_and_do_not_interact():
    table = decomposed(crossed(natural=(95, 45), generated=(85, 35)))
    for order in (STYLE_FIRST, BACKGROUND_FIRST, SHAPLEY):
        found = points(table, order)
        assert found["style"] == pytest.approx(10) and found["background"] == pytest.approx(0.3 * 50)
    assert interaction(table)["points"] == pytest.approx(0)


def test_a_planted_interaction_is_read_back_and_shared_evenly():
    table = decomposed(crossed(natural=(100, 60), generated=(90, 20)), n=300)
    # natural 92, uniform 80; generated 76 with the habit and 55 without
    first, second, both = (points(table, order) for order in (STYLE_FIRST, BACKGROUND_FIRST, SHAPLEY))
    assert (first["style"], first["background"]) == (pytest.approx(16), pytest.approx(21))
    assert (second["style"], second["background"]) == (pytest.approx(25), pytest.approx(12))
    assert (both["style"], both["background"], both["labels"]) == (pytest.approx(20.5), pytest.approx(16.5), 0)
    found = interaction(table)
    assert found["points"] == pytest.approx(-9) and found["low"] < -9 < found["high"] < 0


def test_the_four_cells_stand_beside_with_intervals():
    predictions = crossed(natural=(100, 60), generated=(90, 20))
    cells = two_by_two(predictions, accepted(predictions), KEY, n=100).query("model == 'a'")
    found = cells.set_index(["style", "background"])["accuracy"].to_dict()
    assert found == {
        ("natural", "habitual"): pytest.approx(92), ("natural", "uniform"): pytest.approx(80),
        ("generated", "habitual"): pytest.approx(76), ("generated", "uniform"): pytest.approx(55),
    }  # fmt: skip
    assert ((cells["low"] < cells["accuracy"]) & (cells["accuracy"] < cells["high"])).all()


def test_where_none_are_staged_natural_images_are_weighed_as_in_d3s():
    predictions = crossed(natural=(100, 60), generated=(90, 20))
    without = predictions[predictions["dataset"] != "natural-uniform"]
    staged, weighed = (decomposed(table)["points"] for table in (predictions, without))
    assert staged.to_list() == pytest.approx(weighed.to_list())


def test_wrong_labels_stand_apart():
    predictions = world(90, 90, refused=20)
    labels = points(decomposed(predictions))
    assert labels["style"] == pytest.approx(0) and labels["background"] == pytest.approx(0)
    assert labels["labels"] == pytest.approx(90 - 100 * 360 / 440)


def test_the_interval_holds_the_estimate_and_narrows_with_more_photographs():
    small = crossed((90, 60), (80, 30))
    large = pd.concat([small.assign(foreground_source=small["foreground_source"] + f"/{copy}") for copy in range(4)])
    widths = []
    for predictions in (small, large):
        table = of_order(decompose(predictions, accepted(small), KEY, n=300)).query("model == 'a'")
        row = table[table["part"] == "background"].iloc[0]
        assert row["low"] < row["points"] < row["high"]
        widths.append(row["high"] - row["low"])
    assert widths[1] < 0.75 * widths[0]


def test_the_mean_of_the_zoo_is_the_mean_of_its_models():
    predictions = pd.concat([crossed((90, 60), (80, 30), "a"), crossed((70, 50), (60, 10), "b")], ignore_index=True)
    table = decomposed(predictions)
    for part in PARTS:
        mean = (points(table)[part] + points(table, model="b")[part]) / 2
        assert points(table, model=ZOO_MEAN)[part] == pytest.approx(mean)


def test_without_known_backgrounds_only_the_labels_part_is_told():
    predictions = world(80, 30, refused=10)
    predictions.loc[predictions["dataset"] == "natural", "background"] = None
    table = decomposed(predictions)
    found = points(table)
    assert np.isnan(found["style"]) and np.isnan(found["background"]) and found["labels"] > 0
    assert np.isnan(interaction(table)["points"])
    assert two_by_two(predictions, accepted(predictions), KEY, n=10)["accuracy"].isna().sum() == 4
