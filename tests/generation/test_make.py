"""Generation: each image from its own guide, prompt and seed; kill it anywhere, resume, and the bytes are the same."""

import hashlib
import multiprocessing
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from d3s_utils.diffusion import draw, load, precision
from d3s_utils.generation import make, samples
from d3s_utils.generation.dataset import load_guides, load_images, read_dataset
from d3s_utils.generation.guides import object_masks
from d3s_utils.generation.world import open_photos
from d3s_utils.ground import paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.run import Run
from d3s_utils.ground.seeds import rng_for

SMALL = (
    "generator.size=32 generator.dtype=float32 generator.steps=4 generator.eta=0.0 generator.batch_size=6 "
    "dataset.shard_size=8 "
    "dataset.train_per_cell=0 dataset.val_per_cell=1 classes=2 natural.train_per_class=10 "
    "natural.val_per_class=10 device=cpu threads=1"
)
PROMPTS = ["a mug", "a mug", "a car", "a mug", "a car", "snow", "a mug"]


def small_profile(checkpoint, more=""):
    return load_profile("smoke", f"generator.model={checkpoint} {SMALL} {more}")


@pytest.fixture(scope="module")
def profile(tiny_checkpoint):
    return small_profile(tiny_checkpoint)


@pytest.fixture(scope="module")
def generator(profile):
    torch.set_num_threads(1)
    return load.load_generator(profile)


@pytest.fixture(scope="module")
def guides():
    return rng_for("guides").integers(0, 256, (7, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def images(generator, guides, profile):
    return draw.generate(generator, guides, PROMPTS, range(7), profile.generator)


def run_in(folder, profile):
    return Run(profile, "01_generation", Path(folder))


# One image ------------------------------------------------------------------------------------------------------------


def test_an_image_is_what_the_stock_pipeline_draws(tiny_checkpoint, guides, images, profile):
    """Nothing special is done to the checkpoint: any diffusers user gets these images."""
    from diffusers import DDIMScheduler, StableDiffusionImg2ImgPipeline

    stock = StableDiffusionImg2ImgPipeline.from_pretrained(tiny_checkpoint, safety_checker=None)
    stock.scheduler = DDIMScheduler.from_config(stock.scheduler.config, clip_sample=False)
    drawn = stock(
        prompt=PROMPTS, image=[Image.fromarray(guide) for guide in guides], strength=0.9, num_inference_steps=4,
        guidance_scale=5.0, generator=[torch.Generator().manual_seed(seed) for seed in range(7)],
    ).images  # fmt: skip
    assert np.abs(np.stack(drawn).astype(int) - images).max() <= 1


def test_the_same_seeds_give_the_same_bytes(generator, guides, images, profile):
    assert np.array_equal(draw.generate(generator, guides, PROMPTS, range(7), profile.generator), images)


@pytest.mark.parametrize("batch_size", [1, 4, 50])
def test_another_batch_size_changes_hardly_a_pixel(generator, guides, images, profile, batch_size):
    knobs = replace(profile.generator, batch_size=batch_size)
    again = draw.generate(generator, guides, PROMPTS, range(7), knobs)
    within_one = np.abs(again.astype(int) - images).max(axis=-1) <= 1  # (N, S, S)
    assert within_one.mean(axis=(1, 2)).min() >= 0.999


def test_every_ingredient_matters(generator, guides, images, profile):
    """Guide, prompt, seed, strength: change one and the image changes; at low strength the guide shines through."""
    knobs = profile.generator

    def change(guides=guides, prompts=PROMPTS, seeds=range(7), **turned):
        again = draw.generate(generator, guides, prompts, seeds, replace(knobs, **turned))
        return np.abs(again.astype(int) - images).mean(axis=(1, 2, 3)).min()

    assert change(guides=guides[::-1].copy()[[0, 1, 2, 4, 3, 5, 6]]) > 0
    assert change(prompts=["x y z"] * 7) > 0
    assert change(seeds=range(7, 14)) > 0
    assert change(strength=0.5) > 0


def test_eta_draws_noise_anew_from_the_images_own_seed(generator, guides, images, profile):
    knobs = replace(profile.generator, eta=1.0)
    drawn = draw.generate(generator, guides, PROMPTS, range(7), knobs)
    alone = draw.generate(generator, guides[3:4], PROMPTS[3:4], [3], knobs)
    assert np.abs(drawn.astype(int) - images).mean() > 1
    assert np.abs(alone[0].astype(int) - drawn[3]).max() <= 1


def test_the_unet_is_compiled_when_asked(tiny_checkpoint, monkeypatch):
    asked = []
    monkeypatch.setattr(nn.Module, "compile", lambda self: asked.append(type(self).__name__))
    load.load_generator(small_profile(tiny_checkpoint))
    assert asked == []
    load.load_generator(small_profile(tiny_checkpoint, "generator.compile=true"))
    assert asked == ["UNet2DConditionModel"]


# Other modes ----------------------------------------------------------------------------------------------------------


def test_text_to_image_mode_plans_and_draws_without_guides(tiny_checkpoint, tmp_path):
    profile = small_profile(tiny_checkpoint, "generator.mode=text2img")
    manifest = make.generate_dataset(run_in(tmp_path, profile), report=lambda line: None)
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
    make.generate_dataset(run_in(tmp_path, profile), report=lambda line: None)
    images, rows = load_images(tmp_path / "dataset", "val")
    guides, photos = load_guides(tmp_path / "dataset", "val")[0], open_photos(profile)
    places = object_masks(rows, photos)
    assert np.array_equal(images[places == 255], guides[places == 255])
    assert np.abs(images[places == 0].astype(int) - guides[places == 0]).mean() > 5


def test_inpainting_draws_an_image_the_same_alone(tiny_inpainter):
    profile = small_profile(tiny_inpainter, "generator.mode=inpainting")
    generator, rng = load.load_generator(profile), rng_for("inpainted")
    guides, places = rng.integers(0, 256, (3, 32, 32, 3), np.uint8), np.zeros((3, 32, 32), np.uint8)
    places[:, 8:20, 4:16] = 255
    together = draw.generate(generator, guides, PROMPTS[:3], range(3), profile.generator, places)
    alone = draw.generate(generator, guides[1:2], PROMPTS[1:2], [1], profile.generator, places[1:2])
    assert (np.abs(together[1].astype(int) - alone[0]).max(axis=-1) <= 1).mean() >= 0.999


def test_an_inpainting_checkpoint_says_what_it_is_for(tiny_inpainter):
    with pytest.raises(D3SError, match="is an inpainting checkpoint; set generator.mode to inpainting"):
        load.load_generator(small_profile(tiny_inpainter))


# The safety checker ---------------------------------------------------------------------------------------------------


def test_the_safety_checker_flags_and_never_blanks(tiny_censor, tiny_checkpoint, tmp_path):
    free, flagged = tmp_path / "free", tmp_path / "flagged"
    for folder, checkpoint in ((free, tiny_checkpoint), (flagged, tiny_censor)):
        make.generate_dataset(run_in(folder, small_profile(checkpoint)), report=lambda line: None)
    images, _ = load_images(free / "dataset", "val")
    assert np.array_equal(load_images(flagged / "dataset", "val")[0], images) and images.any(axis=(1, 2, 3)).all()
    assert read_dataset(flagged / "dataset", "val", ["nsfw"])["nsfw"].eq(True).all()
    assert read_dataset(free / "dataset", "val", ["nsfw"])["nsfw"].isna().all()


def test_the_safety_checker_can_stay_at_home(tiny_censor):
    assert load.load_generator(small_profile(tiny_censor, "generator.safety=false")).flag is None


def test_the_safety_checker_clears_what_lies_under_its_thresholds(tiny_censor):
    generator = load.load_generator(small_profile(tiny_censor))
    held = generator.flag.__wrapped__.__closure__
    checker = next(cell.cell_contents for cell in held if isinstance(cell.cell_contents, nn.Module))
    images = rng_for("flags").integers(0, 256, (3, 32, 32, 3), np.uint8)
    before = images.copy()
    assert generator.flag(images) == [True] * 3 and np.array_equal(images, before)
    nn.init.constant_(checker.concept_embeds_weights, 2.0)
    nn.init.constant_(checker.special_care_embeds_weights, 2.0)
    assert generator.flag(images) == [False] * 3


def test_no_images_are_no_trouble(generator, guides, profile):
    assert draw.generate(generator, guides[:0], [], [], profile.generator).shape == (0, 32, 32, 3)


def test_text_to_image_needs_no_guide(generator, profile):
    drawn = draw.text_to_image(generator, PROMPTS, range(7), profile.generator)
    assert drawn.shape == (7, 32, 32, 3) and drawn.dtype == np.uint8
    alone = draw.text_to_image(generator, PROMPTS[2:3], [2], profile.generator)
    assert np.abs(drawn[2].astype(int) - alone[0]).max() <= 1


def test_less_precision_rounds_the_same_images(tiny_checkpoint, guides):
    """Latents stay in float32, so 16 bits inside the networks move pixels by little."""
    drawn = {}
    for dtype in ("float32", "bfloat16"):
        narrow = load.load_generator(small_profile(tiny_checkpoint, f"generator.dtype={dtype}"))
        assert narrow.pipeline.unet.dtype == narrow.pipeline.vae.decoder.conv_in.weight.dtype == getattr(torch, dtype)
        assert narrow.embed("a mug").dtype == torch.float32
        drawn[dtype] = draw.generate(narrow, guides, PROMPTS, range(7), small_profile(tiny_checkpoint).generator)
    difference = np.abs(drawn["float32"].astype(int) - drawn["bfloat16"])
    assert 0 < difference.mean() < 4, "the same images, a little rounded"


def test_auto_takes_what_the_device_is_fast_in(monkeypatch):
    able = {"avx512_bf16": True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert precision.pick_dtype("auto", torch.device("cpu")) == torch.bfloat16
    assert precision.pick_dtype("auto", torch.device("cuda")) == torch.float16
    assert precision.pick_dtype("float32", torch.device("cuda")) == torch.float32
    able.clear()
    assert precision.pick_dtype("auto", torch.device("cpu")) == torch.float32


# The dataset ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(profile, tmp_path_factory):
    """A run that nobody disturbed, and its manifest."""
    torch.set_num_threads(1)
    run = run_in(tmp_path_factory.mktemp("finished"), profile)
    return run, make.generate_dataset(run, report=lambda line: None)


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
    make.generate_dataset(run)
    assert contents(run.folder) == before


def test_any_image_can_be_made_again_alone(finished, generator, profile):
    run, manifest = finished
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
from pathlib import Path
settings = profile.load_profile("smoke", sys.argv[2])
make.generate_dataset(runs.Run(settings, "01_generation", Path(sys.argv[1])))
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
    make.generate_dataset(run_in(tmp_path, profile), report=lines.append)
    assert len(lines) == 3 - len(survivors), "finished shards are not made again"
    assert all(path.stat().st_mtime_ns == written for path, written in survivors.items())
    assert contents(tmp_path) == contents(finished[0].folder)


LATE = (  # imported by diffusers and transformers when a pipeline is loaded; here once, for all processes
    "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_img2img",
    "transformers.models.clip.modeling_clip",
)


def begin(folder, overrides, started):
    """In a process of its own: import what is imported late, say so, then make the dataset."""
    torch.set_num_threads(1)
    run = run_in(folder, load_profile("smoke", overrides))
    load.load_generator(run.profile)
    started.set()
    make.generate_dataset(run, report=lambda line: None)


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
        assert started.wait(120)
        return process

    alone, begun = start(tmp_path / "alone"), time.monotonic()
    alone.join(120)
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
    start(killed).join(120)
    assert contents(killed) == contents(tmp_path / "alone"), "shards, card and SHA256SUMS, byte by byte"
    assert len(contents(killed)) == 13 and len(survivors) > 1, "kills came at different moments"


def test_a_shard_of_another_recipe_is_made_again(finished, tiny_checkpoint, tmp_path):
    old = run_in(tmp_path, small_profile(tiny_checkpoint, "generator.guidance=1.0"))
    make.generate_dataset(old, report=lambda line: None)
    (tmp_path / "dataset/data/val-00007-of-00009.parquet").write_bytes(b"of a larger dataset, long ago")
    lines = []
    make.generate_dataset(run_in(tmp_path, finished[0].profile), report=lines.append)
    assert len(lines) == 3 and contents(tmp_path) == contents(finished[0].folder)


def test_a_damaged_shard_is_made_again(finished, profile, tmp_path):
    run = run_in(tmp_path, profile)
    make.generate_dataset(run, report=lambda line: None)
    shard = tmp_path / "dataset/data/val-00001-of-00003.parquet"
    shard.write_bytes(shard.read_bytes()[:1000])
    lines = []
    make.generate_dataset(run, report=lines.append)
    assert len(lines) == 1 and contents(tmp_path) == contents(finished[0].folder)


def test_samples_are_balanced_and_the_first_stay(finished):
    run, manifest = finished
    ten, eleven = (samples.balanced_rows(manifest, count, seed=1) for count in (10, 11))
    assert (ten.groupby("class_name").size() == 5).all() and ten.index.is_monotonic_increasing
    assert set(ten["image_id"]) < set(eleven["image_id"])
    whole = samples.load_samples(run, 1000)
    assert len(whole.rows) == len(whole.images) == len(whole.guides) == 20
    assert list(whole.rows["image_id"]) == list(manifest["image_id"])


def test_a_strength_sweep_is_kept(finished, monkeypatch):
    run, manifest = finished
    rows = manifest.iloc[[3, 11]]
    sweep = samples.strength_sweep(run, rows, (0.5, 0.9))
    guides, _ = load_guides(run.folder / "dataset", list(rows["image_id"]))
    knobs = replace(run.profile.generator, strength=0.5)
    again = draw.generate(load.load_generator(run.profile), guides, list(rows["prompt"]), list(rows["seed"]), knobs)
    assert np.array_equal(sweep[0.5], again), "nothing but the strength was changed"
    assert np.array_equal(sweep[0.9], load_images(run.folder / "dataset", list(rows["image_id"]))[0])
    monkeypatch.setattr(
        "d3s_utils.generation.samples.load_generator", lambda profile: pytest.fail("the sweep was already there")
    )
    again = samples.strength_sweep(run, rows, (0.5, 0.9))
    assert all(np.array_equal(again[strength], sweep[strength]) for strength in sweep)


# What can go wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("./no/such/folder", r"no folder .*such.folder"),
        ("someone/no-such-model", "someone/no-such-model"),
        ("d3s_utils/figures", "d3s_utils.figures is no Stable Diffusion pipeline.*model_index.json"),
    ],
)
def test_a_model_that_does_not_exist_is_named(model, message):
    with pytest.raises(D3SError, match=message) as caught:
        load.load_generator(load_profile("smoke", f"generator.model={model}"))
    assert "\n" not in str(caught.value)


def test_without_network_the_error_says_so(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(D3SError, match="cannot be reached.*folder in diffusers layout"):
        load.load_generator(load_profile("smoke", "generator.model=CompVis/stable-diffusion-v0-0"))


def test_a_missing_pocket_generator_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "POCKET_WEIGHTS", tmp_path)
    with pytest.raises(D3SError, match="make pocket-generator"):
        load.load_generator(load_profile("smoke"))


def test_a_folder_with_broken_weights_is_named(tiny_checkpoint, tmp_path):
    import shutil

    broken = shutil.copytree(tiny_checkpoint, tmp_path / "broken")
    (broken / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"not weights")
    with pytest.raises(D3SError, match="broken is no Stable Diffusion pipeline"):
        load.load_generator(load_profile("smoke", f"generator.model={broken}"))


@pytest.mark.parametrize("count", [1, 4, 7])
def test_a_network_in_tiles_always_sees_the_same_shape_and_answers_as_before(count):
    seen = []

    class Net(nn.Module):
        def forward(self, x, t, words=None):
            seen.append(len(x))
            assert len(words) == len(x) and t == 3
            return (x + words,)

    x, words = torch.arange(2.0 * count).reshape(count, 2), torch.ones(count, 2)
    (answer,) = precision.in_tiles(Net(), rows=4)(x, 3, words=words)
    assert set(seen) == {4}
    assert torch.equal(answer, x + 1)
