"""Ray draws the bytes the serial engine draws, and a node that dies takes nothing with it."""

import os
import subprocess
import sys

import pytest

from d3s_utils.generation import cluster, make, sums
from d3s_utils.generation.shards import shards
from d3s_utils.generation.world import open_world
from d3s_utils.ground import paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.run import Run

pytestmark = [pytest.mark.slow, pytest.mark.ray]

SMALL = (
    "generator.size=32 generator.dtype=float32 generator.steps=8 generator.batch_size=4 dataset.shard_size=4 "
    "dataset.train_per_cell=1 dataset.val_per_cell=1 classes=3 natural.train_per_class=10 natural.val_per_class=10 "
    "device=cpu threads=1"
)


# Ray runs its workers at nice 15, which starves them on a machine shared by others.
RAY = {"RAY_AUTH_MODE": "disabled", "RAY_worker_niceness": "0", "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "600"}


def run_in(folder, checkpoint, more=""):
    profile = load_profile("smoke", f"generator.model={checkpoint} {SMALL} {more}")
    return Run(profile, "01_generation", folder)


@pytest.fixture(scope="module")
def serial(tiny_checkpoint, tmp_path_factory):
    """The sums of a serial run."""
    import torch

    torch.set_num_threads(1)
    run = run_in(tmp_path_factory.mktemp("serial"), tiny_checkpoint)
    make.generate_dataset(run, open_world(run.profile), report=lambda line: None)
    return sums.read_sums(run.path("dataset"))


NODE_LOSS = """
import sys, time
import d3s_utils
import ray
from ray.cluster_utils import Cluster
from pathlib import Path
from d3s_utils.generation import cluster
from d3s_utils.generation import make
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.run import Run
from d3s_utils.generation.world import open_world

def started(start, **options):
    # Ray gives each node 30 s to start, which a busy machine may not keep
    for attempt in range(10):
        try:
            return start(**options, object_store_memory=10**8)
        except Exception as error:
            if "timed out during startup" not in str(error):
                raise
    raise SystemExit("Ray did not start in ten attempts")

nodes = Cluster(initialize_head=False)
head = started(nodes.add_node, num_cpus=0)
doomed, other = (started(nodes.add_node, num_cpus=1) for _ in range(2))
ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
lines = []

def report(line):
    lines.append(line)
    if len(lines) == 2:  # both nodes are at work
        nodes.remove_node(doomed, allow_graceful=False)
        print("one node killed", flush=True)

run = Run(load_profile("smoke", sys.argv[1]), "01_generation", Path(sys.argv[2]))
make.generate_dataset(run, open_world(run.profile), report=report)
print(len(lines), "shards", flush=True)
while any(node["Alive"] for node in ray.nodes() if node["NodeID"] == doomed.node_id):
    time.sleep(0.1)  # the last shards may be quicker than the news
print("the node is gone", flush=True)
ray.shutdown()
nodes.shutdown()
"""


def test_a_node_killed_in_the_middle_leaves_the_same_dataset(serial, tiny_checkpoint, tmp_path):
    pytest.importorskip("ray")
    # Ray waits 15 s for a silent node; much less than this would take the other one for dead on a busy machine.
    patience = {"RAY_health_check_period_ms": "1000", "RAY_health_check_failure_threshold": "6"}
    overrides = f"generator.model={tiny_checkpoint} {SMALL} dataset.engine=ray"
    done = subprocess.run(
        [sys.executable, "-c", NODE_LOSS, overrides, str(tmp_path)], cwd=paths.ROOT, timeout=1500,
        env=os.environ | RAY | patience, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    for line in ("one node killed", "16 shards", "the node is gone"):
        assert line in done.stdout
    assert sums.read_sums(tmp_path / "dataset") == serial
    assert sums.problems(tmp_path / "dataset") == [] and not list((tmp_path / "dataset" / "data").glob(".*"))


def test_a_worker_skips_what_is_there(tiny_checkpoint, tmp_path, monkeypatch):
    run = run_in(tmp_path, tiny_checkpoint)
    manifest = make.generate_dataset(run, open_world(run.profile), report=lambda line: None)
    monkeypatch.setattr("d3s_utils.generation.cluster.generate_shard", lambda *args: pytest.fail("made again"))
    shard = shards(manifest, run.profile.dataset.shard_size)[0]
    assert cluster.make_shard(run.profile, str(run.path("dataset")), shard) == shard.name


def test_without_ray_one_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(D3SError, match=r"needs Ray; run pip install -e .\[cluster\], or set it to serial"):
        cluster.open_ray()
