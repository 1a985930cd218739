"""Do two workers make shards twice as fast as one? Each computes on one thread; loading the model is left out.

python benchmarks/workers.py [model]      three minutes on an otherwise idle machine of two cores
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

SHARDS = 8  # of 40 images each
SETTINGS = (
    "threads=1 device=cpu dataset.shard_size=40 dataset.train_per_cell=0 dataset.val_per_cell=4 "
    "natural.val_per_class=40 generator.batch_size=40"
)


def work(folder: str, model: str, worker: int, of: int, start: multiprocessing.Barrier) -> None:
    """Make every `of`-th shard, from the barrier on."""
    import torch

    from d3s_utils.diffusion import load
    from d3s_utils.generation.plan import build_manifest
    from d3s_utils.generation.shard import generate_shard
    from d3s_utils.generation.shards import shards
    from d3s_utils.generation.world import open_world
    from d3s_utils.ground.profile import load_profile

    torch.set_num_threads(1)
    profile = load_profile("pocket", f"generator.model={model} {SETTINGS}")
    world = open_world(profile)
    planned = shards(build_manifest(profile, world), profile.dataset.shard_size)[:SHARDS]
    generator = load.load_generator(profile)
    start.wait()
    for shard in planned[worker::of]:
        generate_shard(generator, Path(folder), shard, world, profile.generator)
    start.wait()


def seconds(model: str, of: int) -> float:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(of + 1)
    with tempfile.TemporaryDirectory() as folder:
        workers = [context.Process(target=work, args=(folder, model, i, of, start)) for i in range(of)]
        for process in workers:
            process.start()
        start.wait()
        begun = time.perf_counter()
        start.wait()
        took = time.perf_counter() - begun
        for process in workers:
            process.join()
    return took


def main() -> None:
    model = sys.argv[1] if len(sys.argv) > 1 else "pocket"
    one, two = seconds(model, 1), seconds(model, 2)
    images = SHARDS * 40
    result = {"cores": os.cpu_count(), "images": images, "one_worker_seconds": one, "two_workers_seconds": two}
    print(json.dumps({name: round(value, 2) for name, value in (result | {"ratio": one / two}).items()}))


if __name__ == "__main__":
    main()
