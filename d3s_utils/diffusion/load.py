"""A diffusion model ready to draw: from the pocket world, a folder in diffusers layout, or the hub."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from d3s_utils.diffusion.precision import TILE, compute_in, in_tiles, pick_dtype
from d3s_utils.diffusion.revision import model_folder
from d3s_utils.ground import settings
from d3s_utils.ground.device import pick_device
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.settings import Profile

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

PIPELINES = {
    "img2img": "StableDiffusionImg2ImgPipeline",
    "text2img": "StableDiffusionPipeline",
    "inpainting": "StableDiffusionInpaintPipeline",
}
CHECKED = 50  # images the safety checker sees at a time


@dataclass(frozen=True)
class Generator:
    """A diffusion model ready to draw.

    Attributes:
        pipeline: the stock pipeline of the profile's `generator.mode`, with DDIM. It has no safety checker, which would
            blacken images unasked.
        embed: text embedding of one prompt, (1, tokens, width), remembered for the next image that asks for it.
        flag: images (N, S, S, 3) uint8 to what the checkpoint's safety checker says of each; None without a checker.
    """

    pipeline: DiffusionPipeline
    embed: Callable[[str], Tensor]
    flag: Callable[[np.ndarray], list[bool]] | None = None


def load_generator(profile: Profile) -> Generator:
    """The model `profile.generator.model` names: "pocket", a folder in diffusers layout, or a name on the hub.

    UNet and autoencoder, where the time goes, compute in `generator.dtype`; latents, noise and text stay in float32.
    "auto" is float16 on a GPU; on a CPU bfloat16 where it has instructions for that (1.6 times as fast), else float32.

    Raises:
        D3SError: there is no such folder or model, it is not in diffusers layout, the hub cannot be reached, or it is
            an inpainting checkpoint asked to do something else.
    """
    from diffusers import DDIMScheduler

    wanted, device = profile.generator, pick_device(profile.device)
    pipeline = _read_pipeline(wanted)
    flag = _take_checker(pipeline, device)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False)  # latents exceed 1
    pipeline.set_progress_bar_config(disable=True)
    pipeline.to(device)
    if device.type != "cpu":
        pipeline.vae.enable_slicing()  # decodes one image at a time, in less memory
    # Channels stay first: with channels last, PyTorch's group norm takes ten times as long on a CPU.
    dtype = pick_dtype(wanted.dtype, device)
    for network in (pipeline.unet, pipeline.vae.encoder, pipeline.vae.decoder):
        compute_in(network, dtype)
        if device.type == "cpu":
            in_tiles(network, min(TILE, wanted.batch_size))
    if wanted.compile:
        pipeline.unet.compile()
    return Generator(pipeline, functools.lru_cache(maxsize=512)(functools.partial(embed_prompt, pipeline)), flag)


def _read_pipeline(wanted: settings.Generator) -> DiffusionPipeline:
    import diffusers

    _hush()
    location = find_model(wanted.model)
    options = {} if isinstance(location, Path) else {"revision": wanted.revision}
    options |= {} if wanted.safety else {"safety_checker": None}
    try:
        pipeline = getattr(diffusers, PIPELINES[wanted.mode]).from_pretrained(
            location, requires_safety_checker=False, dtype=torch.float32, **options
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise D3SError(_why_not(wanted.model, location, error)) from error
    if wanted.mode != "inpainting" and pipeline.unet.config.in_channels != 4:
        raise D3SError(
            f"generator.model: {wanted.model} is an inpainting checkpoint; set generator.mode to inpainting."
        )
    return pipeline


def _take_checker(pipeline: DiffusionPipeline, device: torch.device) -> Callable[[np.ndarray], list[bool]] | None:
    """The safety checker, taken out of the pipeline: it says what it thinks of an image, and blackens none."""
    checker, extractor = pipeline.safety_checker, pipeline.feature_extractor
    pipeline.safety_checker = None
    if checker is None or extractor is None:
        return None
    checker = checker.eval().to(device)

    @torch.inference_mode()
    def flag(images: np.ndarray) -> list[bool]:
        answers: list[bool] = []
        for start in range(0, len(images), CHECKED):
            part = images[start : start + CHECKED]
            pixels = extractor([Image.fromarray(image) for image in part], return_tensors="pt").pixel_values
            _, flags = checker(images=list(part.copy()), clip_input=pixels.to(device))  # the copy is what it blackens
            answers += [bool(answer) for answer in flags]
        return answers

    return flag


def _hush() -> None:
    """No loading bars, and no warnings about settings that are chosen here on purpose."""
    import diffusers.utils.logging
    import transformers.utils.logging

    for logging in (diffusers.utils.logging, transformers.utils.logging):
        logging.set_verbosity_error()
        logging.disable_progress_bar()


def find_model(model: str) -> Path | str:
    """Where `model` is: a folder on this machine, or its name on the hub.

    Raises:
        D3SError: a path where nothing is, or the pocket generator without its weights.
    """
    folder = model_folder(model)
    if folder.is_dir():
        return folder
    if model == "pocket":
        raise D3SError(f"generator.model: {folder} has no pocket generator; run make pocket-generator to train it.")
    if model.startswith((".", "/", "~")) or model.count("/") > 1 or "\\" in model:
        raise D3SError(f"generator.model: there is no folder {folder}; give one in diffusers layout, or a hub name.")
    return model


def _why_not(model: str, location: Path | str, error: Exception) -> str:
    """One sentence for a model that did not load."""
    if isinstance(location, Path):
        reason = str(error).strip().split("\n")[0].rstrip(".")
        return f"generator.model: {location} is no Stable Diffusion pipeline ({reason}); give a diffusers folder."
    causes, cause = [], error
    while cause is not None:
        causes.append(type(cause).__name__)
        cause = cause.__cause__ or cause.__context__
    if any(word in name for name in causes for word in ("Connect", "Timeout", "Offline", "gaierror")):
        return (
            f"generator.model: {model} is not on this machine and the hub cannot be reached; "
            "connect once to fetch it, or set generator.model to a folder in diffusers layout or to pocket."
        )
    return (
        f"generator.model: the hub has no Stable Diffusion model {model!r}, or not this revision of it; "
        "check the name, or set generator.model to a folder in diffusers layout or to pocket."
    )


@torch.inference_mode()
def embed_prompt(pipeline: DiffusionPipeline, prompt: str) -> Tensor:
    """One prompt at a time, so that an embedding does not depend on its neighbours."""
    return pipeline.encode_prompt(prompt, pipeline.device, 1, do_classifier_free_guidance=False)[0]
