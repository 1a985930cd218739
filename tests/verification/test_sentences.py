"""The words of notebook 02 follow its numbers, for people and simulated annotators, and for tables without rows."""

import numpy as np
import pandas as pd

from d3s_utils.verification import sentences

RULES = ["unanimity", "majority", "dawid_skene"]


def shares(**columns):
    return pd.DataFrame({"rule": RULES, "question": "both", "source": "simulated"} | columns)


def test_every_rule_is_named_with_its_share_and_the_paper_beside_it():
    judged = pd.DataFrame(
        {"rule": "unanimity", "accepted_foreground": [True, True, True, False], "flagged_adult": False}
    )
    said = sentences.accepted(shares(accepted=[49.2, 97.0, 98.0]), judged, 85.0)
    assert said.startswith(
        "Of 4 validation images with votes, simulated annotators accept both labels in **49.2 %** by"
    )
    assert "**97.0 %** by majority and **98.0 %** by Dawid-Skene" in said
    assert "accepts 75.0 %. That is not the paper's rule yet" in said and "a little over 85 %" in said
    assert "MTurk workers" in sentences.accepted(shares(accepted=50.0, source="mturk"), judged, 85.0)
    assert sentences.accepted(shares(accepted=50.0).head(0), judged.head(0), 85.0) == "No image has votes."


def test_refusals_count_the_images_that_show_both_labels():
    errors = shares(kind="refused though there", share=[40.0, 1.0, 0.5], n=942)
    said = sentences.refused(errors)
    assert (
        said.startswith("Of the 942 images in which the judge behind the votes sees both")
        and "majority refuses **1.0 %** and Dawid-Skene refuses **0.5 %**" in said
    )
    assert sentences.refused(errors.assign(n=0)).startswith("The judge behind the votes sees both labels in no image")
    assert sentences.refused(errors.head(0)).startswith("The judge behind the votes sees both labels in no image")


def test_a_gain_is_sure_only_where_its_whole_interval_says_so():
    wrong = pd.DataFrame({"rule": RULES[1:], "gain": [None, 0.5]})
    for low, high, words in ((0.1, 0.9, "more than chance"), (-0.2, 0.9, "not told apart"), (-0.9, -0.1, "worse")):
        said = sentences.rule_gain(wrong.assign(gain_low=low, gain_high=high))
        assert said.startswith("Dawid-Skene against majority: +0.50 points") and words in said
    assert "one rule" in sentences.rule_gain(wrong.head(1))


def test_stopping_early_says_what_it_changes():
    stops = pd.DataFrame({"stop": ["all votes", "certain", "lead of two"], "saved": [0.0, 30.0, 50.0], "low": 1.0})
    said = sentences.early_stopping(stops.assign(changed=[0.0, 0.0, 2.5], high=4.0))
    assert (
        "saves **30 %** of the visits and changes no verdict" in said
        and "changes 2.5 % of the verdicts (1.0 to 4.0)" in said
    )
    assert "changes 1.0 % of the verdicts;" in sentences.early_stopping(stops.assign(changed=1.0, high=4.0))


def test_the_class_and_the_background_accepted_least_are_named():
    cells = pd.DataFrame({"class_name": ["daisy", "daisy", "teapot", "teapot"], "background": ["x", "y", "x", "y"]})
    cells = cells.assign(question="both", source="local", accepted=[90.0, 100.0, 50.0, 80.0])
    said = sentences.least_accepted(cells)
    assert "by local annotators: the class **teapot** (65.0 %" in said and "background **x** (70.0 %)" in said
    assert "spans 30.0 points, over backgrounds 20.0" in said
    assert sentences.least_accepted(cells.head(0)) == "No image has votes."


def test_planted_rates_are_counted_and_people_have_none():
    workers = pd.DataFrame({"question": ["foreground", "background", "adult"], "kind": "careful", "n": 100})
    workers = workers.assign(planted=[2.0, 9.0, 50.0], low=1.0, high=3.0)
    assert "Of 2 planted rates, 1 lie inside" in sentences.planted_rates(workers)
    people = sentences.planted_rates(workers.assign(planted=float("nan"), kind=""))
    assert "planted" not in people and "100 times" in people
    assert sentences.planted_rates(workers.head(0)) == "Nobody answered a question about the labels."


def test_the_sample_is_held_against_the_rest():
    sample = pd.DataFrame(
        {"part": ["candidate", "audit", "presumed"], "error": [20.0, 5.0, 6.0], "low": 2.0, "high": 9.0}
    )
    sample = sample.assign(n=50, share=[40.0, 5.0, 55.0])
    said = sentences.audited(sample)
    assert (
        "**5.0 %** (2.0 to 9.0)" in said
        and "say 6.0 %, inside that interval" in said
        and "on 55 % of the images" in said
    )
    assert "outside that interval" in sentences.audited(sample.assign(high=5.5))
    assert "nothing to compare" in sentences.audited(sample.iloc[:1])


def test_the_papers_rule_is_told_beside_unanimity_on_every_image():
    rows = [
        ("the paper's rule", 31.7, 53.3, 85.2),
        ("unanimity on every image", 100.0, 60.0, 60.0),
        ("majority", 100.0, 97.0, 97.0),
    ]
    ways = pd.DataFrame(rows, columns=["way", "asked", "of_asked", "accepted"]).assign(source="simulated")
    ways = ways.assign(low=ways["accepted"] - 2, high=ways["accepted"] + 2)
    said = sentences.paper_rule(ways, 85.0)
    assert (
        "simulated annotators are asked about the 31.7 % of the images that every model missed and accept 53.3 %"
        in said
    )
    assert "**85.2 %** (83.2 to 87.2) are accepted, beside the paper's 85 %" in said
    assert "unanimity would accept 60.0 %. Ours, majority on both labels, accepts 97.0 %." in said
    without = sentences.paper_rule(ways.drop(1).assign(of_asked=np.nan), 85.0)
    assert "Had every image" not in without and "nan" not in without
