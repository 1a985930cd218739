"""The dataset of a run, made shard by shard.

A shard is written whole or not at all and holds the hash of each of its images, so a killed run resumes where it
stopped and ends in the same bytes. Where an image's hash has changed, because a setting, the code or one of its own two
pictures has, it is drawn again, and the others of its shard stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from d3s_utils.diffusion.load import load_generator
from d3s_utils.generation import sums
from d3s_utils.generation.card import licences, write_card
from d3s_utils.generation.cluster import generate_shards
from d3s_utils.generation.croissant import write_croissant
from d3s_utils.generation.plan import build_manifest
from d3s_utils.generation.progress import Progress
from d3s_utils.generation.shard import generate_shard
from d3s_utils.generation.shards import Shard, count_missing, is_written, shard_path, shards
from d3s_utils.generation.world import World
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import read_table
from d3s_utils.ground.run import Run

SKIPPED_FILE = "skipped.csv"


def print_line(line: str) -> None:
    """Progress, shown at once in a notebook, a log or a terminal."""
    print(line, flush=True)


def generate_dataset(
    run: Run,
    world: World,
    report: Callable[[str], None] = print_line,
    worker: int = 0,
    of: int = 1,
) -> pd.DataFrame:
    """Make every image of the run: manifest.parquet, the shards that are missing, then the dataset's card and its sums.

    Kill it whenever you like and call it again: images that are there under their hash are kept, all others are drawn.

    Args:
        world: the run's.
        report: gets one line per shard.
        worker, of: this is worker 0 .. of-1 of several that share the shards among them, on one machine or many. Each
            makes every `of`-th shard; whoever finds all of them written writes card and sums.

    Returns:
        The manifest.
    """
    profile, folder = run.profile, run.path("dataset")
    manifest = build_manifest(profile, world)
    _save_skipped(run, world, report)
    run.save(manifest, "manifest.parquet")
    planned = shards(manifest, profile.dataset.shard_size)
    if of == 1:  # else what is half-written may be another worker's, at work
        remove_parts(folder)
        remove_other_shards(folder, planned)
    missing = [shard for shard in planned[worker::of] if not is_written(folder, shard)]
    if missing or not is_complete(folder, planned):
        (folder / sums.NAME).unlink(missing_ok=True)  # it speaks of a whole dataset
    _generate_shards(run, manifest, missing, world, report)
    if is_complete(folder, planned):
        remove_other_shards(folder, planned)
        terms = licences(profile.generator.model, world)
        write_card(folder, manifest, profile, terms)
        write_croissant(folder, manifest, profile.name, terms.licence)
        sums.write_sums(folder)
    return manifest


def is_complete(folder: Path, planned: Sequence[Shard]) -> bool:
    """Whether every shard is there, whoever made it."""
    return all(is_written(folder, shard) for shard in planned)


def _save_skipped(run: Run, world: World, report: Callable[[str], None]) -> None:
    """Name the pictures that were left out in skipped.csv; where this project makes all of them there is none."""
    if not world.photos.origin and not world.backgrounds.origin:
        return
    skipped = pd.concat([world.photos.skipped(), world.backgrounds.skipped()], ignore_index=True)
    run.save(skipped, SKIPPED_FILE)
    if len(skipped):
        report(f"{len(skipped)} picture(s) cannot be used and are left out: see {SKIPPED_FILE}")


def _generate_shards(
    run: Run, manifest: pd.DataFrame, missing: list[Shard], world: World, report: Callable[[str], None]
) -> None:
    if not missing:
        return
    profile, folder = run.profile, run.path("dataset")
    progress = Progress({shard.name: count_missing(folder, shard) for shard in missing}, report)
    if profile.dataset.engine == "ray":
        return generate_shards(profile, folder, missing, progress)
    generator = load_generator(profile)
    for shard in missing:
        _require_one_plan(run, manifest)
        generate_shard(generator, folder, shard, world, profile.generator)
        progress.finished(shard.name)


def _require_one_plan(run: Run, manifest: pd.DataFrame) -> None:
    """Stop if another worker has meanwhile written the manifest of other images.

    Raises:
        D3SError: it tells to start every worker with one profile and one --set.
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
