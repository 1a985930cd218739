"""How the bookkeeping holds up at the paper's size: 120 000 images of 1000 classes on 10 backgrounds.

python benchmarks/scale.py      about two minutes; the images are 8 x 8 pixels, for only rows count here

Plans the manifest, writes it as a dataset of 480 shards, and opens labels (alone, in a fresh process) against reading
every column but the pictures.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from d3s_utils.data.classes import class_table
from d3s_utils.data.imagenet import imagenet_classes
from d3s_utils.data.prompts import open_recipe
from d3s_utils.data.sources import SPLITS, Backgrounds, Photos
from d3s_utils.generation.dataset import read_dataset
from d3s_utils.generation.plan import build_manifest
from d3s_utils.generation.shards import shards, write_shard
from d3s_utils.generation.world import World
from d3s_utils.ground.columns import MANIFEST
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.settings import Profile
from d3s_utils.ground.words import BACKGROUNDS

PER_CLASS = {"train": 100, "val": 50}  # photographs there are to choose from


class ListedPhotos(Photos):
    """Names of photographs that nobody opens."""

    size, habit, key, noun = 8, None, "names alone", "photograph"

    def table(self, split: str) -> pd.DataFrame:
        rows = [
            (f"{split}/{row.wnid}/{i}.JPEG", row.imagenet_index, row.class_name, None)
            for row in imagenet_classes().itertuples()
            for i in range(PER_CLASS[split])
        ]
        return pd.DataFrame(rows, columns=["photo_id", "label", "class_name", "background"])

    def pictures(self, photo_ids):
        raise AssertionError("planning and writing need no photograph")

    def masks(self, photo_ids):
        raise AssertionError("planning and writing need no mask")


class ListedBackgrounds(Backgrounds):
    names, key = BACKGROUNDS, "names alone"

    def table(self, split: str) -> pd.DataFrame:
        rows = [(f"{name}/{i}.jpg", name) for name in BACKGROUNDS for i in range(50)]
        return pd.DataFrame(rows, columns=["background_id", "background"])

    def pictures(self, background_ids):
        raise AssertionError("planning and writing need no picture of a place")


def paper_profile(folder: Path) -> Profile:
    """The paper's profile over 1000 empty class folders."""
    for split in SPLITS:
        for wnid in imagenet_classes()["wnid"]:
            (folder / split / wnid).mkdir(parents=True)
    return load_profile("paper", f"foregrounds='{{train: {folder}/train, val: {folder}/val}}'")


def listed_world(profile: Profile) -> World:
    """The world of `profile`, its pictures being names alone."""
    return World(ListedPhotos(), ListedBackgrounds(), class_table(profile), open_recipe(profile))


def opened(folder: Path, columns: list[str], found: multiprocessing.Queue) -> None:
    """Seconds and megabytes that reading `columns` of both splits takes, in this process."""
    import psutil

    process = psutil.Process()
    before, begun = process.memory_info().rss, time.perf_counter()
    held = [read_dataset(folder, split, columns) for split in SPLITS]
    seconds, rows = time.perf_counter() - begun, sum(map(len, held))
    found.put((rows, seconds, (process.memory_info().rss - before) / 1e6))


def multiplied(folder: Path, copy: Path, times: int = 10) -> Path:
    """The dataset with every shard there `times` over, as links."""
    (copy / "data").mkdir(parents=True)
    for path in (folder / "data").glob("*.parquet"):
        split, number, _, of = path.stem.split("-")
        for k in range(times):
            name = f"{split}-{int(number) * times + k:05d}-of-{int(of) * times:05d}.parquet"
            os.link(path, copy / "data" / name)
    return copy


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder, begun = Path(scratch), time.perf_counter()
        profile = paper_profile(folder)
        begun = time.perf_counter()
        manifest = build_manifest(profile, listed_world(profile))
        rows.append(("plan the manifest", len(manifest), time.perf_counter() - begun, np.nan))
        begun = time.perf_counter()
        for shard in shards(manifest, profile.dataset.shard_size):
            grey = np.full((len(shard.rows), 8, 8, 3), 90, np.uint8)
            write_shard(folder / "dataset", shard, grey, grey)
        rows.append(("write 8 x 8 shards", len(manifest), time.perf_counter() - begun, np.nan))
        copies = multiplied(folder / "dataset", folder / "ten times")
        context = multiprocessing.get_context("spawn")
        for what, place, columns in (
            ("open all but pictures", folder / "dataset", MANIFEST),
            ("open labels", folder / "dataset", ["image_id", "label", "background"]),
            ("open labels of ten times as many", copies, ["image_id", "label", "background"]),
        ):
            found = context.Queue()
            reader = context.Process(target=opened, args=(place, columns, found))
            reader.start()
            rows.append((what, *found.get()))
            reader.join()
    table = pd.DataFrame(rows, columns=["step", "rows", "seconds", "MB"])
    whole = table.loc[table["step"] == "open all but pictures", "seconds"].item()
    table["times 'open all'"] = table["seconds"] / whole
    print(f"{os.cpu_count()} cores")
    print(table.round(2).to_string(index=False))


if __name__ == "__main__":
    main()
