"""The judge and its locator, trained on renders alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from d3s_utils.ground import paths
from d3s_utils.ground.files import write_json, write_tensors
from d3s_utils.ground.muon import Optimizers
from d3s_utils.ground.seeds import torch_rng_for
from d3s_utils.ground.words import BACKGROUNDS, CLASSES
from d3s_utils.pocket import world
from d3s_utils.pocket.judge import Judge, JudgeNet, load_judge
from d3s_utils.pocket.locator import LocatorNet, location_loss
from d3s_utils.pocket.training.scenes import blemish, pixels, scene_table, scenes
from d3s_utils.pocket.training.setup import Curve, Setup


def train_judge(setup: Setup) -> None:
    """The judge, on renders alone; its held-out accuracy is written beside its weights."""
    folder = paths.POCKET_WEIGHTS / "judge"
    if (folder / "model.safetensors").exists():
        return
    torch.manual_seed(setup.seed)
    data, net, curve = scenes("train"), JudgeNet().to(memory_format=torch.channels_last), Curve("judge")
    optimizers = Optimizers(net, 2e-3)
    generator = torch_rng_for(setup.seed, "judge")
    for step in range(setup.judge_steps):
        index = torch.randint(len(data["label"]), (setup.judge_batch,), generator=generator)
        images = blemish((pixels(data["rgb"][index]) + 1) / 2, generator)
        with torch.autocast("cpu", torch.bfloat16):
            foreground, background = net(images.to(memory_format=torch.channels_last))
        loss = F.cross_entropy(foreground.float(), data["label"][index], label_smoothing=0.05)
        loss = loss + F.cross_entropy(background.float(), data["background"][index], label_smoothing=0.05)
        loss.backward()
        optimizers.step(step / setup.judge_steps, step)
        if step % 100 == 99:
            curve.add(step=step + 1, loss=loss.item())
    save_judge(net.eval(), folder, setup)


def save_judge(net: JudgeNet, folder: Path, setup: Setup) -> None:
    """Weights in float16, and a JSON that says what they are and how well they do on held-out renders."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {"classes": list(CLASSES["class_name"]), "backgrounds": list(BACKGROUNDS)}
    write_json(folder / "judge.json", about)
    half = {name: t.half().contiguous() if t.is_floating_point() else t for name, t in net.state_dict().items()}
    write_tensors(folder / "model.safetensors", half)
    held = scenes("held_out")
    seen = Judge(net.float(), LocatorNet().eval(), tuple(about["classes"]), BACKGROUNDS).judge(held["rgb"].numpy())
    right = {
        "foreground": float((seen.foreground.argmax(1) == held["label"].numpy()).mean() * 100),
        "background": float((seen.background.argmax(1) == held["background"].numpy()).mean() * 100),
    }
    print("judge on held-out renders", right)
    setup_note = {"seed": setup.seed, "steps": setup.judge_steps, "batch": setup.judge_batch}
    write_json(folder / "judge.json", about | {"held_out_accuracy": right, "n": len(held["rgb"]), **setup_note})


@dataclass(frozen=True)
class Placed:
    """Renders (N, 64, 64, 3) uint8 with their clean backgrounds, labels (N,) and the objects' true centres (N, 2)."""

    rgb: Tensor
    clean: Tensor
    label: Tensor
    centre: Tensor


def placed_scenes(setup: Setup, split: str, count: int) -> Placed:
    table = scene_table(setup, split, count)
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


def train_locator(setup: Setup) -> None:
    """The locator, on renders and guides in equal parts; its held-out accuracy is written beside the judge's."""
    folder = paths.POCKET_WEIGHTS / "judge"
    if (folder / "locator.safetensors").exists():
        return
    data, generator = placed_scenes(setup, "locator", setup.locator_scenes), torch_rng_for(setup.seed, "locator")
    torch.manual_seed(setup.seed)
    net, curve = LocatorNet().to(memory_format=torch.channels_last), Curve("locator")
    optimizers = Optimizers(net, 2e-3)
    for step in range(setup.locator_steps):
        index = torch.randint(len(data.label), (setup.judge_batch,), generator=generator)
        images, centres = ((pixels(data.rgb[index]) + 1) / 2), data.centre[index].clone()
        elsewhere = (pixels(data.clean[index.roll(1)]) + 1) / 2
        half = len(index) // 2
        guides, centres[:half] = shrunk(images[:half], elsewhere[:half], centres[:half], generator)
        images = blemish(torch.cat([guides, images[half:]]), generator, mirror=False)
        with torch.autocast("cpu", torch.bfloat16):
            logp = net(images.to(memory_format=torch.channels_last), data.label[index])
        loss = location_loss(logp, centres)
        loss.backward()
        optimizers.step(step / setup.locator_steps, step)
        if step % 100 == 99:
            curve.add(step=step + 1, loss=loss.item())
    half_size = {n: t.half().contiguous() if t.is_floating_point() else t for n, t in net.state_dict().items()}
    write_tensors(folder / "locator.safetensors", half_size)
    note_locator(setup, folder)


def note_locator(setup: Setup, folder: Path) -> None:
    """How well found and true centres agree on held-out renders and guides, into judge.json."""
    held, judge = placed_scenes(setup, "locator_held_out", setup.held_out), load_judge(folder)
    images, elsewhere = (pixels(held.rgb) + 1) / 2, (pixels(held.clean.roll(1, 0)) + 1) / 2
    found = {"renders": (images, held.centre)}
    found["guides"] = shrunk(images, elsewhere, held.centre, torch_rng_for(setup.seed, "locator held out"))
    notes = {}
    for name, (pictures, centres) in found.items():
        places = judge.locate(pictures.mul(255).round().byte().permute(0, 2, 3, 1).numpy(), held.label)
        agree = [np.corrcoef(places[:, axis], centres[:, axis])[0, 1] for axis in (0, 1)]
        notes[name] = {"correlation": float(np.mean(agree)), "n": len(places)}
    print("locator on held-out scenes", notes)
    about = json.loads((folder / "judge.json").read_text())
    write_json(folder / "judge.json", about | {"held_out_location": notes})
