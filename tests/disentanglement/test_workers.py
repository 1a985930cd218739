"""Two processes train one split by Ray, and a worker that dies takes nothing with it."""

import os
import subprocess
import sys

import pytest

from d3s_utils.ground import paths

pytestmark = [pytest.mark.slow, pytest.mark.ray]

SMALL = (
    "generator.size=32 generator.dtype=float32 generator.steps=8 generator.batch_size=4 dataset.shard_size=4 "
    "dataset.train_per_cell=1 dataset.val_per_cell=1 classes=3 natural.train_per_class=10 natural.val_per_class=10 "
    "device=cpu threads=1"
)
# Ray runs its workers at nice 15, which starves them on a machine shared by others.
RAY = {"RAY_AUTH_MODE": "disabled", "RAY_worker_niceness": "0", "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "600"}


def test_two_workers_train_one_split_and_a_dead_one_is_made_up_for(tiny_checkpoint, tmp_path):
    pytest.importorskip("ray.train")
    (tmp_path / "trap").mkdir()
    (tmp_path / "trap" / "sitecustomize.py").write_text(TRAP)
    overrides = (
        f"generator.model={tiny_checkpoint} {SMALL} disentanglement.workers=2 "
        "disentanglement.save_every=1 disentanglement.penalties=[hsic@backbone] disentanglement.image_size=32 "
        "whole_backbone.warmup=1 whole_backbone.steps=3 whole_backbone.batch_size=8 whole_backbone.start=backbone"
    )
    done = subprocess.run(
        [sys.executable, "-c", TWO_WORKERS, overrides, str(tmp_path)], cwd=paths.ROOT, timeout=1500,
        env=os.environ | RAY | {"DIE_ONCE": str(tmp_path), "PYTHONPATH": str(tmp_path / "trap")},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "died").exists() and "4 steps, finite" in done.stdout


TWO_WORKERS = """
import sys
from pathlib import Path
import d3s_utils
import numpy as np
from d3s_utils.disentanglement import images
from d3s_utils.disentanglement import stages
from d3s_utils.generation import make
from d3s_utils.generation.world import open_world
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.run import Run

folder = Path(sys.argv[2])
run = Run(load_profile("smoke", sys.argv[1]), "01_generation", folder)
make.generate_dataset(run, open_world(run.profile), report=lambda line: None)
data = images.load_data(folder, run.profile)
backbone = stages.fit_backbone(folder, run.profile, data)
trained = stages.fit_split(folder, run.profile, data, backbone, "hsic@backbone")
finite = np.isfinite(trained.history["label_loss"]).all()
print(len(trained.history), "steps,", "finite" if finite else "not finite", flush=True)
"""

# In every process Python starts: the worker that writes the first notes dies right after it.
TRAP = """
import os, sys, threading, time

def set_trap(folder):
    while not hasattr(sys.modules.get("d3s_utils.ground.training"), "Progress"):
        time.sleep(0.01)
    progress = sys.modules["d3s_utils.ground.training"].Progress
    write = progress.write

    def write_and_die(self, *state):
        write(self, *state)
        try:
            os.close(os.open(os.path.join(folder, "died"), os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os._exit(1)

    progress.write = write_and_die

if "DIE_ONCE" in os.environ:
    threading.Thread(target=set_trap, args=(os.environ["DIE_ONCE"],), daemon=True).start()
"""
