"""What does evaluation cost beside the network? Reading PNG shards and preprocessing, over the raw forward pass.

python benchmarks/evaluation.py [images]      two minutes on an otherwise idle machine

The baseline is ResNet-50 on batches of 64 that lie ready in memory, normalised; ours reads the same images as 256-pixel
PNG from a dataset folder, resamples, crops and normalises them, and makes the table of predictions.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import d3s_utils  # noqa: F401  before timm

BATCH, SIDE, THREADS = 64, 256, 1


def stored(folder: Path, count: int) -> pd.DataFrame:
    """`count` photograph-like images in a dataset folder, and their table."""
    from PIL import Image

    from d3s_utils.generation.shards import Shard, write_shard
    from d3s_utils.ground.columns import MANIFEST
    from d3s_utils.ground.seeds import rng_for

    small = rng_for("evaluation benchmark").integers(0, 256, (count, 24, 24, 3), np.uint8)
    images = np.stack([np.asarray(Image.fromarray(x).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for x in small])
    table = pd.DataFrame({name: [""] * count for name in MANIFEST})
    numbers = {"left": 0, "top": 0, "scale": 0.4, "strength": 0.9, "steps": 50, "guidance": 5.0, "seed": 0, "label": 0}
    ids = [f"val-n01443537-on-grass-{i:04d}" for i in range(count)]
    table = table.assign(**numbers, image_id=ids, split="val", class_name="goldfish", background="on grass")
    starts = range(0, count, 250)
    for number, start in enumerate(starts):
        rows = table.iloc[start : start + 250].reset_index(drop=True)
        part = images[start : start + 250]
        write_shard(folder, Shard("val", number, len(starts), rows, ("goldfish",), ("on grass",)), part, part)
    return table


def main() -> None:
    import timm
    import torch

    from d3s_utils.evaluation.classifiers import Classifier, Preprocessing
    from d3s_utils.evaluation.predict import ImageSet, predict
    from d3s_utils.generation.dataset import load_images

    count = int(sys.argv[1]) if len(sys.argv) > 1 else 640
    torch.set_num_threads(THREADS)
    network = timm.create_model("resnet50", num_classes=1000).eval().to(memory_format=torch.channels_last)
    preprocessing = Preprocessing(224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 0.95, "bicubic")
    classifier = Classifier("resnet50", network, "benchmark", preprocessing)
    with tempfile.TemporaryDirectory() as folder:
        table = stored(Path(folder), count)
        images = ImageSet("d3s", table, lambda ids: load_images(Path(folder), ids)[0], "benchmark")
        ready = preprocessing(torch.from_numpy(images.load(list(table["image_id"][:BATCH]))))  # in our layout
        raw, ours = [], []
        with torch.inference_mode():
            network(ready)
        for _ in range(3):
            begun = time.perf_counter()
            with torch.inference_mode():
                for _ in range(count // BATCH):
                    network(ready)
            raw.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            predict(classifier, images)
            ours.append((time.perf_counter() - begun) * (count // BATCH * BATCH) / count)
    ratio = float(np.median(np.array(ours) / np.array(raw)))
    result = {"images": count, "threads": THREADS, "raw_seconds": min(raw), "ours_seconds": min(ours), "ratio": ratio}
    print(json.dumps({name: round(value, 3) for name, value in result.items()}))


if __name__ == "__main__":
    main()
