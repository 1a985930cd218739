"""The words of notebook 01 follow its numbers, and say so where nobody measured."""

import pandas as pd

from d3s_utils.generation import sentences


def plan(*cells):
    return pd.DataFrame(cells, columns=["split", "class_name", "background"])


def realism(gap):
    rows = [("D3S", "FID", 5.0, gap), ("guides", "FID", 5.0 + gap, 0.0), ("photographs, held out", "FID", 1.0, 0.0)]
    table = pd.DataFrame(rows, columns=["set", "metric", "distance", "gap"])
    return table.assign(gap_low=gap - 1, gap_high=gap + 1, n=100, features="pocket judge", reference="natural images")


def test_the_plan_is_counted():
    cells = [(split, name, place) for split in ("train", "val") for name in "ab" for place in "xyz"]
    said = sentences.planned(plan(*cells, *cells[:6]))
    assert (
        said == "The plan holds 18 images (12 train, 6 val): 2 classes on 3 backgrounds, the same number in each cell."
    )
    assert "not the same number in every cell" in sentences.planned(plan(*cells, cells[0]))


def test_images_are_nearer_to_natural_images_or_further_from_them():
    nearer, further = sentences.nearness(realism(2.5)), sentences.nearness(realism(-2.5))
    assert "2.50 nearer to the reference" in nearer and "1.50 to 3.50" in nearer
    assert "FID against natural images is **5.00** for D3S and 7.50 for the guides" in nearer
    assert "held-out pictures like the reference score 1.00, the floor" in nearer and "Habit alone" not in nearer
    assert "2.50 further from the reference" in further
    habit = pd.concat([realism(2.5), realism(2.5).iloc[[2]].assign(set="photographs, with habit", distance=7.0)])
    assert sentences.nearness(habit).endswith("puts natural images 7.00 away.")
    assert sentences.nearness(realism(1.0).head(0)) == "No distance was taken."


def test_the_hardest_class_is_the_one_with_the_lowest_rate():
    rates = pd.DataFrame(
        {"question": ["foreground", "both"], "rate": [99.0, 98.5], "low": 97.0, "high": 99.5, "n": 1000}
    )
    by_class = pd.DataFrame({"class_name": ["daisy", "teapot"], "question": "both", "rate": [99.0, 80.0]})
    by_class = by_class.assign(low=70.0, high=99.0, n=100)
    said = sentences.labels_found(rates, by_class)
    assert "**98.5 %** of 1000 images" in said and "is **teapot** with 80.0 %" in said
    assert sentences.labels_found(rates.head(0), by_class.head(0)).startswith("No judge knows these classes")


def test_place_and_colour_are_told_apart_and_a_missing_number_is_no_number():
    follow = pd.DataFrame({"strength": 0.9, "quantity": ["position", "colour"], "correlation": [0.48, 0.2]})
    follow = follow.assign(low=0.1, high=0.6, n=1000)
    said = sentences.guide_followed(follow)
    assert "place correlates with the guide's at **0.48**" in said and "its colour at **0.20**" in said
    assert "nan" not in sentences.guide_followed(follow.assign(correlation=float("nan")))
    assert sentences.guide_followed(follow.head(0)).startswith("No judge knows these classes")


def test_networks_that_are_not_here_are_said_to_be_missing():
    one, none = pd.DataFrame({"set": ["D3S"]}), pd.DataFrame()
    assert "was taken" in sentences.standard_networks(one, none) and "not asked" in sentences.standard_networks(
        one, none
    )
    assert "not taken" in sentences.standard_networks(none, one) and "filter" in sentences.standard_networks(none, one)
