"""What notebook 03 claims."""

from predicted import accepted, world

from d3s_utils.evaluation import gaps, mistakes
from d3s_utils.evaluation.decomposition import decompose
from d3s_utils.evaluation.findings import headline
from d3s_utils.ground.claims import claims_table

KEY = ("test",)


def test_the_ledger_says_met_only_of_what_was_measured_and_reached():
    predictions = gaps.with_zoo_mean(world(80, 10, natural=90))
    lost, pull = gaps.gap_table(predictions, KEY), mistakes.background_pull(predictions)
    parts = decompose(world(80, 10), accepted(world(80, 10)), KEY, n=50)
    ledger = claims_table(headline(lost, lost.head(0), parts, pull, simulated=True)).set_index("id")
    assert ledger.loc["zoo_drop", "status"] == "met" and ledger.loc["zoo_drop", "measured"] == 45
    assert ledger.loc["control_drop", "status"] == "not run"
    assert ledger.loc["drop_background", "status"] == "simulated"
    assert ledger.loc["background_pull", "status"] == "not met"  # of two classes, chance is always
    assert ledger.loc["background_pull", "why"].startswith("the mark is above 100 %")
    assert ledger.loc["zoo_drop", "source"] == "D3S paper (arXiv 2211.10370), abstract" and len(ledger) == 4
    assert ledger.loc["background_pull", "unit"] == "%" and ledger.loc["zoo_drop", "unit"] == "points"
