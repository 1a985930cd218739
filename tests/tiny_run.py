"""Settings of a run on the toy checkpoint: a few images of 32 pixels in a second or two."""

from pathlib import Path

from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.run import Run

SMALL = (
    "generator.size=32 generator.dtype=float32 generator.steps=4 generator.eta=0.0 generator.batch_size=6 "
    "dataset.shard_size=8 dataset.train_per_cell=0 dataset.val_per_cell=1 classes=2 natural.train_per_class=10 "
    "natural.val_per_class=10 device=cpu threads=1"
)


def small_profile(checkpoint, more=""):
    return load_profile("smoke", f"generator.model={checkpoint} {SMALL} {more}")


def run_in(folder, profile):
    return Run(profile, "01_generation", Path(folder))


def silent(line):
    """Progress that nobody reads."""
