"""Votes and pictures made up for the tests of the verification."""

import numpy as np
import pandas as pd

from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.settings import Verification
from d3s_utils.verification.votes import QUESTIONS

SURE = Verification(error_low=0.0, error_high=0.0, spammers=0)


SLIPPERY = Verification(error_low=0.02, error_high=0.2, spammers=0)


CROWD = Verification(workers=30, spammers=5, error_low=0.02, error_high=0.25)


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


def right_and_wrong(n, wrong=0.25):
    """`n` images of which every label is surely there or surely not."""
    rng = rng_for("right and wrong", n)
    return seen_images(*(rng.random((2, n)) > wrong).astype(float), n=n)
