"""Train the pocket generator and its judge from nothing: `make pocket-generator`.

Six stages, each resumable, under outputs/pocket-generator/: scenes, judge, locator, vae, latents, unet; then `export`
writes the diffusers folder. Curves are kept as CSV and shipped with the weights.

    python -m d3s_utils.pocket.train_generator                 every stage that is not finished
    python -m d3s_utils.pocket.train_generator unet export     these two
    python -m d3s_utils.pocket.train_generator adopt scenes latents unet export     train the shipped weights further
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from d3s_utils import paths, tables
from d3s_utils.parallel import one_thread_workers
from d3s_utils.pocket import captions, world
from d3s_utils.pocket.judge import Judge, JudgeNet, load_judge
from d3s_utils.pocket.locator import LocatorNet, location_loss
from d3s_utils.pocket.muon import Optimizers
from d3s_utils.pocket.widen import widen
from d3s_utils.seeds import torch_rng_for
from d3s_utils.taxonomy import BACKGROUNDS, CLASSES


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights. Minutes bound a stage on slow machines; steps bound it on fast ones."""

    seed: int = 0
    threads: int = 2
    scenes: int = 40_000
    held_out: int = 1_000
    judge_steps: int = 700
    judge_batch: int = 64
    locator_scenes: int = 8_000
    locator_steps: int = 700
    vae_channels: tuple[int, ...] = (32, 64, 96)
    vae_steps: int = 4_000
    vae_minutes: float = 15.0  # of each round
    vae_rounds: int = 2
    vae_batch: int = 8
    vae_lr: float = 1e-3
    kl: float = 2e-4
    squared: float = 10.0  # weight of the squared error beside L1
    unet_channels: tuple[int, ...] = (64, 128, 192)
    unet_steps: int = 40_000
    unet_minutes: float = 150.0
    unet_batch: int = 64
    unet_lr: float = 1e-3
    text_width: int = 128
    text_layers: int = 2
    object_weight: float = 2.0  # what an error on the object costs more than one on the background
    hard: tuple[str, ...] = ("goldfish", "coffee mug", "sports car")  # classes drawn twice as often, slow to learn
    late: float = 0.7  # below 1, noise levels are drawn more often the higher they are: shapes are decided there
    ema: float = 0.998
    lift: float = 2.0  # added to Stable Diffusion's log-SNR, so that a guide is still seen at high strength ...
    lift_until: float = 0.85  # ... up to this fraction of the way to t = 1000 ...
    lift_end: float = 0.5  # ... from where it falls to this, so that text alone starts from nearly pure noise
    save_every: int = 200


def workplace() -> Path:
    folder = paths.outputs() / "pocket-generator"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Curve:
    """A loss curve on disk: one row per report, appended, so that a killed run keeps what it had."""

    def __init__(self, stage: str):
        self.path = workplace() / f"{stage}_curve.csv"

    def add(self, **values: float) -> None:
        row = pd.DataFrame([{name: round(float(value), 5) for name, value in values.items()}])
        row.to_csv(self.path, mode="a", header=not self.path.exists(), index=False)
        print(*[f"{name}={value}" for name, value in row.iloc[0].items()], flush=True)


# ------------------------------------------------------------------------------------------------------------ scenes


def scene_table(recipe: Recipe, split: str, count: int) -> pd.DataFrame:
    """Scenes without habit, class by class in turn."""
    classes = list(CLASSES["class_name"])
    each = -(-count // len(classes))
    table = world.natural_scenes(recipe.seed, split, classes, each, habit=1 / len(BACKGROUNDS), key="generator")
    return table.sort_values("scene_id", key=lambda ids: ids.str[-5:] + ids, ignore_index=True).head(count)


def make_scenes(recipe: Recipe) -> None:
    """Render the training and held-out scenes, with their clean backgrounds."""
    for split, count in (("train", recipe.scenes), ("held_out", recipe.held_out)):
        path = workplace() / f"{split}.safetensors"
        if path.exists():
            continue
        table, started = scene_table(recipe, split, count), time.time()
        rendered = world.render(table)
        print(f"{split}: {count / (time.time() - started):.0f} scenes a second")
        background = torch.tensor([BACKGROUNDS.index(name) for name in table["background"]])
        tensors = {name: torch.from_numpy(getattr(rendered, name)) for name in ("rgb", "clean", "mask")}
        labels = {"label": torch.tensor(table["label"].to_numpy()), "background": background}
        tables.write_tensors(path, tensors | labels)


def scenes(split: str) -> dict[str, Tensor]:
    """rgb and clean uint8 (N, 64, 64, 3), mask uint8 (N, 64, 64), label and background int64 (N,)."""
    return load_file(workplace() / f"{split}.safetensors")


def pixels(images: Tensor) -> Tensor:
    """uint8 (B, S, S, 3) to float (B, 3, S, S) in [-1, 1]."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


# ------------------------------------------------------------------------------------------------------------- judge


def blemish(images: Tensor, generator: torch.Generator, mirror: bool = True) -> Tensor:
    """Blur, noise and light on images (B, 3, S, S) in [0, 1], so that a network reads shapes and not crisp edges."""
    count = len(images)
    small = F.interpolate(F.avg_pool2d(images, 2), scale_factor=2, mode="bilinear", align_corners=False)
    images = torch.lerp(images, small, torch.rand(count, 1, 1, 1, generator=generator) ** 2)
    noise = torch.randn(images.shape, generator=generator) * 0.06 * torch.rand(count, 1, 1, 1, generator=generator)
    light = 1 + 0.3 * (torch.rand(count, 3, 1, 1, generator=generator) - 0.5)
    flip = (torch.rand(count, generator=generator) < 0.5) & torch.tensor(mirror)
    images = torch.where(flip[:, None, None, None], images.flip(3), images)
    return (images * light + noise).clamp(0, 1)


def train_judge(recipe: Recipe) -> None:
    """The judge, on renders alone; its held-out accuracy is written beside its weights."""
    folder = paths.POCKET_WEIGHTS / "judge"
    if (folder / "model.safetensors").exists():
        return
    torch.manual_seed(recipe.seed)
    data, net, curve = scenes("train"), JudgeNet().to(memory_format=torch.channels_last), Curve("judge")
    optimizers = Optimizers(nn.ModuleList([net]), 2e-3, recipe.judge_steps)
    generator = torch_rng_for(recipe.seed, "judge")
    for step in range(recipe.judge_steps):
        index = torch.randint(len(data["label"]), (recipe.judge_batch,), generator=generator)
        images = blemish((pixels(data["rgb"][index]) + 1) / 2, generator)
        with torch.autocast("cpu", torch.bfloat16):
            foreground, background = net(images.to(memory_format=torch.channels_last))
        loss = F.cross_entropy(foreground.float(), data["label"][index], label_smoothing=0.05)
        loss = loss + F.cross_entropy(background.float(), data["background"][index], label_smoothing=0.05)
        loss.backward()
        optimizers.step(step / recipe.judge_steps, step)
        if step % 100 == 99:
            curve.add(step=step + 1, loss=loss.item())
    save_judge(net.eval(), folder, recipe)


def save_judge(net: JudgeNet, folder: Path, recipe: Recipe) -> None:
    """Weights in float16, and a JSON that says what they are and how well they do on held-out renders."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {"classes": list(CLASSES["class_name"]), "backgrounds": list(BACKGROUNDS)}
    tables.write_json(folder / "judge.json", about)
    half = {name: t.half().contiguous() if t.is_floating_point() else t for name, t in net.state_dict().items()}
    tables.write_tensors(folder / "model.safetensors", half)
    held = scenes("held_out")
    seen = Judge(net.float(), LocatorNet().eval(), tuple(about["classes"]), BACKGROUNDS).judge(held["rgb"].numpy())
    right = {
        "foreground": float((seen.foreground.argmax(1) == held["label"].numpy()).mean() * 100),
        "background": float((seen.background.argmax(1) == held["background"].numpy()).mean() * 100),
    }
    print("judge on held-out renders", right)
    recipe_note = {"seed": recipe.seed, "steps": recipe.judge_steps, "batch": recipe.judge_batch}
    tables.write_json(folder / "judge.json", about | {"held_out_accuracy": right, "n": len(held["rgb"]), **recipe_note})


# ----------------------------------------------------------------------------------------------------------- locator


@dataclass(frozen=True)
class Placed:
    """Renders (N, 64, 64, 3) uint8 with their clean backgrounds, labels (N,) and the objects' true centres (N, 2)."""

    rgb: Tensor
    clean: Tensor
    label: Tensor
    centre: Tensor


def placed_scenes(recipe: Recipe, split: str, count: int) -> Placed:
    table = scene_table(recipe, split, count)
    rendered = world.render(table)
    centre = torch.tensor(rendered.factors[["centre_x", "centre_y"]].to_numpy(np.float32))
    rgb, clean = torch.from_numpy(rendered.rgb), torch.from_numpy(rendered.clean)
    return Placed(rgb, clean, torch.tensor(table["label"].to_numpy()), centre)


def shrunk(images: Tensor, clean: Tensor, centres: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Guides: each picture (B, 3, S, S) 0.35 to 0.5 as large, pasted anywhere on `clean`, faded in part or not at all.

    Returns:
        The guides and where the centres (B, 2) have gone. Fading mixes the seam with what lay behind it, as weak noise
        and a few steps of drawing do.
    """
    out, moved, whole = clean.clone(), centres.clone(), images.shape[-1]
    for row in range(len(images)):
        side = int(torch.randint(round(0.35 * whole), whole // 2 + 1, (1,), generator=generator))
        left, top = torch.randint(whole - side + 1, (2,), generator=generator).tolist()
        small = F.interpolate(images[row : row + 1], (side, side), mode="area")[0]
        alpha = float(torch.rand(1, generator=generator).clamp(max=0.5) + 0.5)
        out[row, :, top : top + side, left : left + side].lerp_(small, alpha)
        moved[row] = (torch.tensor([left, top]) + side * centres[row]) / whole
    return out, moved


def train_locator(recipe: Recipe) -> None:
    """The locator, on renders and guides in equal parts; its held-out accuracy is written beside the judge's."""
    folder = paths.POCKET_WEIGHTS / "judge"
    if (folder / "locator.safetensors").exists():
        return
    data, generator = placed_scenes(recipe, "locator", recipe.locator_scenes), torch_rng_for(recipe.seed, "locator")
    torch.manual_seed(recipe.seed)
    net, curve = LocatorNet().to(memory_format=torch.channels_last), Curve("locator")
    optimizers = Optimizers(nn.ModuleList([net]), 2e-3, recipe.locator_steps)
    for step in range(recipe.locator_steps):
        index = torch.randint(len(data.label), (recipe.judge_batch,), generator=generator)
        images, centres = ((pixels(data.rgb[index]) + 1) / 2), data.centre[index].clone()
        elsewhere = (pixels(data.clean[index.roll(1)]) + 1) / 2
        half = len(index) // 2
        guides, centres[:half] = shrunk(images[:half], elsewhere[:half], centres[:half], generator)
        images = blemish(torch.cat([guides, images[half:]]), generator, mirror=False)
        with torch.autocast("cpu", torch.bfloat16):
            logp = net(images.to(memory_format=torch.channels_last), data.label[index])
        loss = location_loss(logp, centres)
        loss.backward()
        optimizers.step(step / recipe.locator_steps, step)
        if step % 100 == 99:
            curve.add(step=step + 1, loss=loss.item())
    half_size = {n: t.half().contiguous() if t.is_floating_point() else t for n, t in net.state_dict().items()}
    tables.write_tensors(folder / "locator.safetensors", half_size)
    note_locator(recipe, folder)


def note_locator(recipe: Recipe, folder: Path) -> None:
    """How well found and true centres agree on held-out renders and guides, into judge.json."""
    held, judge = placed_scenes(recipe, "locator_held_out", recipe.held_out), load_judge(folder)
    images, elsewhere = (pixels(held.rgb) + 1) / 2, (pixels(held.clean.roll(1, 0)) + 1) / 2
    found = {"renders": (images, held.centre)}
    found["guides"] = shrunk(images, elsewhere, held.centre, torch_rng_for(recipe.seed, "locator held out"))
    notes = {}
    for name, (pictures, centres) in found.items():
        places = judge.locate(pictures.mul(255).round().byte().permute(0, 2, 3, 1).numpy(), held.label)
        agree = [np.corrcoef(places[:, axis], centres[:, axis])[0, 1] for axis in (0, 1)]
        notes[name] = {"correlation": float(np.mean(agree)), "n": len(places)}
    print("locator on held-out scenes", notes)
    about = json.loads((folder / "judge.json").read_text())
    tables.write_json(folder / "judge.json", about | {"held_out_location": notes})


# --------------------------------------------------------------------------------------------------------------- vae


def new_vae(recipe: Recipe):
    """A 4x autoencoder with four latent channels, all convolutions."""
    from diffusers import AutoencoderKL

    levels = len(recipe.vae_channels)
    return AutoencoderKL(
        sample_size=world.SIZE,
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=8,
        block_out_channels=recipe.vae_channels,
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


def vae_loss(vae: nn.Module, images: Tensor, recipe: Recipe, generator: torch.Generator) -> tuple[Tensor, float]:
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
    loss = (out - images).abs().mean() + 0.5 * edges + recipe.kl * kl + recipe.squared * error
    return loss, error.item()


def progress_of(step: int, steps: int, seconds: float, minutes: float) -> float:
    """How far training is, by steps or by the clock, whichever is further."""
    return min(1.0, max(step / steps, seconds / (60 * minutes)))


def train_vae(recipe: Recipe) -> None:
    """The autoencoder, on renders and guides, in rounds: each restarts the learning rate from the last mean."""
    if (workplace() / "vae" / "diffusion_pytorch_model.safetensors").exists():
        return
    for number in range(recipe.vae_rounds):
        if not (workplace() / f"vae-{number}" / "diffusion_pytorch_model.safetensors").exists():
            train_vae_round(recipe, number)
    new_vae(recipe).from_pretrained(workplace() / f"vae-{recipe.vae_rounds - 1}").save_pretrained(workplace() / "vae")


def train_vae_round(recipe: Recipe, number: int) -> None:
    torch.manual_seed(recipe.seed)
    vae = new_vae(recipe)
    vae = vae if number == 0 else vae.from_pretrained(workplace() / f"vae-{number - 1}")
    vae = vae.train().to(memory_format=torch.channels_last)
    data, curve, mean = scenes("train"), Curve("vae"), Average(vae, recipe.ema)
    optimizers = Optimizers(nn.ModuleList([vae]), recipe.vae_lr / (1 + number), recipe.vae_steps)
    started, step, progress = time.time(), 0, 0.0
    while progress < 1:
        generator = torch_rng_for(recipe.seed, "vae", number, step)
        index = torch.randint(len(data["label"]), (recipe.vae_batch,), generator=generator)
        images = paste_some(pixels(data["rgb"][index]), pixels(data["clean"][index]), generator)
        loss, error = vae_loss(vae, images.to(memory_format=torch.channels_last), recipe, generator)
        loss.backward()
        norm = optimizers.step(progress, step)
        mean.update()
        step += 1
        progress = progress_of(step, recipe.vae_steps, time.time() - started, recipe.vae_minutes)
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


class Average:
    """An exponential running mean of a module's weights, with a warm-up."""

    def __init__(self, module: nn.Module, decay: float):
        self.module, self.decay, self.count = module, decay, 0
        self.mean = {name: p.detach().clone() for name, p in module.named_parameters()}

    @torch.no_grad()
    def update(self) -> None:
        self.count += 1
        decay = min(self.decay, (1 + self.count) / (10 + self.count))
        for name, p in self.module.named_parameters():
            self.mean[name].lerp_(p, 1 - decay)

    @torch.no_grad()
    def copy_to(self, module: nn.Module) -> None:
        for name, p in module.named_parameters():
            p.copy_(self.mean[name])


# ----------------------------------------------------------------------------------------------------------- latents


@torch.inference_mode()
def make_latents(recipe: Recipe) -> None:
    """Encode the scenes once (and an eighth of the clean backgrounds), scaled to unit variance, as float16.

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
    scale = 1 / latents.std()
    tensors = {"rgb": (latents * scale).half(), "clean": (clean * scale).half(), "scale": scale.reshape(1)}
    tensors["object"] = F.adaptive_avg_pool2d(data["mask"].float(), latents.shape[-2:]).round().byte()
    tables.write_tensors(path, tensors)


# -------------------------------------------------------------------------------------------------------------- unet


def lifted_betas(recipe: Recipe, steps: int = 1000) -> Tensor:
    """Stable Diffusion's schedule with its log-SNR lifted, so that 64-pixel guides survive as 512-pixel ones do.

    A small picture loses its layout at noise levels a large one survives (Hoogeboom et al., 2023).
    """
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, steps, dtype=torch.float64).square()
    kept = (1 - betas).cumprod(0)
    way = torch.linspace(0, 1, steps, dtype=torch.float64)
    fall = ((way - recipe.lift_until) / (1 - recipe.lift_until)).clamp(min=0)
    lift = recipe.lift + (recipe.lift_end - recipe.lift) * fall
    kept = torch.sigmoid(torch.log(kept / (1 - kept)) + lift)
    before = torch.cat([torch.ones(1, dtype=torch.float64), kept[:-1]])
    return 1 - kept / before


def new_scheduler(recipe: Recipe):
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        num_train_timesteps=1000,
        trained_betas=[round(beta, 9) for beta in lifted_betas(recipe).tolist()],
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def new_unet(recipe: Recipe):
    """A three-level UNet on 16 x 16 latents; text enters at the middle level and in the mid block."""
    from diffusers import UNet2DConditionModel
    from diffusers.models.attention_processor import AttnProcessor

    unet = UNet2DConditionModel(
        sample_size=world.SIZE // 4,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=recipe.unet_channels,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=recipe.text_width,
        attention_head_dim=4,
        norm_num_groups=16,
    )
    unet.set_attn_processor(AttnProcessor())  # faster than the fused kernel on small latents and CPUs
    return unet


def new_text_encoder(recipe: Recipe, tokenizer):
    from transformers import CLIPTextConfig, CLIPTextModel

    width = recipe.text_width
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=recipe.text_layers,
        num_attention_heads=4,
        max_position_embeddings=tokenizer.model_max_length,
        projection_dim=width,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


@dataclass(frozen=True)
class Lessons:
    """What the UNet learns from: latents and, for each, the tokens of what may be said about it."""

    latents: Tensor  # (N, 4, 16, 16) float16, scenes
    clean: Tensor  # (M, 4, 16, 16) float16, the first scenes without their object
    covered: Tensor  # (N, 16, 16) uint8, 255 where the object is
    label: Tensor
    background: Tensor
    chance: Tensor  # (N,), in proportion to how often a scene is drawn
    tokens: Tensor  # (captions, length) int64
    position: dict[str, int]  # caption -> row of tokens

    def batch(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Latents (B, 4, 16, 16) float32, how much of each the object covers (B, 1, 16, 16), rows of `tokens` (B,)."""
        index = torch.multinomial(self.chance, count, replacement=True, generator=generator)
        latents, u = self.latents[index].float(), torch.rand(count, generator=generator)
        bare = (u >= captions.EMPTY) & (u < captions.EMPTY + captions.BARE)
        latents[bare] = self.clean[index[bare] % len(self.clean)].float()
        covered = self.covered[index, None] / 255 * ~bare[:, None, None, None]
        rows = [self.caption_row(int(i), float(v)) for i, v in zip(index, u, strict=True)]
        return latents, covered, torch.tensor(rows)

    def caption_row(self, index: int, u: float) -> int:
        if u < captions.EMPTY:
            return self.position[""]
        if u < captions.EMPTY + captions.BARE:
            return self.position[captions.bare_caption(BACKGROUNDS[self.background[index % len(self.clean)]])]
        definition = u >= captions.EMPTY + captions.BARE + captions.SHORT
        name = CLASSES["class_name"].iloc[int(self.label[index])]
        return self.position[captions.caption(name, BACKGROUNDS[self.background[index]], definition)]


def open_lessons(tokenizer, recipe: Recipe) -> Lessons:
    data, latents = scenes("train"), load_file(workplace() / "latents.safetensors")
    said = captions.all_captions()
    tokens = tokenizer(said, padding="max_length", return_tensors="pt", max_length=tokenizer.model_max_length)
    position = {text: row for row, text in enumerate(said)}
    hard = torch.tensor([name in recipe.hard for name in CLASSES["class_name"]])
    return Lessons(
        latents["rgb"],
        latents["clean"],
        latents["object"],
        data["label"],
        data["background"],
        1.0 + hard[data["label"]],
        tokens["input_ids"],
        position,
    )


@dataclass(frozen=True)
class Noised:
    """A batch, or a part of one, ready for the UNet."""

    latents: Tensor  # (B, 4, 16, 16), signal and noise
    times: Tensor
    tokens: Tensor  # (captions, length), those of this batch
    said: Tensor  # (B,), rows of `tokens`
    wanted: Tensor  # (B, 4, 16, 16), v
    weight: Tensor  # (B, 1, 16, 16)

    def part(self, of: int) -> list[Noised]:
        """`of` equal parts."""
        rows = torch.arange(len(self.latents)).chunk(of)
        each = ("latents", "times", "said", "wanted", "weight")
        return [replace(self, **{name: getattr(self, name)[row] for name in each}) for row in rows]


def noised_batch(lessons: Lessons, kept: Tensor, recipe: Recipe, step: int) -> Noised:
    """What the UNet sees at `step`, and the v it should predict (Salimans & Ho, 2022).

    Each noise level is weighted by min(1, 5 / (SNR + 1)), and the object more than what is around it.
    """
    generator = torch_rng_for(recipe.seed, "unet", step)
    latents, covered, rows = lessons.batch(recipe.unet_batch, generator)
    stratified = (torch.arange(len(latents)) + torch.rand(len(latents), generator=generator)) / len(latents)
    times = (stratified**recipe.late * len(kept)).long().clamp(max=len(kept) - 1)
    signal, noise_level = (power.sqrt()[:, None, None, None] for power in (kept[times], 1 - kept[times]))
    noise = torch.randn(latents.shape, generator=generator)
    distinct, said = rows.unique(return_inverse=True)
    snr = kept[times] / (1 - kept[times])
    weight = (5 / (snr + 1)).clamp(max=1)[:, None, None, None] * (1 + recipe.object_weight * covered)
    wanted = signal * noise - noise_level * latents
    return Noised(signal * latents + noise_level * noise, times, lessons.tokens[distinct], said, wanted, weight)


def unet_loss(models: nn.ModuleDict, batch: Noised) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        text = models["text"](batch.tokens).last_hidden_state[batch.said]
        guess = models["unet"](batch.latents, batch.times, text).sample.float()
    return (batch.weight * (guess - batch.wanted).square()).mean()


class Team:
    """Copies of the models that share their weights, each on a thread of its own with its part of a batch.

    Two threads in one step of a network this small spend a third of their time waiting for each other.
    """

    def __init__(self, models: nn.ModuleDict, workers: ThreadPoolExecutor, size: int):
        self.workers, self.members = workers, [models, *(copy.deepcopy(models) for _ in range(size - 1))]
        for member in self.members[1:]:
            for mine, shared in zip(member.parameters(), models.parameters(), strict=True):
                mine.data = shared.data

    def backward(self, batch: Noised) -> float:
        """The mean loss of a batch, and its gradient in the models' `grad`."""

        def work(member: nn.ModuleDict, part: Noised) -> float:
            loss = unet_loss(member, part) * len(part.latents) / len(batch.latents)
            loss.backward()
            return loss.item()

        loss = sum(self.workers.map(work, self.members, batch.part(len(self.members))))
        for member in self.members[1:]:
            for mine, shared in zip(member.parameters(), self.members[0].parameters(), strict=True):
                if mine.grad is not None:
                    shared.grad.add_(mine.grad)
                    mine.grad = None
        return loss


def open_tokenizer():
    """The tokenizer of this training, learnt once: another learning may number the same pieces in another order."""
    from transformers import CLIPTokenizer

    folder = workplace() / "tokenizer"
    if (folder / "tokenizer.json").is_file():
        return CLIPTokenizer.from_pretrained(folder)
    return captions.learn_tokenizer(folder)


def train_unet(recipe: Recipe) -> None:
    """UNet and text encoder together; a checkpoint every `save_every` steps lets a killed run go on."""
    torch.manual_seed(recipe.seed)
    tokenizer = open_tokenizer()
    models = nn.ModuleDict({"unet": new_unet(recipe), "text": new_text_encoder(recipe, tokenizer)})
    mean, workers = Average(models, recipe.ema), one_thread_workers(recipe.threads)
    optimizers = Optimizers(models, recipe.unet_lr, recipe.unet_steps, workers=workers)
    state = workplace() / "unet_state.safetensors"
    step, seconds = resume(state, models, mean, optimizers)
    lessons, kept, curve = open_lessons(tokenizer, recipe), (1 - lifted_betas(recipe)).cumprod(0).float(), Curve("unet")
    progress, losses = progress_of(step, recipe.unet_steps, seconds, recipe.unet_minutes), []
    team = Team(models, workers, recipe.threads)
    while progress < 1:
        started = time.time()
        losses.append(team.backward(noised_batch(lessons, kept, recipe, step)))
        norm = optimizers.step(progress, step)
        mean.update()
        step, seconds = step + 1, seconds + time.time() - started
        progress = progress_of(step, recipe.unet_steps, seconds, recipe.unet_minutes)
        if step % 50 == 0:
            curve.add(step=step, seconds=seconds, loss=np.mean(losses), norm=norm, progress=progress)
            losses = []
        if step % recipe.save_every == 0 or progress >= 1:
            save_state(state, models, mean, optimizers, step, seconds)


def save_state(path: Path, models: nn.Module, mean: Average, optimizers: Optimizers, step: int, seconds: float) -> None:
    """Everything training needs to go on, in one safetensors file, written atomically."""
    tensors = {f"model.{name}": p.detach() for name, p in models.named_parameters()}
    tensors |= {f"mean.{name}": p for name, p in mean.mean.items()}
    for place, state in enumerate(optimizers.state_dict()):
        for row, entries in state["state"].items():
            tensors |= {f"optimizer.{place}.{row}.{key}": torch.as_tensor(value) for key, value in entries.items()}
    tensors["progress"] = torch.tensor([step, seconds, mean.count], dtype=torch.float64)
    tables.write_tensors(path, {name: tensor.contiguous().clone() for name, tensor in tensors.items()})


def resume(path: Path, models: nn.Module, mean: Average, optimizers: Optimizers) -> tuple[int, float]:
    """Take up `path` where it is there; returns the steps and seconds already spent."""
    if not path.exists():
        return 0, 0.0
    tensors = load_file(path)
    with torch.no_grad():
        for name, p in models.named_parameters():
            p.copy_(tensors[f"model.{name}"])
            mean.mean[name].copy_(tensors[f"mean.{name}"])
    states = optimizers.state_dict()
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, place, row, key = name.split(".")
            states[int(place)]["state"].setdefault(int(row), {})[key] = tensor
    optimizers.load_state_dict(states)
    step, seconds, mean.count = (float(value) for value in tensors["progress"])
    return int(step), seconds


# ------------------------------------------------------------------------------------------------------------ export


def export(recipe: Recipe, folder: Path = paths.POCKET_WEIGHTS / "generator") -> None:
    """Write the running means as a Stable Diffusion folder in float16, with the curves and the recipe."""
    from diffusers import AutoencoderKL, StableDiffusionPipeline

    tokenizer = open_tokenizer()
    models = nn.ModuleDict({"unet": new_unet(recipe), "text": new_text_encoder(recipe, tokenizer)})
    tensors = load_file(workplace() / "unet_state.safetensors")
    with torch.no_grad():
        for name, p in models.named_parameters():
            p.copy_(tensors[f"mean.{name}"])
    vae = AutoencoderKL.from_pretrained(workplace() / "vae")
    scale = float(load_file(workplace() / "latents.safetensors")["scale"])
    vae.register_to_config(scaling_factor=scale)
    pipeline = StableDiffusionPipeline(
        vae=vae.half(),
        text_encoder=models["text"].half(),
        tokenizer=tokenizer,
        unet=models["unet"].half(),
        scheduler=new_scheduler(recipe),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    for config in folder.rglob("config.json"):  # no path of the machine that trained it
        kept = {name: value for name, value in json.loads(config.read_text()).items() if name != "_name_or_path"}
        tables.write_json(config, kept)
    step, seconds, _ = tensors["progress"].tolist()
    notes = asdict(recipe) | {"unet_steps_done": int(step), "unet_seconds": round(seconds), "scaling_factor": scale}
    notes |= {"earlier_rounds": earlier_rounds()}
    tables.write_json(folder / "training" / "recipe.json", notes)
    for curve in sorted(workplace().glob("*_curve.csv")):
        tables.write_text(folder / "training" / curve.name, curve.read_text())


def adopt(recipe: Recipe, folder: Path = paths.POCKET_WEIGHTS / "generator") -> None:
    """Put the shipped autoencoder, UNet and text encoder where the stages look, to train the UNet one round further.

    The learning rate starts again. A UNet with fewer channels than the recipe's is widened first. What the rounds
    before took, and their curves, stays with the weights.
    """
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    CLIPTokenizer.from_pretrained(folder / "tokenizer").save_pretrained(workplace() / "tokenizer")
    AutoencoderKL.from_pretrained(folder / "vae").float().save_pretrained(workplace() / "vae")
    unet = UNet2DConditionModel.from_pretrained(folder / "unet").float()
    if tuple(unet.config.block_out_channels) != recipe.unet_channels:
        unet = widen(unet, new_unet(recipe), recipe.seed)
    parts = {
        "unet": unet,
        "text": CLIPTextModel.from_pretrained(folder / "text_encoder").float(),
    }
    models = nn.ModuleDict(parts)
    mean, optimizers = Average(models, recipe.ema), Optimizers(models, recipe.unet_lr, recipe.unet_steps)
    save_state(workplace() / "unet_state.safetensors", models, mean, optimizers, step=0, seconds=0.0)
    notes = json.loads((folder / "training" / "recipe.json").read_text())
    rounds = [*notes.get("earlier_rounds", []), {key: notes[key] for key in ROUND}]
    tables.write_json(workplace() / "earlier_rounds.json", rounds)
    curve = (folder / "training" / "unet_curve.csv").read_text()
    tables.write_text(workplace() / f"unet_round_{len(rounds)}_curve.csv", curve)
    (workplace() / "unet_curve.csv").unlink(missing_ok=True)


ROUND = ("unet_steps_done", "unet_seconds", "unet_channels")  # what is remembered of a round


def earlier_rounds() -> list[dict]:
    """Steps, seconds and channels of the rounds of training that `adopt` took up, oldest first."""
    path = workplace() / "earlier_rounds.json"
    return json.loads(path.read_text()) if path.is_file() else []


STAGES = {
    "adopt": adopt,
    "scenes": make_scenes,
    "judge": train_judge,
    "locator": train_locator,
    "vae": train_vae,
    "latents": make_latents,
    "unet": train_unet,
    "export": export,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="*", choices=[*STAGES, []], help="by default all but adopt")
    parser.add_argument("--threads", type=int, default=Recipe.threads)
    parser.add_argument("--vae-minutes", type=float, default=Recipe.vae_minutes)
    parser.add_argument("--unet-minutes", type=float, default=Recipe.unet_minutes)
    arguments = parser.parse_args()
    recipe = Recipe(threads=arguments.threads, vae_minutes=arguments.vae_minutes, unet_minutes=arguments.unet_minutes)
    torch.set_num_threads(recipe.threads)
    for stage in arguments.stages or [name for name in STAGES if name != "adopt"]:
        print("stage", stage, flush=True)
        STAGES[stage](recipe)


if __name__ == "__main__":
    main()
