"""Each image comes from its own guide, prompt and seed, as the stock pipelines draw it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_run import small_profile

from d3s_utils.diffusion import draw, load
from d3s_utils.ground.seeds import rng_for

PROMPTS = ["a mug", "a mug", "a car", "a mug", "a car", "snow", "a mug"]


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


def test_no_images_are_no_trouble(generator, guides, profile):
    assert draw.generate(generator, guides[:0], [], [], profile.generator).shape == (0, 32, 32, 3)


def test_text_to_image_needs_no_guide(generator, profile):
    drawn = draw.text_to_image(generator, PROMPTS, range(7), profile.generator)
    assert drawn.shape == (7, 32, 32, 3) and drawn.dtype == np.uint8
    alone = draw.text_to_image(generator, PROMPTS[2:3], [2], profile.generator)
    assert np.abs(drawn[2].astype(int) - alone[0]).max() <= 1


def test_inpainting_draws_an_image_the_same_alone(tiny_inpainter):
    profile = small_profile(tiny_inpainter, "generator.mode=inpainting")
    generator, rng = load.load_generator(profile), rng_for("inpainted")
    guides, places = rng.integers(0, 256, (3, 32, 32, 3), np.uint8), np.zeros((3, 32, 32), np.uint8)
    places[:, 8:20, 4:16] = 255
    together = draw.generate(generator, guides, PROMPTS[:3], range(3), profile.generator, places)
    alone = draw.generate(generator, guides[1:2], PROMPTS[1:2], [1], profile.generator, places[1:2])
    assert (np.abs(together[1].astype(int) - alone[0]).max(axis=-1) <= 1).mean() >= 0.999


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
