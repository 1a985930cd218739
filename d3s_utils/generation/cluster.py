"""Generation on a Ray cluster: a laptop's cores, a Slurm allocation or machines in a cloud (`dataset.engine: ray`).

Each missing shard is one Ray task. A task is `generate_shard`, as the serial engine calls it: the bytes are the same,
and a task that dies with its node is simply made again elsewhere. All machines must see one file system.

A cluster is joined where the environment variable RAY_ADDRESS names it ("auto" for the one on this machine); else one
is started here for the run alone. docs/cluster.md tells how.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from d3s_utils.diffusion.load import Generator, load_generator
from d3s_utils.generation.progress import Progress
from d3s_utils.generation.shard import generate_shard
from d3s_utils.generation.shards import Shard, is_written
from d3s_utils.generation.world import World, open_world
from d3s_utils.ground.cluster import RETRIES, open_ray
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.settings import Profile


def generate_shards(profile: Profile, folder: Path, missing: Sequence[Shard], progress: Progress) -> None:
    """Make the shards `missing` from the dataset `folder`, as many at once as the cluster has room for.

    Raises:
        D3SError: Ray is not installed, or an image cannot be drawn.
    """
    ray = open_ray()
    devices = {"num_gpus": 1} if profile.device != "cpu" and ray.cluster_resources().get("GPU") else {}
    largest = max((node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]), default=1)
    cores = max(1, min(profile.threads, int(largest)))  # more would wait for ever
    make = ray.remote(num_cpus=cores, max_retries=RETRIES, **devices)(make_shard)
    waiting = {make.remote(profile, str(folder), shard): shard for shard in missing}
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
                "kept: repair the cluster (memory?) and run again."
            ) from error
        progress.finished(shard.name)


def make_shard(profile: Profile, folder: str, shard: Shard) -> str:
    """What a worker does: one shard, unless it is there already. The generator stays loaded for the next one."""
    import torch

    torch.set_num_threads(profile.threads)  # sums depend on it, so it is the profile's, whatever the node has
    if not is_written(Path(folder), shard):
        generator, world = _opened(profile)
        generate_shard(generator, Path(folder), shard, world, profile.generator)
    return shard.name


@functools.lru_cache(maxsize=1)
def _opened(profile: Profile) -> tuple[Generator, World]:
    return load_generator(profile), open_world(profile)
