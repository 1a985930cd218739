"""From training to a Stable Diffusion folder, and back to train it further."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from d3s_utils.ground import paths
from d3s_utils.ground.files import write_json, write_text
from d3s_utils.ground.muon import Optimizers
from d3s_utils.pocket.training.setup import Average, Setup, earlier_rounds, workplace
from d3s_utils.pocket.training.unet import new_scheduler, new_text_encoder, new_unet, open_tokenizer, save_state
from d3s_utils.pocket.training.widen import widen

ROUND = ("unet_steps_done", "unet_seconds", "unet_channels", "unet_lr")  # what is remembered of a round


def export(setup: Setup, folder: Path = paths.POCKET_WEIGHTS / "generator") -> None:
    """Write the running means as a Stable Diffusion folder in float16, with the curves and the setup."""
    from diffusers import AutoencoderKL, StableDiffusionPipeline

    tokenizer = open_tokenizer()
    models = nn.ModuleDict({"unet": new_unet(setup), "text": new_text_encoder(setup, tokenizer)})
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
        scheduler=new_scheduler(setup),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    for config in folder.rglob("config.json"):  # no path of the machine that trained it
        kept = {name: value for name, value in json.loads(config.read_text()).items() if name != "_name_or_path"}
        write_json(config, kept)
    step, seconds, _ = tensors["progress"].tolist()
    notes = asdict(setup) | {"unet_steps_done": int(step), "unet_seconds": round(seconds), "scaling_factor": scale}
    notes |= {"earlier_rounds": earlier_rounds()}
    write_json(folder / "training" / "setup.json", notes)
    for curve in sorted(workplace().glob("*_curve.csv")):
        write_text(folder / "training" / curve.name, curve.read_text())


def adopt(setup: Setup, folder: Path = paths.POCKET_WEIGHTS / "generator") -> None:
    """Put the shipped autoencoder, UNet and text encoder where the stages look, to train the UNet one round further.

    The learning rate starts again. A UNet with fewer channels than the setup's is widened first. What the rounds
    before took, and their curves, stays with the weights.
    """
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    CLIPTokenizer.from_pretrained(folder / "tokenizer").save_pretrained(workplace() / "tokenizer")
    AutoencoderKL.from_pretrained(folder / "vae").float().save_pretrained(workplace() / "vae")
    unet = UNet2DConditionModel.from_pretrained(folder / "unet").float()
    if tuple(unet.config.block_out_channels) != setup.unet_channels:
        unet = widen(unet, new_unet(setup), setup.seed)
    parts = {
        "unet": unet,
        "text": CLIPTextModel.from_pretrained(folder / "text_encoder").float(),
    }
    models = nn.ModuleDict(parts)
    mean, optimizers = Average(models, setup.ema), Optimizers(models, setup.unet_lr)
    save_state(workplace() / "unet_state.safetensors", models, mean, optimizers, step=0, seconds=0.0)
    notes = json.loads((folder / "training" / "setup.json").read_text())
    rounds = [*notes.get("earlier_rounds", []), {key: notes[key] for key in ROUND}]
    write_json(workplace() / "earlier_rounds.json", rounds)
    curve = (folder / "training" / "unet_curve.csv").read_text()
    write_text(workplace() / f"unet_round_{len(rounds)}_curve.csv", curve)
    (workplace() / "unet_curve.csv").unlink(missing_ok=True)
