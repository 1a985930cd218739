"""What notebook 01 claims: the size of the dataset, labels that are there, guides that are followed, and nearness."""

from __future__ import annotations

import pandas as pd

from d3s_utils.ground.claims import Claim, Mark, finding, row_of

PAPER_SIZE = Mark("at least", 120_000, "images", source="the paper's dataset")
LABELS = {"foreground": Mark("at least", 96), "background": Mark("at least", 99), "both": Mark("at least", 96)}


def headline(
    plan: pd.DataFrame, rates: pd.DataFrame, follow: pd.DataFrame, own: pd.DataFrame, distances: pd.DataFrame
) -> list[Claim]:
    """The rows of the ledger of this stage.

    Args:
        plan: the manifest.
        rates: `labels.label_rates` of all images.
        follow, own: `following.follow_rates` of the sweep over strengths, and at the run's own strength.
        distances: `distances.realism_table` with the guides as baseline, and `reference` in words.
    """
    size = {"images": len(plan), "n": len(plan)}
    found = [finding("dataset_images", "", size, "images", PAPER_SIZE, why="as many as the profile asks for")]
    for question, mark in LABELS.items():
        asked = "foreground and background" if question == "both" else question
        text = f"images in which an independent judge sees the asked {asked} ({mark})"
        found.append(finding(f"labels/{question}", text, row_of(rates, question=question), "rate", mark))
    return [*found, *_guide_rows(follow, own), _nearness(distances)]


def _guide_rows(follow: pd.DataFrame, own: pd.DataFrame) -> list[Claim]:
    """Whether the object stays where the guide has it."""
    half, full = Mark("at least", 0.9, "correlation"), Mark("at least", 0.45, "correlation")
    cases = [
        (
            "guide/position_0.5",
            "at strength 0.5 (at least 0.9)",
            row_of(follow, strength=0.5, quantity="position"),
            half,
        ),
        ("guide/position", "at the dataset's strength (at least 0.45)", row_of(own, quantity="position"), full),
    ]
    text = "the object's place follows the guide"
    return [finding(id, f"{text} {when}", row, "correlation", mark) for id, when, row, mark in cases]


def _nearness(distances: pd.DataFrame) -> Claim:
    """Whether drawing brings guides nearer to the reference."""
    fid = row_of(distances, metric="FID", set="D3S")
    text = f"FID of the guides minus FID of D3S against {fid['reference']}, features of the {fid['features']} (above 0)"
    gain = {"gain": fid["gap"], "low": fid["gap_low"], "high": fid["gap_high"], "n": fid["n"]}
    return finding("realism/fid_gain", text, gain, "gain", Mark("above", 0, "FID", of="low"))
