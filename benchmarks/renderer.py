"""How fast the pocket world renders: scenes a second in batches, against one scene per call.

python benchmarks/renderer.py [--scenes 2000]
"""

from __future__ import annotations

import argparse
import time

import pandas as pd
import torch

from d3s_utils.ground.words import CLASSES
from d3s_utils.pocket import world


def scenes_a_second(scenes: pd.DataFrame, per_call: int) -> float:
    """Throughput of `render` on `scenes`, `per_call` rows at a time."""
    started = time.perf_counter()
    for start in range(0, len(scenes), per_call):
        world.render(scenes.iloc[start : start + per_call])
    return len(scenes) / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    classes = list(CLASSES["class_name"])
    scenes = world.natural_scenes(0, "benchmark", classes, arguments.scenes // len(classes), habit=0.1)
    world.render(scenes.head(200))  # warm-up
    single = scenes_a_second(scenes.head(200), per_call=1)
    rows = [("one scene per call", single), ("all scenes in one call", scenes_a_second(scenes, per_call=len(scenes)))]
    print(f"{arguments.scenes} scenes of 64 x 64, {arguments.threads} threads")
    for name, speed in rows:
        print(f"{name:24s} {speed:8.0f} scenes/s {speed / single:8.1f}x")


if __name__ == "__main__":
    main()
