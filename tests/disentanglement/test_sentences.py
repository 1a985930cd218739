"""What notebook 04 says and claims of its heads, with and without projectors that nothing penalised."""

import pandas as pd

from d3s_utils.disentanglement import sentences
from d3s_utils.disentanglement.findings import headline


def accuracy(**methods):
    rows = [(method, head, value) for method, own in methods.items() for head, value in zip(HEADS, own, strict=True)]
    return pd.DataFrame(rows, columns=["method", "head", "accuracy"]).assign(n=1000)


HEADS = ("label", "background")
TABLE = accuracy(backbone=(97.0, 99.5), none=(98.0, 99.8), hsic=(97.8, 99.6), wasserstein=(95.0, 99.0))


def test_the_easier_of_the_two_labels_is_the_one_read_better():
    assert "**97.0 %**, the background head in **99.5 %**. The background is the easier" in sentences.heads(TABLE)
    assert "not the easier" in sentences.heads(accuracy(backbone=(99.0, 98.0)))


def test_the_costliest_penalty_is_named_beside_no_penalty():
    said = sentences.costs(TABLE)
    assert "**wasserstein**, with 95.0 % for the class and 99.0 % for the background" in said
    assert said.endswith("Without any penalty the projectors reach 98.0 % for the class and 99.8 % for the background.")
    assert "Without any penalty" not in sentences.costs(TABLE[TABLE["method"] != "none"])
    assert sentences.costs(TABLE[TABLE["method"] == "backbone"]) == "No penalty was trained."


def test_the_papers_method_is_held_against_what_was_trained_the_same_way_without_a_penalty():
    [hsic], [wasserstein] = (headline(TABLE, name) for name in ("hsic", "wasserstein"))
    assert (hsic.id, hsic.status, hsic.unit, hsic.n, hsic.seeds) == ("head_cost", "met", "points", 1000, 1)
    assert round(hsic.measured, 6) == 0.2 and round(wasserstein.measured, 6) == 1.9
    assert wasserstein.claim == "accuracy that both heads lose on average under wasserstein"
    [missed] = headline(accuracy(backbone=(99.0, 99.0), none=(98.0, 99.0), hsic=(94.0, 98.9)), "hsic")
    assert missed.status == "not met" and "at most 2 points" in missed.why
    whole = {
        "backbone": (97.0, 99.0),
        "none": (98.0, 99.0),
        "none@backbone": (90.0, 90.0),
        "hsic@backbone": (89.0, 90.0),
    }
    assert headline(accuracy(**whole), "hsic@backbone")[0].measured == 0.5


def test_without_them_the_backbone_is_the_measure_and_a_method_that_was_not_trained_was_not_run():
    [hsic] = headline(accuracy(backbone=(97.0, 99.0), hsic=(96.0, 99.0)), "hsic")
    assert hsic.measured == 0.5
    assert headline(accuracy(backbone=(97.0, 99.0)), "hsic")[0].status == "not run"
