"""The dataset of a run, made shard by shard.

A shard is written whole or not at all and carries the hash of each of its images, so a killed run resumes where it
stopped and ends in the same bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from d3s_utils.data.sources import Backgrounds, Photos
from d3s_utils.diffusion.load import load_generator
from d3s_utils.generation import sums
from d3s_utils.generation.card import write_card
from d3s_utils.generation.cluster import generate_shards
from d3s_utils.generation.croissant import write_croissant
from d3s_utils.generation.plan import build_manifest
from d3s_utils.generation.shard import generate_shard
from d3s_utils.generation.shards import Shard, is_written, shard_path, shards
from d3s_utils.generation.world import open_backgrounds, open_photos
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import read_table
from d3s_utils.ground.run import Run

SKIPPED_FILE = "skipped.csv"


def say(line: str) -> None:
    """Plain progress: a line at once, in a notebook, a log or a terminal."""
    print(line, flush=True)


def generate_dataset(run: Run, report: Callable[[str], None] = say, worker: int = 0, of: int = 1) -> pd.DataFrame:
    """Make every image of the run: manifest.parquet, the shards that are missing, then the dataset's card and its sums.

    Kill it whenever you like and call it again: finished shards whose recipe still holds are kept, everything else is
    made anew, and the bytes come out the same.

    Args:
        report: gets one line per shard.
        worker, of: this is worker 0 .. of-1 of several that share the shards among them, on one machine or many. Each
            makes every `of`-th shard; whoever finds all of them written writes card and sums.

    Returns:
        The manifest.
    """
    profile, folder = run.profile, run.path("dataset")
    photos, backgrounds = open_photos(profile), open_backgrounds(profile)
    manifest = build_manifest(profile, photos, backgrounds)
    run.save(manifest, "manifest.parquet")
    _save_skipped(run, photos, backgrounds, report)
    planned = shards(manifest, profile)
    if of == 1:  # else what is half-written may be another worker's, at work
        remove_parts(folder)
        remove_other_shards(folder, planned)
    missing = [shard for shard in planned[worker::of] if not is_written(folder, shard)]
    if missing or not is_complete(folder, planned):
        (folder / sums.NAME).unlink(missing_ok=True)  # it speaks of a whole dataset
    _generate_shards(run, manifest, missing, photos, backgrounds, report)
    if is_complete(folder, planned):
        remove_other_shards(folder, planned)
        write_card(folder, manifest, profile)
        write_croissant(folder, manifest, profile)
        sums.write_sums(folder)
    return manifest


def is_complete(folder: Path, planned: Sequence[Shard]) -> bool:
    """Whether every shard is there, whoever made it."""
    return all(is_written(folder, shard) for shard in planned)


def _save_skipped(run: Run, photos: Photos, backgrounds: Backgrounds, report: Callable[[str], None]) -> None:
    """Name the pictures that were left out in skipped.csv; where all are rendered there is none."""
    if run.profile.foregrounds == run.profile.backgrounds == "pocket":
        return
    skipped = pd.concat([photos.skipped(), backgrounds.skipped()], ignore_index=True)
    run.save(skipped, SKIPPED_FILE)
    if len(skipped):
        report(f"{len(skipped)} picture(s) cannot be used and are left out: see {SKIPPED_FILE}")


def _generate_shards(
    run: Run,
    manifest: pd.DataFrame,
    missing: list[Shard],
    photos: Photos,
    backgrounds: Backgrounds,
    report: Callable[[str], None],
) -> None:
    if not missing:
        return
    profile, folder = run.profile, run.path("dataset")
    if profile.dataset.engine == "ray":
        return generate_shards(profile, folder, missing, report)
    generator = load_generator(profile)
    total, done, begun = sum(len(shard.rows) for shard in missing), 0, time.monotonic()
    for shard in missing:
        _require_one_plan(run, manifest)
        generate_shard(generator, folder, shard, photos, backgrounds, profile.generator)
        done += len(shard.rows)
        rate = done / max(time.monotonic() - begun, 1e-9)
        left = (total - done) / rate / 60
        report(f"{shard.name}: {done} of {total} images, {rate:.1f} a second, {left:.1f} minutes to go")


def _require_one_plan(run: Run, manifest: pd.DataFrame) -> None:
    """Stop if another worker has written the manifest of another recipe meanwhile.

    Raises:
        D3SError: whose mend is to start every worker with one profile and one --set.
    """
    path = run.path("manifest.parquet")
    if list(read_table(path)["recipe_hash"]) != list(manifest["recipe_hash"]):
        raise D3SError(
            f"{path}: another worker plans other images in this folder; stop them all and start every one with the "
            "same --profile and --set. Finished shards are kept."
        )


def remove_parts(folder: Path) -> None:
    """Delete what a killed run left half-written."""
    for file in [*(Path(folder) / "data").glob(".*.part"), *Path(folder).glob(".*.part")]:
        file.unlink(missing_ok=True)


def remove_other_shards(folder: Path, planned: Sequence[Shard]) -> None:
    """Delete shards that are not of this plan."""
    kept = {shard_path(folder, shard).name for shard in planned}
    for file in (Path(folder) / "data").glob("*.parquet"):
        if file.name not in kept:
            file.unlink(missing_ok=True)
