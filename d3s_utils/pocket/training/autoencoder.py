"""The autoencoder, and the latents it makes of the renders."""

from __future__ import annotations

import math
import time

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from d3s_utils.ground.files import write_tensors
from d3s_utils.ground.muon import Optimizers
from d3s_utils.ground.seeds import torch_rng_for
from d3s_utils.pocket import world
from d3s_utils.pocket.training.scenes import pixels, scenes
from d3s_utils.pocket.training.setup import Average, Curve, Setup, progress_of, workplace


def new_vae(setup: Setup):
    """A 4x autoencoder with four latent channels, all convolutions."""
    from diffusers import AutoencoderKL

    levels = len(setup.vae_channels)
    return AutoencoderKL(
        sample_size=world.SIZE,
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=8,
        block_out_channels=setup.vae_channels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        mid_block_add_attention=False,
    )


def paste_some(images: Tensor, clean: Tensor, generator: torch.Generator) -> Tensor:
    """A quarter of the batch becomes guides: a neighbour's picture, shrunk, pasted square on the clean background."""
    images, side = images.clone(), round(0.4 * images.shape[-1])
    small = F.interpolate(images.roll(1, 0), (side, side), mode="area")
    corners = torch.randint(images.shape[-1] - side + 1, (len(images), 2), generator=generator)
    for row in range(0, len(images), 4):
        left, top = corners[row].tolist()
        images[row] = clean[row]
        images[row, :, top : top + side, left : left + side] = small[row]
    return images


def slopes(images: Tensor) -> tuple[Tensor, Tensor]:
    return images.diff(dim=2), images.diff(dim=3)


def vae_loss(vae: nn.Module, images: Tensor, setup: Setup, generator: torch.Generator) -> tuple[Tensor, float]:
    """L1 of pixels and of slopes, squared error and a whiff of KL; also the squared error on [0, 1] pixels."""
    with torch.autocast("cpu", torch.bfloat16):
        moments = vae._encode(images)
        mean, logvar = moments.float().chunk(2, dim=1)
        logvar = logvar.clamp(-20, 10)
        latent = mean + torch.randn(mean.shape, generator=generator) * (0.5 * logvar).exp()
        out = vae._decode(latent, return_dict=False)[0].float()
    edges = sum((a - b).abs().mean() for a, b in zip(slopes(out), slopes(images), strict=True))
    kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
    error = (out - images).div(2).square().mean()
    loss = (out - images).abs().mean() + 0.5 * edges + setup.kl * kl + setup.squared * error
    return loss, error.item()


def train_vae(setup: Setup) -> None:
    """The autoencoder, on renders and guides, in rounds: each restarts the learning rate from the last mean."""
    if (workplace() / "vae" / "diffusion_pytorch_model.safetensors").exists():
        return
    for number in range(setup.vae_rounds):
        if not (workplace() / f"vae-{number}" / "diffusion_pytorch_model.safetensors").exists():
            train_vae_round(setup, number)
    new_vae(setup).from_pretrained(workplace() / f"vae-{setup.vae_rounds - 1}").save_pretrained(workplace() / "vae")


def train_vae_round(setup: Setup, number: int) -> None:
    torch.manual_seed(setup.seed)
    vae = new_vae(setup)
    vae = vae if number == 0 else vae.from_pretrained(workplace() / f"vae-{number - 1}")
    vae = vae.train().to(memory_format=torch.channels_last)
    data, curve, mean = scenes("train"), Curve("vae"), Average(vae, setup.ema)
    optimizers = Optimizers(vae, setup.vae_lr / (1 + number))
    started, step, progress = time.time(), 0, 0.0
    while progress < 1:
        generator = torch_rng_for(setup.seed, "vae", number, step)
        index = torch.randint(len(data["label"]), (setup.vae_batch,), generator=generator)
        images = paste_some(pixels(data["rgb"][index]), pixels(data["clean"][index]), generator)
        loss, error = vae_loss(vae, images.to(memory_format=torch.channels_last), setup, generator)
        loss.backward()
        norm = optimizers.step(progress, step)
        mean.update()
        step += 1
        progress = progress_of(step, setup.vae_steps, time.time() - started, setup.vae_minutes)
        if step % 50 == 0:
            psnr = -10 * math.log10(error)
            curve.add(round=number, step=step, seconds=time.time() - started, loss=loss.item(), psnr=psnr, norm=norm)
    mean.copy_to(vae)
    vae.to(memory_format=torch.contiguous_format).eval()
    print("held-out PSNR", held_out_psnr(vae))
    vae.save_pretrained(workplace() / f"vae-{number}")


@torch.inference_mode()
def held_out_psnr(vae: nn.Module) -> float:
    """Mean over held-out renders of the peak signal-to-noise ratio in dB, on [0, 1] pixels."""
    errors = []
    for images in pixels(scenes("held_out")["rgb"]).split(100):
        out = vae.decode(vae.encode(images).latent_dist.mean).sample.clamp(-1, 1)
        errors.append((out - images).div(2).square().mean((1, 2, 3)))
    return float((-10 * torch.cat(errors).log10()).mean())


@torch.inference_mode()
def make_latents(setup: Setup) -> None:
    """Encode scenes and guides once (and an eighth of the clean backgrounds), scaled to unit variance, as float16.

    `object` is the share of each latent's patch that the object covers, (N, 16, 16) uint8, 255 for all of it.
    """
    from diffusers import AutoencoderKL

    path = workplace() / "latents.safetensors"
    if path.exists():
        return
    vae, data = AutoencoderKL.from_pretrained(workplace() / "vae").eval(), scenes("train")

    def encode(images: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return torch.cat([vae.encode(pixels(part)).latent_dist.mean.float() for part in images.split(100)])

    latents, clean = encode(data["rgb"]), encode(data["clean"][: len(data["clean"]) // 8])
    guides = encode(load_file(workplace() / "guides.safetensors")["guide"])
    scale = 1 / latents.std()
    tensors = {"rgb": (latents * scale).half(), "clean": (clean * scale).half(), "scale": scale.reshape(1)}
    tensors["guide"] = (guides * scale).half()
    tensors["object"] = F.adaptive_avg_pool2d(data["mask"].float(), latents.shape[-2:]).round().byte()
    write_tensors(path, tensors)
