"""Generation on a Ray cluster: a laptop's cores, a Slurm allocation or machines in a cloud (`dataset.engine: ray`).

Each missing shard is one Ray task. A task is `generation.generate_shard`, as the serial engine calls it: the bytes are
the same, and a task that dies with its node is simply made again elsewhere. All machines must see one file system.

A cluster is joined where the environment variable RAY_ADDRESS names it ("auto" for the one on this machine); else one
is started here for the run alone. docs/cluster.md tells how.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from d3s_utils import paths
from d3s_utils.dataset import Shard, is_written
from d3s_utils.errors import D3SError
from d3s_utils.settings import Profile

RETRIES = 5  # times a task is made again after its node or process died


def generate_shards(profile: Profile, folder: Path, missing: Sequence[Shard], report: Callable[[str], None]) -> None:
    """Make the shards `missing` from the dataset `folder`, as many at once as the cluster has room for.

    Args:
        report: gets one line per shard.

    Raises:
        D3SError: Ray is not installed, or whatever drawing an image has to say.
    """
    ray = open_ray()
    devices = {"num_gpus": 1} if profile.device != "cpu" and ray.cluster_resources().get("GPU") else {}
    largest = max((node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]), default=1)
    cores = max(1, min(profile.threads, int(largest)))  # more would wait for ever
    make = ray.remote(num_cpus=cores, max_retries=RETRIES, **devices)(make_shard)
    waiting = {make.remote(profile, str(folder), shard): shard for shard in missing}
    total, done, begun = sum(len(shard.rows) for shard in missing), 0, time.monotonic()
    while waiting:
        (ready, *_), _ = ray.wait(list(waiting))
        shard = waiting.pop(ready)
        try:
            ray.get(ready)
        except ray.exceptions.RayTaskError as error:
            for other in waiting:
                ray.cancel(other)
            raise error.cause if isinstance(error.cause, D3SError) else error from None
        except ray.exceptions.RayError as error:
            raise D3SError(
                f"{shard.name} died {RETRIES + 1} times with its worker ({type(error).__name__}); what is finished is "
                "kept: mend the cluster (memory?) and run again."
            ) from error
        done += len(shard.rows)
        rate = done / max(time.monotonic() - begun, 1e-9)
        left = (total - done) / rate / 60
        report(f"{shard.name}: {done} of {total} images, {rate:.1f} a second, {left:.1f} minutes to go")


def make_shard(profile: Profile, folder: str, shard: Shard) -> str:
    """What a worker does: one shard, unless it is there already. The generator stays loaded for the next one."""
    import torch

    from d3s_utils.generation import generate_shard

    torch.set_num_threads(profile.threads)  # sums depend on it, so it is the profile's, whatever the node has
    if not is_written(Path(folder), shard):
        generator, photos, backgrounds = _opened(profile)
        generate_shard(generator, Path(folder), shard, photos, backgrounds, profile.generator)
    return shard.name


@functools.lru_cache(maxsize=1)
def _opened(profile: Profile) -> tuple:
    from d3s_utils.generation import load_generator
    from d3s_utils.photos import open_backgrounds, open_photos

    return load_generator(profile), open_photos(profile), open_backgrounds(profile)


def open_ray():
    """Ray, connected. Workers find this package and write where this process does."""
    try:
        import ray
    except ImportError as error:
        raise D3SError("dataset.engine ray needs Ray; run pip install -e .[cluster], or set it to serial.") from error
    if ray.is_initialized():
        return ray
    variables = {"PYTHONPATH": os.pathsep.join([str(paths.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])}
    variables |= {name: os.environ[name] for name in ("D3S_OUTPUTS", "HF_HOME", "HF_HUB_OFFLINE") if name in os.environ}
    options = {"runtime_env": {"env_vars": variables}, "log_to_driver": False, "logging_level": "ERROR"}
    if "RAY_ADDRESS" not in os.environ:  # a cluster of this run alone, not another user's
        options |= {"address": "local", "include_dashboard": False, "object_store_memory": 100 * 2**20}
    ray.init(**options)
    return ray
