"""Images from guides and prompts: image-to-image, text-to-image and inpainting by the stock pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from d3s_utils.diffusion.load import Generator
from d3s_utils.ground import settings
from d3s_utils.ground.errors import D3SError

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline


def generate(
    generator: Generator,
    guides: np.ndarray,
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: settings.Generator,
    masks: np.ndarray | None = None,
) -> np.ndarray:
    """Draw in the profile's mode. Image-to-image: noise each guide by `strength` and denoise it towards its prompt.
    Inpainting: do so around the object, whose pixels stay. Text-to-image: the prompt alone, guides count for nothing.

    Image i is what the stock pipeline makes of guide i, prompt i and `torch.Generator().manual_seed(seeds[i])`,
    whichever images are drawn beside it, up to the rounding of sums.

    Args:
        guides: (N, S, S, 3) uint8; S a multiple of the autoencoder's step (8 fits all).
        masks: for inpainting, where the object is: (N, S, S) uint8, 255 = object.

    Returns:
        (N, S, S, 3) uint8.
    """
    if settings.mode == "text2img":
        return text_to_image(generator, prompts, seeds, settings)
    images = np.empty_like(guides)
    for start in range(0, len(guides), settings.batch_size):
        batch = slice(start, start + settings.batch_size)
        if settings.mode == "inpainting":
            given = guides[batch], masks[batch]
            images[batch] = _inpaint_batch(generator, *given, prompts[batch], seeds[batch], settings)
        else:
            images[batch] = _draw_batch(generator, guides[batch], prompts[batch], seeds[batch], settings)
    return images


def text_to_image(
    generator: Generator, prompts: Sequence[str], seeds: Sequence[int], settings: settings.Generator
) -> np.ndarray:
    """Images from prompts alone, (N, S, S, 3) uint8 with S = `settings.size`: no guide, all noise."""
    from diffusers import StableDiffusionPipeline

    if generator.pipeline.unet.config.in_channels != 4:
        raise D3SError(f"generator.model: {settings.model} is an inpainting checkpoint and makes nothing from text.")
    pipeline = StableDiffusionPipeline(**generator.pipeline.components, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    side, parts = settings.size, [np.zeros((0, settings.size, settings.size, 3), np.uint8)]
    for start in range(0, len(prompts), settings.batch_size):
        batch = slice(start, start + settings.batch_size)
        words = _words(generator, prompts[batch])
        parts.append(_run(pipeline, words, _random(seeds[batch]), settings, height=side, width=side))
    return np.concatenate(parts)


def _draw_batch(
    generator: Generator, guides: np.ndarray, prompts: Sequence[str], seeds: Sequence[int], settings: settings.Generator
) -> np.ndarray:
    random = _random(seeds)
    pixels = torch.from_numpy(np.ascontiguousarray(guides)).permute(0, 3, 1, 2) / 255 * 2 - 1  # (B, 3, S, S)
    start = _latents(generator.pipeline, pixels, random)
    return _run(
        generator.pipeline, _words(generator, prompts), random, settings, image=start, strength=settings.strength
    )


def _inpaint_batch(
    generator: Generator,
    guides: np.ndarray,
    masks: np.ndarray,
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: settings.Generator,
) -> np.ndarray:
    """Repaint what is not object; what is comes from the guide, pixel by pixel, grey edges of a mask in proportion."""
    kept = masks[..., None] / 255
    pixels, around = torch.from_numpy(guides / 255).permute(0, 3, 1, 2).float(), torch.from_numpy(1 - kept[..., 0])
    side = guides.shape[1]
    options = {"image": pixels, "mask_image": around[:, None].float(), "height": side, "width": side}
    options |= {"strength": settings.strength}
    drawn = _run(generator.pipeline, _words(generator, prompts), _random(seeds), settings, **options)
    return (kept * guides + (1 - kept) * drawn).round().astype(np.uint8)


def _run(
    pipeline: DiffusionPipeline,
    words: dict[str, Tensor],
    random: list[torch.Generator],
    settings: settings.Generator,
    **options: object,
) -> np.ndarray:
    """One call of a pipeline; (B, S, S, 3) uint8."""
    with torch.inference_mode():
        drawn = pipeline(
            **words,
            **options,
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance,
            eta=settings.eta,
            generator=random,
            output_type="np",
        )
    return (255 * drawn.images).round().astype(np.uint8)


@torch.inference_mode()
def _latents(pipeline: DiffusionPipeline, pixels: Tensor, random: list[torch.Generator]) -> Tensor:
    """Scaled latents of the guides, drawn from the posterior as the pipeline would, but all in one pass.

    The pipeline encodes images one by one when each has its own generator, and takes anything with four channels for
    latents. An autoencoder with other latents gets the pixels.
    """
    if pipeline.vae.config.latent_channels != 4:
        return pixels
    posterior = pipeline.vae.encode(pixels.to(pipeline.device)).latent_dist
    return pipeline.vae.config.scaling_factor * posterior.sample(random)


def _words(generator: Generator, prompts: Sequence[str]) -> dict[str, Tensor]:
    """Text embeddings of the prompts and, for guidance, of no words."""
    empty = generator.embed("").expand(len(prompts), -1, -1)
    return {
        "prompt_embeds": torch.cat([generator.embed(prompt) for prompt in prompts]),
        "negative_prompt_embeds": empty,
    }


def _random(seeds: Sequence[int]) -> list[torch.Generator]:
    """One CPU generator per image: the same noise on every device."""
    return [torch.Generator().manual_seed(int(seed)) for seed in seeds]
