"""What notebook 01 claims: the size of the dataset, labels that are there, guides that are followed, and nearness."""

from __future__ import annotations

import pandas as pd

from d3s_utils.ground.claims import Claim, Mark, finding, row_of

PAPER_SIZE = Mark("at least", 120_000, "images", source="the paper's dataset")
LABELS = Mark("at least", 96)


def headline(plan: pd.DataFrame, rates: pd.DataFrame, own: pd.DataFrame, distances: pd.DataFrame) -> list[Claim]:
    """The rows of the ledger of this stage.

    Args:
        plan: the manifest.
        rates: `labels.label_rates` of all images.
        own: `following.follow_rates` at the run's own strength.
        distances: `distances.realism_table` with the guides as baseline, and `reference` in words.
    """
    size = {"images": len(plan), "n": len(plan)}
    found = [finding("dataset_images", "", size, "images", PAPER_SIZE, why="as many as the profile asks for")]
    text = f"images in which the judge sees the asked foreground and background ({LABELS})"
    found.append(finding("labels/both", text, row_of(rates, question="both"), "rate", LABELS))
    return [*found, _guide_row(own), _nearness(distances)]


def _guide_row(own: pd.DataFrame) -> Claim:
    """Whether the object stays where the guide has it."""
    mark = Mark("at least", 0.45, "correlation")
    text = "the object's place follows the guide at the dataset's strength (at least 0.45)"
    return finding("guide/position", text, row_of(own, quantity="position"), "correlation", mark)


def _nearness(distances: pd.DataFrame) -> Claim:
    """Whether drawing brings guides nearer to the reference."""
    fid = row_of(distances, metric="FID", set="D3S")
    text = f"FID of the guides minus FID of D3S against {fid['reference']}, features of the {fid['features']} (above 0)"
    gain = {"gain": fid["gap"], "low": fid["gap_low"], "high": fid["gap_high"], "n": fid["n"]}
    return finding("realism/fid_gain", text, gain, "gain", Mark("above", 0, "FID"))
