"""Careful annotators are told from careless ones."""

import pandas as pd
from ballots import SLIPPERY, seen_images

from d3s_utils.verification.annotators import gold_quality, worker_quality
from d3s_utils.verification.rules import verify
from d3s_utils.verification.simulated import simulate_votes, simulated_workers


def test_the_votes_reveal_the_planted_rates_of_slips():
    votes = simulate_votes(seen_images([0.95, 0.05, 0.95], [0.95, 0.95, 0.05], n=900), SLIPPERY, seed=2)
    quality = worker_quality(votes, verify(votes), simulated_workers(SLIPPERY, seed=2))
    labels = quality[quality["question"] != "adult"]
    assert labels["error"].corr(labels["planted"]) > 0.9
    assert labels["planted"].between(labels["low"], labels["high"]).mean() > 0.8


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
