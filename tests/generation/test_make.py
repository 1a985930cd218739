"""The dataset of a run: kill it anywhere, resume, and the bytes are the same."""

import hashlib
import multiprocessing
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_run import SMALL, run_in, silent, small_profile

from d3s_utils.diffusion import draw, load
from d3s_utils.generation import make
from d3s_utils.generation.dataset import load_guides, load_images, read_dataset
from d3s_utils.generation.guides import object_masks
from d3s_utils.generation.world import open_photos, open_world
from d3s_utils.ground import paths
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.seeds import rng_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def profile(tiny_checkpoint):
    return small_profile(tiny_checkpoint)


@pytest.fixture(scope="module")
def finished(profile, tmp_path_factory):
    """A run that nobody disturbed, and its manifest."""
    torch.set_num_threads(1)
    run = run_in(tmp_path_factory.mktemp("finished"), profile)
    return run, make.generate_dataset(run, open_world(run.profile), report=silent)


def contents(folder):
    """Name and hash of every file of a dataset."""
    files = sorted(path for path in (folder / "dataset").rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_dataset_holds_what_the_manifest_promises(finished):
    run, manifest = finished
    pd.testing.assert_frame_equal(read_dataset(run.folder / "dataset", "val"), manifest, check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_parquet(run.folder / "manifest.parquet"), manifest, check_dtype=False)
    images, _ = load_images(run.folder / "dataset", "val")
    guides, _ = load_guides(run.folder / "dataset", "val")
    assert images.shape == guides.shape == (20, 32, 32, 3)
    assert not np.array_equal(images, guides)


def test_a_finished_dataset_is_left_alone(finished, monkeypatch):
    run, _ = finished
    before = contents(run.folder)
    monkeypatch.setattr(
        "d3s_utils.generation.make.load_generator", lambda profile: pytest.fail("nothing is left to generate")
    )
    make.generate_dataset(run, open_world(run.profile))
    assert contents(run.folder) == before


def test_any_image_can_be_made_again_alone(finished, profile):
    run, manifest = finished
    generator = load.load_generator(profile)
    row = manifest.iloc[[13]]
    image, _ = load_images(run.folder / "dataset", list(row["image_id"]))
    guide, _ = load_guides(run.folder / "dataset", list(row["image_id"]))
    again = draw.generate(generator, guide, list(row["prompt"]), list(row["seed"]), profile.generator)
    assert (np.abs(again.astype(int) - image).max(axis=-1) <= 1).mean() >= 0.999


KILLED = """
import sys, torch
torch.set_num_threads(1)
from d3s_utils.diffusion import load
from d3s_utils.diffusion import draw
from d3s_utils.generation import make
from d3s_utils.diffusion import precision
from d3s_utils.generation import samples
from d3s_utils.ground import run as runs
from d3s_utils.ground import profile
from d3s_utils.generation.world import open_world
from pathlib import Path
settings = profile.load_profile("smoke", sys.argv[2])
make.generate_dataset(runs.Run(settings, "01_generation", Path(sys.argv[1])), open_world(settings))
"""


def test_kill_9_and_resume_gives_the_same_bytes(finished, profile, tmp_path):
    overrides = f"generator.model={profile.generator.model} {SMALL}"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), overrides], stdout=subprocess.DEVNULL, cwd=paths.ROOT
    )
    data, deadline = tmp_path / "dataset" / "data", time.monotonic() + 400
    while not list(data.glob("*.parquet")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)  # until the first of three shards is there
    process.kill()  # SIGKILL: no handler runs
    process.wait()
    assert list(data.glob("*.parquet")), "generation ended, or took too long, before a shard was there"
    assert len(list(data.glob("*.parquet"))) < 3, "the kill came too late to test anything"

    survivors = {path: path.stat().st_mtime_ns for path in data.glob("*.parquet")}
    (data / ".val-00002-of-00003.parquet.123.part").write_bytes(b"half a shard")
    lines = []
    make.generate_dataset(run_in(tmp_path, profile), open_world(profile), report=lines.append)
    assert len(lines) == 3 - len(survivors), "finished shards are not made again"
    assert all(path.stat().st_mtime_ns == written for path, written in survivors.items())
    assert contents(tmp_path) == contents(finished[0].folder)


LATE = (  # imported when a pipeline is loaded or a shard is written; here once, for all processes
    "datasets",
    "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_img2img",
    "transformers.models.clip.modeling_clip",
)


def begin(folder, overrides, started):
    """In a process of its own: import what is imported late, say so, then make the dataset."""
    torch.set_num_threads(1)
    run = run_in(folder, load_profile("smoke", overrides))
    load.load_generator(run.profile)
    started.set()
    make.generate_dataset(run, open_world(run.profile), report=silent)


def test_twenty_kills_at_random_moments_leave_the_same_sums(profile, tmp_path):
    """Whatever a kill interrupts (loading, drawing, writing, renaming, summing), the next start goes on from there.

    A first run, left alone, says how long one takes and what should come out. Of a dataset that is complete in spite of
    the kills, half is lost, so that each kill meets work being done.
    """
    overrides = f"generator.model={profile.generator.model} {SMALL} dataset.shard_size=2"
    rng, kills, survivors = rng_for("twenty kills"), 0, set()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["d3s_utils.generation", *LATE])

    def start(folder):
        started = context.Event()
        process = context.Process(target=begin, args=(folder, overrides, started))
        process.start()
        assert started.wait(400), "a process did not get as far as generating"
        return process

    alone, begun = start(tmp_path / "alone"), time.monotonic()
    alone.join(400)
    lasts, killed = time.monotonic() - begun, tmp_path / "killed"
    while kills < 20:
        process = start(killed)
        process.join(float(rng.uniform(0.0, lasts)))
        kills += process.is_alive()
        process.kill()
        process.join()
        whole = sorted((killed / "dataset" / "data").glob("*.parquet"))
        survivors.add(len(whole))
        if len(whole) == 10:
            for shard in whole[::2]:
                shard.unlink()
    start(killed).join(400)
    assert contents(killed) == contents(tmp_path / "alone"), "shards, card and SHA256SUMS, byte by byte"
    assert len(contents(killed)) == 13 and len(survivors) > 1, "kills came at different moments"


def test_shards_made_with_other_settings_are_made_again(finished, tiny_checkpoint, tmp_path):
    old = run_in(tmp_path, small_profile(tiny_checkpoint, "generator.guidance=1.0"))
    make.generate_dataset(old, open_world(old.profile), report=silent)
    (tmp_path / "dataset/data/val-00007-of-00009.parquet").write_bytes(b"of a larger dataset, long ago")
    lines = []
    make.generate_dataset(run_in(tmp_path, finished[0].profile), open_world(finished[0].profile), report=lines.append)
    assert len(lines) == 3 and contents(tmp_path) == contents(finished[0].folder)


def test_a_damaged_shard_is_made_again(finished, profile, tmp_path):
    run = run_in(tmp_path, profile)
    make.generate_dataset(run, open_world(run.profile), report=silent)
    shard = tmp_path / "dataset/data/val-00001-of-00003.parquet"
    shard.write_bytes(shard.read_bytes()[:1000])
    lines = []
    make.generate_dataset(run, open_world(run.profile), report=lines.append)
    assert len(lines) == 1 and contents(tmp_path) == contents(finished[0].folder)


def test_text_to_image_mode_plans_and_draws_without_guides(tiny_checkpoint, tmp_path):
    profile = small_profile(tiny_checkpoint, "generator.mode=text2img")
    manifest = make.generate_dataset(run_in(tmp_path, profile), open_world(profile), report=silent)
    assert (manifest["guide_kind"] == "none").all() and (manifest["strength"] == 1).all()
    images, rows = load_images(tmp_path / "dataset", "val")
    stock = draw.text_to_image(
        load.load_generator(profile), list(rows["prompt"])[:2], list(rows["seed"])[:2], profile.generator
    )
    assert np.abs(images[:2].astype(int) - stock).max() <= 1


@pytest.mark.parametrize("checkpoint", ["tiny_checkpoint", "tiny_inpainter"])
@pytest.mark.parametrize("guide", ["paste", "mask"])
def test_inpainting_keeps_the_objects_own_pixels(checkpoint, guide, request, tmp_path):
    """With a checkpoint made for it, nine channels, and with an ordinary one."""
    profile = small_profile(request.getfixturevalue(checkpoint), f"generator.mode=inpainting generator.guide={guide}")
    make.generate_dataset(run_in(tmp_path, profile), open_world(profile), report=silent)
    images, rows = load_images(tmp_path / "dataset", "val")
    guides, photos = load_guides(tmp_path / "dataset", "val")[0], open_photos(profile)
    places = object_masks(rows, photos)
    assert np.array_equal(images[places == 255], guides[places == 255])
    assert np.abs(images[places == 0].astype(int) - guides[places == 0]).mean() > 5


def test_the_safety_checker_flags_and_never_blanks(tiny_censor, tiny_checkpoint, tmp_path):
    free, flagged = tmp_path / "free", tmp_path / "flagged"
    for folder, checkpoint in ((free, tiny_checkpoint), (flagged, tiny_censor)):
        profile = small_profile(checkpoint)
        make.generate_dataset(run_in(folder, profile), open_world(profile), report=silent)
    images, _ = load_images(free / "dataset", "val")
    assert np.array_equal(load_images(flagged / "dataset", "val")[0], images) and images.any(axis=(1, 2, 3)).all()
    assert read_dataset(flagged / "dataset", "val", ["nsfw"])["nsfw"].eq(True).all()
    assert read_dataset(free / "dataset", "val", ["nsfw"])["nsfw"].isna().all()
