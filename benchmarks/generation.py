"""How fast is generation? Images a second by number format, threads and DDIM steps, at strength 0.9 and guidance 5.

python benchmarks/generation.py [model]      about three minutes on an otherwise idle machine
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from dataclasses import replace

import pandas as pd

IMAGES = 100


def images_a_second(
    model: str, dtype: str, threads: int, steps: int = 25, start: multiprocessing.Barrier | None = None
) -> float:
    """Images a second at the pocket profile's settings but for `steps`, loading and a first small batch left out."""
    import torch

    from d3s_utils.diffusion import draw, load
    from d3s_utils.ground.profile import load_profile
    from d3s_utils.ground.seeds import rng_for

    torch.set_num_threads(threads)
    profile = load_profile(
        "pocket", f"generator.model={model} generator.dtype={dtype} generator.steps={steps} device=cpu"
    )
    generator, size = load.load_generator(profile), profile.generator.size
    knobs = replace(profile.generator, steps=steps)
    guides = rng_for("benchmark").integers(0, 256, (IMAGES, size, size, 3), "uint8")
    warm_up = replace(profile.generator, steps=2)
    draw.generate(generator, guides[:50], ["a photo of a teapot, in snow"] * 50, range(50), warm_up)
    if start is not None:
        start.wait()
    begun = time.perf_counter()
    draw.generate(generator, guides, ["a photo of a teapot, in snow"] * IMAGES, range(IMAGES), knobs)
    return IMAGES / (time.perf_counter() - begun)


def worker(model: str, dtype: str, start: multiprocessing.Barrier, rates: multiprocessing.Queue) -> None:
    rates.put(images_a_second(model, dtype, 1, start=start))


def with_processes(model: str, dtype: str, processes: int) -> float:
    """The sum of the rates of several one-thread processes working at the same time."""
    context = multiprocessing.get_context("spawn")
    start, rates = context.Barrier(processes), context.Queue()
    workers = [context.Process(target=worker, args=(model, dtype, start, rates)) for _ in range(processes)]
    for process in workers:
        process.start()
    total = sum(rates.get() for _ in workers)
    for process in workers:
        process.join()
    return total


def main() -> None:
    model, cores = sys.argv[1] if len(sys.argv) > 1 else "pocket", os.cpu_count()
    rows = []
    for dtype in ("float32", "bfloat16"):
        rows.append((dtype, 25, "1 process, 1 thread", images_a_second(model, dtype, 1)))
        rows.append((dtype, 25, f"1 process, {cores} threads", images_a_second(model, dtype, cores)))
        rows.append((dtype, 25, f"{cores} processes, 1 thread each", with_processes(model, dtype, cores)))
    rows.append((dtype, 18, f"1 process, {cores} threads", images_a_second(model, dtype, cores, steps=18)))
    table = pd.DataFrame(rows, columns=["dtype", "steps", "how", "images a second"])
    table["ratio"] = table["images a second"] / table["images a second"].iloc[0]
    print(table.round(2).to_string(index=False))


if __name__ == "__main__":
    main()
