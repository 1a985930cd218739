"""Votes: what simulated annotators say, what a file of people's votes may say, and what the rules make of both."""

import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.settings import Verification
from d3s_utils.verification.acceptance import (
    acceptance,
    acceptance_by_votes,
    headline,
    label_errors,
    pick_examples,
    rule_errors,
    verdicts,
)
from d3s_utils.verification.effort import by_workers, cost, early_stopping
from d3s_utils.verification.quality import agreement, fleiss_kappa, gold_quality, krippendorff_alpha, worker_quality
from d3s_utils.verification.rules import RULES, accepted, verify
from d3s_utils.verification.simulated import believe, look, open_judge, simulate_votes, simulated_workers
from d3s_utils.verification.votes import QUESTIONS, read_votes, voters

SURE = Verification(error_low=0.0, error_high=0.0, spammers=0)
SLIPPERY = Verification(error_low=0.02, error_high=0.2, spammers=0)


def seen_images(foreground, background, n=None):
    """What there is to see of `n` images, in probabilities of the two labels."""
    foreground, background = np.broadcast_arrays(foreground, background)
    n = n or foreground.size
    seen = {"foreground": np.resize(foreground, n), "background": np.resize(background, n), "adult": 0.0}
    return pd.DataFrame({"image_id": [f"val-{number:03d}" for number in range(n)], **seen})


def ballot(*rows, source="local"):
    """Votes from (image_id, worker_id, foreground, background, adult), y or n each; "-" leaves a question out."""
    answers = {"y": "yes", "n": "no"}
    return pd.DataFrame(
        [
            (image_id, worker, question, answers[answer], source)
            for image_id, worker, *said in rows
            for question, answer in zip(QUESTIONS, said, strict=True)
            if answer != "-"
        ],
        columns=["image_id", "worker_id", "question", "answer", "source"],
    )


# --- simulated annotators ---


def test_annotators_without_slips_say_what_there_is_to_see():
    seen = seen_images([0.95, 0.95, 0.05, 0.05], [0.95, 0.05, 0.95, 0.05])
    votes = simulate_votes(seen, SURE, seed=0)
    right = seen.melt("image_id", list(QUESTIONS), "question", "p").merge(votes, on=["image_id", "question"])
    assert ((right["p"] > 0.5) == (right["answer"] == "yes")).all()
    assert list(accepted(verify(votes), "unanimity")) == ["val-000"]


def test_every_image_gets_its_panel_of_different_workers():
    votes = simulate_votes(seen_images(0.9, 0.9, n=40), SLIPPERY, seed=0)
    workers = votes.groupby(["image_id", "question"])["worker_id"]
    assert (workers.nunique() == SLIPPERY.votes_per_image).all() and (workers.size() == SLIPPERY.votes_per_image).all()
    assert votes["worker_id"].nunique() == SLIPPERY.workers, "with 40 images everybody gets a turn"
    assert set(votes["source"]) == {"simulated"} and votes["worker_id"].str.startswith("simulated").all()


def test_the_votes_on_an_image_depend_on_no_other_image():
    seen = seen_images([0.9, 0.4, 0.6], [0.8, 0.5, 0.3], n=30)
    all_of_them = simulate_votes(seen, SLIPPERY, seed=3)
    some = simulate_votes(seen.iloc[[17, 4]], SLIPPERY, seed=3)
    expected = pd.concat([all_of_them[all_of_them["image_id"] == image_id] for image_id in ("val-017", "val-004")])
    pd.testing.assert_frame_equal(some, expected.reset_index(drop=True))
    assert not simulate_votes(seen, SLIPPERY, seed=4).equals(all_of_them)


def test_planted_rates_stay_in_their_limits_and_come_true():
    planted = simulated_workers(SLIPPERY, seed=0)
    labels = planted[planted["question"] != "adult"]
    assert labels["error"].between(2, 20).all() and labels["error"].std() > 2, "individual rates"
    votes = simulate_votes(seen_images(0.99, 0.01, n=800), SLIPPERY, seed=0)
    slips = votes["answer"].eq("no").where(votes["question"] == "foreground", votes["answer"].eq("yes"))
    told = slips.groupby([votes["worker_id"], votes["question"]]).mean() * 100
    gap = told - planted.set_index(["worker_id", "question"])["error"]
    assert gap.abs().max() < 10 and gap.abs().mean() < 2.5


def test_more_votes_than_workers_is_an_error_that_names_both():
    with pytest.raises(D3SError, match="votes_per_image is 9, but there are 3"):
        simulate_votes(seen_images(0.9, 0.9, n=2), replace(SURE, workers=3, votes_per_image=9), seed=0)


def test_limits_of_the_slips_the_wrong_way_round_are_an_error():
    with pytest.raises(D3SError, match="error_low is 0.2, above error_high, 0.1; swap"):
        simulated_workers(Verification(error_low=0.2, error_high=0.1), seed=0)


JUDGE = SimpleNamespace(
    classes=["daisy", "teapot"],
    backgrounds=["in snow", "in rain"],
    judge=lambda images: SimpleNamespace(
        foreground=np.tile([0.8, 0.2], (len(images), 1)), background=np.tile([0.1, 0.9], (len(images), 1))
    ),
)
ASKED = pd.DataFrame({"image_id": ["a", "b"], "class_name": ["daisy", "teapot"], "background": ["in rain", "in snow"]})


def test_the_judge_is_asked_for_the_labels_the_image_should_have():
    seen = look(JUDGE, np.zeros((2, 8, 8, 3), np.uint8), ASKED)
    assert seen["foreground"].tolist() == [0.8, 0.2] and seen["background"].tolist() == [0.9, 0.1]


def test_a_class_the_judge_never_learnt_is_named():
    with pytest.raises(D3SError, match="class 'tench'"):
        look(JUDGE, np.zeros((2, 8, 8, 3), np.uint8), ASKED.assign(class_name=["daisy", "tench"]))


def test_a_judge_that_is_not_there_is_named():
    with pytest.raises(D3SError, match="no-such-judge"):
        open_judge("no-such-judge")


# --- votes of people ---

GOOD = "image_id,worker_id,question,answer,source\na,w1,foreground,yes,mturk\na,w2,foreground,no,mturk\n"


def test_a_file_of_votes_comes_back_as_written(tmp_path):
    (tmp_path / "votes.csv").write_text(GOOD + "\n")
    votes = read_votes(tmp_path / "votes.csv", ["a", "b"])
    assert votes["answer"].tolist() == ["yes", "no"] and voters(votes) == "MTurk workers"


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("a,w3,foreground,Yes,mturk", "line 4: answer is 'Yes'; write yes or no"),
        ("a,w3,forground,yes,mturk", "line 4: question is 'forground'"),
        ("a,w3,adult,no,robot", "line 4: source is 'robot'"),
        ("a,,adult,no,mturk", "line 4: worker_id is empty"),
        ("z,w3,adult,no,mturk", "line 4: this run has no validation image 'z'"),
        ("a,w1,foreground,no,mturk", "line 4: 'w1' answers the foreground question on 'a' again, first on line 2"),
        ("a,w3", "line 4: question is ''"),
        ("\na,w3,foreground,maybe,mturk", "line 5: answer is 'maybe'"),
    ],
)
def test_a_bad_line_is_named_with_its_number_and_the_mend(tmp_path, bad, says):
    (tmp_path / "votes.csv").write_text(GOOD + bad + "\n")
    with pytest.raises(D3SError) as error:
        read_votes(tmp_path / "votes.csv", ["a", "b"])
    assert says in str(error.value) and "votes.csv" in str(error.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no file of votes"),
        (b"", "cannot be read as CSV"),
        (b"\xff\xfe\x00\x01", "cannot be read as CSV"),
        (b"image_id,worker_id,question,answer\n", "source"),
        (GOOD.splitlines()[0].encode(), "holds no votes"),
    ],
)
def test_a_file_that_holds_no_votes_is_an_error_that_names_it(tmp_path, content, says):
    path = tmp_path / "mine.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(D3SError, match=says) as error:
        read_votes(path, ["a"])
    assert "mine.csv" in str(error.value)


# --- rules ---


def test_one_no_costs_unanimity_and_two_of_three_cost_the_majority():
    votes = ballot(
        *[("both", worker, "y", "y", "n") for worker in "ABC"],
        *[("slip", worker, "y", answer, "n") for worker, answer in zip("ABC", "yyn", strict=True)],
        *[("wrong", worker, answer, "y", "n") for worker, answer in zip("ABC", "nny", strict=True)],
        *[("flag", worker, "y", "y", answer) for worker, answer in zip("ABC", "nny", strict=True)],
    )
    verified = verify(votes)
    assert set(accepted(verified, "unanimity")) == {"both"}
    assert set(accepted(verified, "majority")) == {"both", "slip", "flag"}
    assert verdicts(verified).astype(str).to_dict() == {
        "both": "accepted by all",
        "slip": "refused by unanimity alone",
        "flag": "refused by unanimity alone",
        "wrong": "refused by majority",
    }


def test_a_tie_is_no_majority():
    assert not len(accepted(verify(ballot(("tie", "A", "y", "y", "n"), ("tie", "B", "n", "y", "n"))), "majority"))


def test_dawid_skene_learns_whom_to_believe():
    """Three workers who answer at random outvote two careful ones now and then; their reliability gives them away."""
    rng = np.random.default_rng(0)
    truth = rng.random(300) < 0.5
    says = {"careful 1": truth, "careful 2": truth}
    says |= {f"random {number}": rng.random(300) < 0.5 for number in range(3)}
    rows = [(f"{i:03d}", worker, "yn"[not said[i]], "y", "n") for i in range(300) for worker, said in says.items()]
    verified = verify(ballot(*rows))
    right = {
        rule: (verified[verified["rule"] == rule]["accepted_foreground"].to_numpy() == truth).mean() for rule in RULES
    }
    assert right["dawid_skene"] > 0.97 and right["majority"] < 0.92


def test_the_rules_keep_quiet_about_the_innards_of_their_library():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verify(simulate_votes(seen_images([0.9, 0.1], 0.9, n=20), SLIPPERY, seed=0))


def test_verified_has_one_row_per_image_and_rule_even_for_images_nobody_saw():
    verified = verify(ballot(("a", "A", "y", "y", "n")), image_ids=["b", "a"])
    assert len(verified) == 2 * len(RULES) and not verified.duplicated(["image_id", "rule"]).any()
    unseen = verified[verified["image_id"] == "b"]
    assert not unseen["accepted"].any() and (unseen["n_votes"] == 0).all() and unseen["p_foreground"].isna().all()
    assert list(accepted(verified, "unanimity")) == ["a"]


def test_a_question_nobody_was_asked_decides_nothing():
    verified = verify(ballot(("a", "A", "y", "-", "n"), ("b", "A", "n", "-", "n")))
    assert list(accepted(verified, "unanimity")) == ["a"] and verified["p_background"].isna().all()


def test_an_unknown_rule_is_named():
    with pytest.raises(D3SError, match="plurality"):
        accepted(verify(ballot(("a", "A", "y", "y", "n"))), "plurality")


# --- agreement and quality ---

DEGENERATE = {
    "all yes": ballot(*[(image, worker, "y", "y", "y") for image in "ab" for worker in "AB"]),
    "all no": ballot(*[(image, worker, "n", "n", "n") for image in "ab" for worker in "AB"]),
    "one worker": ballot(("a", "A", "y", "n", "n"), ("b", "A", "n", "y", "n")),
    "one vote": ballot(("a", "A", "y", "y", "n")),
    "one question": ballot(("a", "A", "y", "-", "-"), ("a", "B", "n", "-", "-"), ("b", "A", "y", "-", "-")),
    "everyone another image": ballot(("a", "A", "y", "y", "n"), ("b", "B", "n", "y", "n"), ("c", "C", "y", "n", "y")),
}


@pytest.mark.parametrize("votes", DEGENERATE.values(), ids=DEGENERATE)
def test_degenerate_votes_give_tables_and_no_crash(votes):
    verified = verify(votes)
    images = verified["image_id"].nunique()
    assert len(verified) == images * len(RULES) and (acceptance(verified)["n"] == images).all()
    assert acceptance_by_votes(votes)["accepted"].between(0, 100).all()
    assert len(agreement(votes)) == votes["question"].nunique()
    assert worker_quality(votes, verified)["n"].sum() == len(votes)
    assert len(pick_examples(verified, key=(0,))) == images


def test_alpha_is_one_for_perfect_agreement_and_zero_for_chance():
    assert krippendorff_alpha(np.array([[5, 0], [0, 5], [5, 0]])) == 1
    coins = np.random.default_rng(0).binomial(5, 0.5, 2000)
    assert abs(krippendorff_alpha(np.stack([coins, 5 - coins], 1))) < 0.03
    assert np.isnan(krippendorff_alpha(np.array([[5, 0], [4, 0]]))), "nobody ever said no"
    assert np.isnan(krippendorff_alpha(np.array([[1, 0], [0, 1]]))), "nobody met anybody"


def test_alpha_lies_in_its_interval_and_a_rare_answer_keeps_pairs_agreeing():
    votes = simulate_votes(seen_images([0.9] * 9 + [0.1], 0.95, n=200), SLIPPERY, seed=1)
    table = agreement(votes, key=(1,)).set_index("question")
    assert (table["low"] <= table["alpha"]).all() and (table["alpha"] <= table["high"]).all()
    assert table.loc["foreground", "alpha"] > 3 * table.loc["background", "alpha"], "nothing to agree on but slips"
    assert table.loc["adult", "pairs_agree"] > 95 > 100 * table.loc["adult", "alpha"]


def test_the_votes_reveal_the_planted_rates_of_slips():
    votes = simulate_votes(seen_images([0.95, 0.05, 0.95], [0.95, 0.95, 0.05], n=900), SLIPPERY, seed=2)
    quality = worker_quality(votes, verify(votes), simulated_workers(SLIPPERY, seed=2))
    labels = quality[quality["question"] != "adult"]
    assert labels["error"].corr(labels["planted"]) > 0.9
    assert labels["planted"].between(labels["low"], labels["high"]).mean() > 0.8


def test_unanimity_refuses_for_slips_and_dawid_skene_does_not():
    seen = seen_images([0.95] * 9 + [0.05], 0.95, n=300)
    errors = rule_errors(verify(simulate_votes(seen, SLIPPERY, seed=0)), seen).set_index(["rule", "kind"])["share"]
    assert errors["unanimity", "refused though there"] > 50
    assert errors["dawid_skene", "refused though there"] < 10
    assert errors["unanimity", "accepted though not there"] == 0


def test_acceptance_falls_with_every_vote_asked_for_down_to_unanimity():
    votes = simulate_votes(seen_images([0.95] * 4 + [0.05], 0.95, n=200), SLIPPERY, seed=0)
    curve = acceptance_by_votes(votes).query("question == 'foreground'")["accepted"].to_numpy()
    rules = acceptance(verify(votes)).query("question == 'foreground'").set_index("rule")["accepted"]
    assert (np.diff(curve) <= 0).all() and curve[-1] == rules["unanimity"] and curve[2] == rules["majority"]


def test_acceptance_splits_by_any_column_with_intervals_around_it():
    verified = verify(ballot(*[(image, "A", answer, "y", "n") for image, answer in zip("abcd", "yynn", strict=True)]))
    table = acceptance(verified.assign(half=verified["image_id"].isin(["a", "b"])), "half")
    foreground = table.query("rule == 'majority' and question == 'foreground'").set_index("half")
    assert foreground.loc[True, "accepted"] == 100 and foreground.loc[False, "accepted"] == 0
    assert (foreground["low"] <= foreground["accepted"]).all() and (foreground["high"] >= foreground["accepted"]).all()


def test_the_headline_is_the_rule_of_the_paper_beside_the_rule_with_backgrounds():
    votes = ballot(
        *[("good", worker, "y", "y", "n") for worker in "AB"],
        *[("wrong ground", worker, "y", "n", "n") for worker in "AB"],
        *[("no object", worker, "n", "y", "n") for worker in "AB"],
        *[("flagged", worker, "y", "y", answer) for worker, answer in zip("AB", "ny", strict=True)],
    )
    rows = headline(verify(votes), agreement(votes), paper=85.0).set_index("id")
    assert rows.loc["accepted_share", "measured"] == 50 and rows.loc["accepted_share/both", "measured"] == 25
    assert rows.loc["accepted_share", "met"] == (rows.loc["accepted_share", "ci_high"] >= 85)
    assert rows.loc["alpha_foreground", "measured"] == 1


def test_every_table_and_title_says_who_voted():
    votes = simulate_votes(seen_images(0.9, 0.9, n=6), SLIPPERY, seed=0)
    verified = verify(votes)
    for table in (verified, acceptance(verified), agreement(votes), worker_quality(votes, verified)):
        assert set(table["source"]) == {"simulated"} and voters(table) == "simulated annotators"
    mixed = pd.concat([votes, ballot(("val-000", "me", "y", "y", "n"))])
    assert voters(verify(mixed)) == "local annotators and simulated annotators"


def test_without_a_judge_simulated_annotators_believe_the_prompt():
    """Only their slips keep them from saying yes, and nobody claims to have seen the images."""
    table = pd.DataFrame({"image_id": [f"val-{i}" for i in range(300)], "class_name": "bird", "background": "in space"})
    votes = simulate_votes(believe(table), replace(SLIPPERY, error_high=0.06), seed=0)
    assert set(votes["source"]) == {"simulated"}
    yes = (votes["answer"] == "yes").groupby(votes["question"]).mean()
    assert yes["foreground"] > 0.93 and yes["background"] > 0.93 and yes["adult"] < 0.02


# --- people who do not look, fewer votes, and what rules cost ---

CROWD = Verification(workers=30, spammers=5, error_low=0.02, error_high=0.25)


def right_and_wrong(n, wrong=0.25):
    """`n` images of which every label is surely there or surely not."""
    rng = rng_for("right and wrong", n)
    return seen_images(*(rng.random((2, n)) > wrong).astype(float), n=n)


def test_spammers_do_not_look():
    workers = simulated_workers(CROWD, seed=0)
    kinds = workers.groupby("kind")["worker_id"].nunique()
    assert kinds.to_dict() == {"careful": 25, "hasty": 3, "random": 2}
    votes = simulate_votes(right_and_wrong(600), CROWD, seed=0).merge(workers, on=["worker_id", "question"])
    yes = votes.assign(yes=votes["answer"] == "yes").groupby(["kind", "question"])["yes"].mean()
    assert yes["hasty"].to_dict() == {"foreground": 1.0, "background": 1.0, "adult": 0.0}
    assert yes["random"].between(0.4, 0.6).all()


def test_dawid_skene_beats_majority_and_majority_beats_unanimity():
    """On the same votes, with planted quality; each gain with its whole interval above nothing."""
    for seed in range(3):
        seen = right_and_wrong(1500)
        errors = label_errors(verify(simulate_votes(seen, CROWD, seed)), seen, (seed,)).set_index("rule")
        assert list(errors.index) == ["unanimity", "majority", "dawid_skene"]
        assert errors.loc["majority", "gain_low"] > 0 and errors.loc["dawid_skene", "gain_low"] > 0
        assert errors["error"].is_monotonic_decreasing and (errors["low"] <= errors["error"]).all()


def test_gold_keeps_dawid_skene_from_taking_slips_for_a_class_of_their_own():
    """Where nearly every image is right, the votes alone do not say what a justified no looks like."""
    wins = 0
    for seed in range(5):
        seen = right_and_wrong(1000, wrong=0.0)
        known = right_and_wrong(200, wrong=0.5).assign(image_id=lambda table: "gold-" + table["image_id"])
        truth = known.melt("image_id", ["foreground", "background"], "question", "p")
        truth = truth.assign(truth=np.where(truth["p"] > 0.5, "yes", "no"))[["image_id", "question", "truth"]]
        votes = simulate_votes(seen, SLIPPERY, seed)
        gold = simulate_votes(known, SLIPPERY, seed).merge(truth, on=["image_id", "question"])
        with_gold, without = (
            label_errors(verify(votes, gold=g), seen).set_index("rule")["error"] for g in (gold, None)
        )
        assert with_gold["majority"] == without["majority"], "only who learns about workers learns from gold"
        wins += with_gold["dawid_skene"] < without["dawid_skene"]
    assert wins == 5


def test_gold_does_not_tell_the_verdict_on_what_is_asked():
    votes = ballot(
        *[("a", worker, "n", "y", "n") for worker in "abc"], *[("b", worker, "y", "y", "n") for worker in "abc"]
    )
    gold = votes[votes["image_id"] == "a"].assign(truth="yes")
    assert not verify(votes, gold=gold).set_index(["rule", "image_id"]).loc[("dawid_skene", "a"), "accepted"]


def test_gold_quality_sees_through_who_always_says_yes():
    gold = pd.DataFrame(
        [(f"g{n}", worker, answer, "yes" if n % 2 else "no") for n in range(20) for worker, answer in
         [("always yes", "yes"), ("careful", "yes" if n % 2 else "no"), ("contrary", "no" if n % 2 else "yes")]],
        columns=["image_id", "worker_id", "answer", "truth"],
    ).assign(question="foreground", source="local")  # fmt: skip
    table = gold_quality(gold, least=0.7).set_index("worker_id")
    assert table["accuracy"].to_dict() == {"contrary": 0.0, "always yes": 50.0, "careful": 100.0}
    assert list(table.index[table["reported"]]) == ["contrary", "always yes"]
    assert ((table["low"] <= table["accuracy"]) & (table["accuracy"] <= table["high"])).all()
    few = gold_quality(gold[(gold["truth"] == "yes")], least=0.7)
    assert not few["reported"].any(), "who met no trap is not accused"


def test_fleiss_kappa_is_that_of_his_paper():
    """Fleiss (1971), as worked through in textbooks: 10 subjects, 14 raters, 5 categories, kappa 0.210."""
    counts = np.array([
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ])  # fmt: skip
    assert fleiss_kappa(counts) == pytest.approx(0.20993, abs=1e-5)
    assert np.isnan(fleiss_kappa(np.array([[5, 0], [5, 0]])))
    assert fleiss_kappa(np.array([[5, 0], [0, 5], [3, 1]])) == 1.0, "an image with another number of votes is left out"


def test_more_annotators_shrink_the_unanimous_and_not_the_majority():
    table = by_workers(simulate_votes(seen_images(0.95, 0.95, n=400), SLIPPERY, seed=0))
    shares = table.pivot(index="workers", columns="rule", values="accepted")
    assert list(shares.index) == [1, 3, 5] and (shares.loc[1].nunique() <= 2)
    assert shares["unanimity"].is_monotonic_decreasing and shares["majority"].is_monotonic_increasing
    full = acceptance(verify(simulate_votes(seen_images(0.95, 0.95, n=400), SLIPPERY, seed=0)))
    both = full[full["question"] == "both"].set_index("rule")["accepted"]
    assert (shares.loc[5] == both[shares.columns]).all(), "with all annotators it is the verdict itself"


def test_stopping_when_certain_changes_nothing_and_saves_something():
    votes = simulate_votes(right_and_wrong(500), SLIPPERY, seed=0)
    table = early_stopping(votes).set_index("stop")
    assert table.loc["certain", "changed"] == 0 and table.loc["all votes", "saved"] == 0
    assert table.loc["all votes", "used"] == 5 and 3 <= table.loc["certain", "used"] < 5
    assert 2 <= table.loc["lead of two", "used"] < table.loc["certain", "used"]
    unanimous = ballot(*[("a", worker, "y", "y", "n") for worker in "abcde"])
    assert early_stopping(unanimous).set_index("stop")["used"].to_dict() == {
        "all votes": 5.0,
        "certain": 3.0,
        "lead of two": 2.0,
    }


def test_a_picture_left_in_the_middle_has_no_yes_to_what_was_not_asked():
    votes = ballot(("a", "ann", "y", "y", "n"), ("b", "ann", "y", "-", "-"))
    assert early_stopping(votes).set_index("stop")["changed"].eq(0).all()
    decided = verify(votes).set_index(["rule", "image_id"])["accepted"]
    assert all(decided[rule].to_dict() == {"a": True, "b": False} for rule in RULES)


def test_cost_counts_visits_and_hours_where_they_are_known():
    votes = ballot(*[(image, worker, "y", "y", "n") for image in "ab" for worker in "xyz"])
    row = cost(votes).iloc[0]
    assert (row["images"], row["workers"], row["visits"], row["votes"]) == (2, 3, 6, 18) and np.isnan(row["hours"])
    assert cost(votes.assign(seconds=2.0)).iloc[0][["hours", "seconds_per_image"]].tolist() == [0.01, 6.0]


def test_the_presumed_are_accepted_without_votes_and_the_forgotten_are_not():
    votes = ballot(("a", "x", "y", "y", "n"))
    verified = verify(votes, ["a", "b", "c"], presumed=["b"]).set_index(["rule", "image_id"])
    for rule in RULES:
        assert verified.loc[rule, "accepted"].to_dict() == {"a": True, "b": True, "c": False}
        assert verified.loc[rule, "asked"].to_dict() == {"a": True, "b": False, "c": True}


def test_seconds_of_a_file_are_kept_and_what_is_no_number_is_not(tmp_path):
    path = tmp_path / "votes.csv"
    votes = ballot(("a", "x", "y", "y", "n")).assign(seconds=["1.5", "", "long"])
    votes.to_csv(path, index=False)
    assert (
        read_votes(path, ["a"])["seconds"].tolist()[0] == 1.5 and read_votes(path, ["a"])["seconds"].isna().sum() == 2
    )
