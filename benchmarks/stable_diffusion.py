"""Ours against one image per call, as the original drew, on a model of Stable Diffusion 1.x's size with random weights.

python benchmarks/stable_diffusion.py [images]      minutes on a GPU

512 pixels, 50 DDIM steps at strength 0.9 (45 UNet steps) with guidance. The ceiling is what the same multiplications
would take at the speed of one large matrix product. Without a GPU a small model runs at 64 pixels, to show that the
script works, and the GPU's figure says "not measured".
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import d3s_utils  # noqa: F401  before diffusers and transformers
from d3s_utils.ground import paths


def random_model(folder: Path) -> None:
    """Stable Diffusion 1.x's architecture, as diffusers builds it by default, with the pocket's tokenizer."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(0)
    tokenizer = CLIPTokenizer.from_pretrained(paths.POCKET_WEIGHTS / "generator" / "tokenizer")
    text = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=768, intermediate_size=3072, num_hidden_layers=12,
        num_attention_heads=12, max_position_embeddings=tokenizer.model_max_length,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4, sample_size=512,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    )  # fmt: skip
    pipeline = StableDiffusionPipeline(
        vae=vae, text_encoder=CLIPTextModel(text), tokenizer=tokenizer, safety_checker=None, feature_extractor=None,
        unet=UNet2DConditionModel(sample_size=64, cross_attention_dim=768), requires_safety_checker=False,
        scheduler=DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1),
    )  # fmt: skip
    pipeline.save_pretrained(folder)


def multiplications(unet, side: int, width: int, length: int) -> float:
    """Floating-point operations of one UNet step for one image, both halves of the guidance."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    device = next(unet.parameters()).device
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():
        words = torch.zeros(2, length, width, device=device)
        unet(torch.zeros(2, 4, side, side, device=device), torch.tensor(1, device=device), words)
    return counter.get_total_flops()


def matmul_speed(device, dtype) -> float:
    """Operations a second of a large matrix product."""
    import torch

    size = 8192 if device.type == "cuda" else 1024
    a = torch.randn(size, size, device=device, dtype=dtype)
    best = 0.0
    for _ in range(5):
        begun = time.perf_counter()
        for _ in range(10):
            a @ a
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = max(best, 10 * 2 * size**3 / (time.perf_counter() - begun))
    return best


def main() -> None:
    import torch

    from d3s_utils.diffusion import draw, load
    from d3s_utils.ground.profile import load_profile
    from d3s_utils.ground.seeds import rng_for

    gpu = torch.cuda.is_available()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else (16 if gpu else 4)
    with tempfile.TemporaryDirectory() as folder:
        if gpu:
            random_model(Path(folder))
        model, size, batch = (folder, 512, 8) if gpu else ("pocket", 64, 4)
        profile = load_profile("pocket", f"generator.model={model} generator.size={size} generator.steps=50")
        generator = load.load_generator(profile)
        guides = rng_for("benchmark").integers(0, 256, (count, size, size, 3), "uint8")

        def draw(at_once: int, images: int) -> float:
            knobs = replace(profile.generator, batch_size=at_once)
            begun = time.perf_counter()
            draw.generate(generator, guides[:images], ["a photo of a teapot"] * images, range(images), knobs)
            return images / (time.perf_counter() - begun)

        draw(batch, batch)
        one, many = draw(1, max(2, count // 4)), draw(batch, count)
        unet = generator.pipeline.unet
        latents = size // 2 ** (len(generator.pipeline.vae.config.block_out_channels) - 1)
        words = unet.config.cross_attention_dim, generator.pipeline.tokenizer.model_max_length
        work = 45 * multiplications(unet, latents, *words)
        dtype = torch.float16 if gpu else torch.float32
        ceiling = matmul_speed(generator.pipeline.device, dtype) / work
    result = {
        "device": torch.cuda.get_device_name() if gpu else "CPU",
        "size": size,
        "one_per_call": one,
        "ours": many,
        "ratio": many / one,
        "matmul_ceiling": ceiling,
        "of_ceiling": many / ceiling,
        "gpu_512": many if gpu else "not measured",
    }
    print(json.dumps({k: round(v, 3) if isinstance(v, float | np.floating) else v for k, v in result.items()}))


if __name__ == "__main__":
    main()
