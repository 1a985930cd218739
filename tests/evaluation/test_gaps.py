"""Planted predictions: the gap, its parts and their causes come out as they were put in."""

import numpy as np
import pandas as pd
import pytest

from d3s_utils.evaluation import gaps, mistakes
from d3s_utils.evaluation.gaps import PARTS, ZOO_MEAN, decompose
from d3s_utils.ground.claims import claims_table

HOME = {0: "in snow", 1: "in sand"}
KEY = ("test",)


def images(
    dataset: str, label: int, background: str, right: list[bool], model: str = "a", start: int = 0
) -> pd.DataFrame:
    """One row per entry of `right`; a wrong guess is the other class."""
    ids = [f"{dataset}-{label}-{background}-{start + i}" for i in range(len(right))]
    guess = np.where(right, label, 1 - label)
    columns = {"image_id": ids, "foreground_source": ids, "guess": guess, "p_guess": 0.9, "p_label": 0.5, "top5": True}
    return pd.DataFrame(columns).assign(model=model, dataset=dataset, label=label, background=background, habit=0.8)


def share(percent: int, n: int = 100) -> list[bool]:
    return [i < percent * n // 100 for i in range(n)]


def world(at_home: int, away: int, natural: int = 90, refused: int = 0, model: str = "a") -> pd.DataFrame:
    """Photographs 80 % at home; D3S half at home and half away, and `refused` images each that are all misread."""
    parts = []
    for label, home in HOME.items():
        other = HOME[1 - label]
        parts += [images("natural", label, home, share(natural, 80), model)]
        parts += [images("natural", label, other, share(natural, 20), model)]
        parts += [images("d3s", label, home, share(at_home), model), images("d3s", label, other, share(away), model)]
        parts += [images("d3s", label, other, [False] * refused, model, start=1000)]
    return pd.concat(parts, ignore_index=True)


def accepted(predictions: pd.DataFrame) -> list[str]:
    ids = predictions["image_id"]
    return list(ids[ids.str.rpartition("-")[2].astype(int) < 1000])


def points(table: pd.DataFrame, model: str = "a") -> dict[str, float]:
    return table[table["model"] == model].set_index("part")["points"].to_dict()


@pytest.mark.parametrize(
    ("at_home", "away", "natural", "refused"), [(80, 30, 90, 0), (50, 50, 100, 25), (10, 90, 40, 7)]
)
def test_the_parts_add_up_to_the_drop_exactly(at_home, away, natural, refused):
    predictions = world(at_home, away, natural, refused)
    found = points(decompose(predictions, accepted(predictions), KEY, n=50))
    drop = gaps.gap_table(predictions, KEY)["gap"].item()
    assert sum(found[part] for part in PARTS) == pytest.approx(drop)
    assert found["natural"] - found["d3s"] == pytest.approx(drop)


def test_each_part_is_blamed_for_its_own_cause():
    background = points(decompose(world(90, 30), accepted(world(90, 30)), KEY, n=50))
    assert background["labels"] == 0 and background["background"] == pytest.approx(0.8 * 90 + 0.2 * 30 - 60)
    style = points(decompose(world(70, 70), accepted(world(70, 70)), KEY, n=50))
    assert style["style"] == pytest.approx(20) and style["background"] == pytest.approx(0)
    predictions = world(90, 90, refused=20)
    labels = points(decompose(predictions, accepted(predictions), KEY, n=50))
    assert labels["style"] == pytest.approx(0) and labels["background"] == pytest.approx(0)
    assert labels["labels"] == pytest.approx(90 - 100 * 360 / 440)


def test_the_interval_holds_the_estimate_and_narrows_with_more_photographs():
    small = world(80, 30)
    large = pd.concat([small.assign(foreground_source=small["foreground_source"] + f"/{copy}") for copy in range(4)])
    widths = []
    for predictions in (small, large):
        table = decompose(predictions, accepted(small), KEY, n=300).query("model == 'a' and part == 'background'")
        assert (table["low"] < table["points"]).all() and (table["points"] < table["high"]).all()
        widths.append((table["high"] - table["low"]).item())
    assert widths[1] < 0.75 * widths[0]


def test_the_mean_of_the_zoo_is_the_mean_of_its_models():
    predictions = pd.concat([world(80, 30, model="a"), world(60, 10, model="b")], ignore_index=True)
    table = decompose(predictions, accepted(predictions), KEY, n=50)
    for part in PARTS:
        mean = (points(table, "a")[part] + points(table, "b")[part]) / 2
        assert points(table, ZOO_MEAN)[part] == pytest.approx(mean)


def test_without_known_backgrounds_only_the_labels_part_is_told():
    predictions = world(80, 30, refused=10)
    predictions.loc[predictions["dataset"] == "natural", "background"] = None
    found = points(decompose(predictions, accepted(predictions), KEY, n=50))
    assert np.isnan(found["style"]) and np.isnan(found["background"]) and found["labels"] > 0


def test_a_gap_is_the_difference_of_two_accuracies_with_an_interval_around_it():
    table = gaps.gap_table(gaps.with_zoo_mean(world(80, 30)), KEY).set_index("model")
    assert table.loc["a", ["natural", "d3s", "gap"]].to_list() == [90, 55, 35]
    assert table.loc["a", "low"] < 35 < table.loc["a", "high"]
    assert table.loc[ZOO_MEAN, "gap"] == 35


def test_images_of_one_photograph_rise_and_fall_together():
    single = images("d3s", 0, "in snow", share(50, 40))
    shared = single.assign(foreground_source=[f"photo-{i // 10}" for i in range(40)])
    widths = [gaps.accuracy_table(rows, KEY, "model").eval("high - low").item() for rows in (single, shared)]
    assert widths[1] > 1.3 * widths[0]


def test_top5_counts_the_label_among_five():
    rows = images("d3s", 0, "in snow", share(50))
    assert gaps.accuracy_table(rows, KEY, "model", top5=True)["accuracy"].item() == 100


def test_accuracy_by_rule_counts_only_what_the_rule_accepts():
    predictions = world(80, 80, refused=50).query("dataset == 'd3s'")
    ids = predictions["image_id"]
    verified = pd.DataFrame({"image_id": ids, "rule": "majority", "accepted": ids.isin(accepted(predictions))})
    table = gaps.accuracy_by_rule(predictions, verified, KEY).set_index("rule")
    assert table.loc["majority", "accuracy"] == 80 and table.loc["all images", "accuracy"] == 64
    assert table.loc["majority", "n"] == 400 and table.loc["all images", "n"] == 500


def test_mistakes_that_name_the_inhabitant_of_the_background_are_its_pull():
    pull = mistakes.background_pull(world(80, 30))  # of two classes every mistake away from home names the inhabitant
    assert pull["share"].item() == 100 and pull["n"].item() == 140 and pull["chance"].item() == 100


def test_the_habit_curve_tells_habits_and_sets_apart():
    other = world(90, 60).assign(habit=0.1, model="a@uniform")
    other["dataset"] = other["dataset"].replace("natural", "natural-uniform")
    elsewhere = images("natural-uniform", 0, "in sand", share(0))  # not the model's own photographs: left out
    curve = gaps.habit_curve(pd.concat([world(80, 30), other, elsewhere], ignore_index=True), KEY)
    found = curve.set_index(["habit", "images"])["accuracy"]
    assert found.to_dict() == {
        (0.1, "natural"): 90, (0.1, "d3s"): 75, (0.1, "d3s, unusual"): 60,
        (0.8, "natural"): 90, (0.8, "d3s"): 55, (0.8, "d3s, unusual"): 30,
    }  # fmt: skip


def test_failures_are_ordered_by_models_fooled_then_by_confidence():
    a = images("d3s", 0, "in sand", [False, False, False, True]).assign(p_guess=[0.6, 0.9, 0.99, 1.0])
    b = a.assign(model="b", guess=[1, 1, 0, 0])
    table = mistakes.confident_failures(pd.concat([a, b], ignore_index=True))
    assert [name[-1] for name in table["image_id"]] == ["1", "0", "2"]
    assert list(table["fooled"]) == [2, 2, 1] and (table["models"] == 2).all()
    assert len(mistakes.confident_failures(a, accepted=a["image_id"].iloc[:1])) == 1


def test_confusion_spreads_each_row_over_all_classes():
    rows = world(80, 30).assign(class_name=lambda rows: rows["label"].map({0: "teapot", 1: "apple"}))
    counts = mistakes.confusion(rows, "class_name", ["teapot", "apple", "daisy"])
    assert list(counts.index[:2]) == ["teapot", "apple"] and list(counts.columns) == ["teapot", "apple", "daisy"]
    assert counts.loc["teapot"].to_list() == pytest.approx([55, 45, 0])


def test_labels_are_ordered_as_their_homes_are():
    assert mistakes.home_order(world(80, 30), ["in sand", "in snow"]) == [1, 0]


def test_the_ledger_says_met_only_of_what_was_measured_and_reached():
    predictions = gaps.with_zoo_mean(world(80, 10, natural=90))
    lost, pull = gaps.gap_table(predictions, KEY), mistakes.background_pull(predictions)
    parts = decompose(world(80, 10), accepted(world(80, 10)), KEY, n=50)
    ledger = claims_table(gaps.headline(lost, lost.head(0), parts, pull, simulated=True)).set_index("id")
    assert ledger.loc["zoo_drop", "status"] == "met" and ledger.loc["zoo_drop", "measured"] == 45
    assert ledger.loc["control_drop", "status"] == "not run"
    assert ledger.loc["drop_background", "status"] == "simulated"
    assert ledger.loc["background_pull", "status"] == "not met"  # of two classes, chance is always
    assert ledger.loc["background_pull", "why"].startswith("the mark is above 100 %")
    assert ledger.loc["background_pull", "unit"] == "%" and ledger.loc["zoo_drop", "unit"] == "points"
