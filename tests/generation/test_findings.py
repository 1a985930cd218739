"""What notebook 01 claims: every number against its mark, and nothing where no judge looked."""

import pandas as pd

from d3s_utils.generation.findings import headline

IDS = ["dataset_images", "labels/both", "guide/position", "realism/fid_gain"]


def measured(both=98.5, full=0.5, gap=7.8):
    rates = pd.DataFrame({"question": ["foreground", "background", "both"], "rate": [both, 100.0, both]})
    own = pd.DataFrame({"quantity": ["scale", "position"], "correlation": [0.1, full]})
    own = own.assign(low=own["correlation"] - 0.04, high=own["correlation"] + 0.04, n=100)
    distances = pd.DataFrame(
        {
            "set": ["D3S"],
            "metric": "FID",
            "gap": gap,
            "features": "pocket judge",
            "n": 100,
            "reference": "natural images",
        }
    )
    return {
        "plan": pd.DataFrame(index=range(3000)),
        "rates": rates.assign(low=both - 1, high=both + 0.6, n=1000),
        "own": own,
        "distances": distances.assign(gap_low=gap - 0.5, gap_high=gap + 0.5),
    }


def test_each_claim_has_its_number_its_text_and_its_unit():
    found = headline(**measured())
    assert [claim.id for claim in found] == IDS
    size, label, place, gain = found
    assert (size.measured, size.reference, size.status, size.unit) == (3000, 120_000, "not met", "images")
    assert size.why == "as many as the profile asks for"
    assert label.claim == "images in which the judge sees the asked foreground and background (at least 96 %)"
    assert (label.measured, label.ci_low, label.ci_high, label.n, label.status) == (98.5, 97.5, 99.1, 1000, "met")
    assert place.claim == "the object's place follows the guide at the dataset's strength (at least 0.45)"
    assert (place.measured, place.unit) == (0.5, "correlation")
    assert (
        gain.claim
        == "FID of the guides minus FID of D3S against natural images, features of the pocket judge (above 0)"
    )
    assert (gain.measured, gain.ci_low, gain.unit, gain.status) == (7.8, 7.3, "FID", "met")


def test_a_number_below_its_mark_is_not_met_and_an_interval_on_both_sides_decides_nothing():
    found = headline(**measured(both=94.9, full=0.4, gap=-0.6))
    assert {claim.status for claim in found} == {"not met"}
    found = headline(**measured(both=95.9, full=0.47, gap=0.4))
    assert [claim.status for claim in found] == ["not met", *["undecided"] * 3]


def test_what_no_judge_looked_at_was_not_run():
    given = measured()
    found = headline(**given | {name: given[name].head(0) for name in ("rates", "own")})
    assert [claim.status for claim in found] == ["not met", *["not run"] * 2, "met"]
