"""Planted predictions: gaps and the mistakes behind them come out as they were put in."""

import pandas as pd
import pytest
from predicted import accepted, images, share, world

from d3s_utils.evaluation import gaps, mistakes
from d3s_utils.evaluation.gaps import ZOO_MEAN

KEY = ("test",)


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
