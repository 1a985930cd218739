"""UNet and text encoder: what they are, what they learn from, and how two threads train them."""

from __future__ import annotations

import copy
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from d3s_utils.ground.files import write_tensors
from d3s_utils.ground.muon import Optimizers
from d3s_utils.ground.parallel import one_thread_workers
from d3s_utils.ground.seeds import torch_rng_for
from d3s_utils.ground.words import BACKGROUNDS, CLASSES
from d3s_utils.pocket import captions, world
from d3s_utils.pocket.training.scenes import scenes
from d3s_utils.pocket.training.setup import Average, Curve, Setup, earlier_rounds, progress_of, workplace


def lifted_betas(setup: Setup, steps: int = 1000) -> Tensor:
    """Stable Diffusion's schedule with its log-SNR lifted, so that 64-pixel guides survive as 512-pixel ones do.

    A small picture loses its layout at noise levels a large one survives (Hoogeboom et al., 2023).
    """
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, steps, dtype=torch.float64).square()
    kept = (1 - betas).cumprod(0)
    way = torch.linspace(0, 1, steps, dtype=torch.float64)
    fall = ((way - setup.lift_until) / (1 - setup.lift_until)).clamp(min=0)
    lift = setup.lift + (setup.lift_end - setup.lift) * fall
    kept = torch.sigmoid(torch.log(kept / (1 - kept)) + lift)
    before = torch.cat([torch.ones(1, dtype=torch.float64), kept[:-1]])
    return 1 - kept / before


def new_scheduler(setup: Setup):
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        num_train_timesteps=1000,
        trained_betas=[round(beta, 9) for beta in lifted_betas(setup).tolist()],
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        timestep_spacing="trailing",  # few steps must begin at the strength asked for, not well below it
    )


def new_unet(setup: Setup):
    """A three-level UNet on 16 x 16 latents; text enters at the middle level and in the mid block."""
    from diffusers import UNet2DConditionModel
    from diffusers.models.attention_processor import AttnProcessor

    unet = UNet2DConditionModel(
        sample_size=world.SIZE // 4,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=setup.unet_channels,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=setup.text_width,
        attention_head_dim=4,
        norm_num_groups=16,
    )
    unet.set_attn_processor(AttnProcessor())  # faster than the fused kernel on small latents and CPUs
    return unet


def new_text_encoder(setup: Setup, tokenizer):
    from transformers import CLIPTextConfig, CLIPTextModel

    width = setup.text_width
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=setup.text_layers,
        num_attention_heads=4,
        max_position_embeddings=tokenizer.model_max_length,
        projection_dim=width,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


@dataclass(frozen=True)
class TrainingSet:
    """What the UNet learns from: latents and, for each, the tokens of what may be said about it."""

    latents: Tensor  # (N, 4, 16, 16) float16, scenes
    clean: Tensor  # (M, 4, 16, 16) float16, the first scenes without their object
    guide: Tensor  # (N, 4, 16, 16) float16, a guide that asks for the scene
    covered: Tensor  # (N, 16, 16) uint8, 255 where the object is
    label: Tensor
    background: Tensor
    chance: Tensor  # (N,), in proportion to how often a scene is drawn
    tokens: Tensor  # (captions, length) int64
    position: dict[str, int]  # caption -> row of tokens

    def batch(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Some training_set: latents and guides (B, 4, 16, 16) float32, how much of each latent the object covers
        (B, 1, 16, 16), rows of `tokens` (B,). A scene without its object has no guide but itself.
        """
        index = torch.multinomial(self.chance, count, replacement=True, generator=generator)
        latents, u = self.latents[index].float(), torch.rand(count, generator=generator)
        bare = (u >= captions.EMPTY) & (u < captions.EMPTY + captions.BARE)
        latents[bare] = self.clean[index[bare] % len(self.clean)].float()
        covered = self.covered[index, None] / 255 * ~bare[:, None, None, None]
        guides = torch.where(bare[:, None, None, None], latents, self.guide[index].float())
        rows = [self.caption_row(int(i), float(v)) for i, v in zip(index, u, strict=True)]
        return latents, guides, covered, torch.tensor(rows)

    def caption_row(self, index: int, u: float) -> int:
        if u < captions.EMPTY:
            return self.position[""]
        if u < captions.EMPTY + captions.BARE:
            return self.position[captions.bare_caption(BACKGROUNDS[self.background[index % len(self.clean)]])]
        definition = u >= captions.EMPTY + captions.BARE + captions.SHORT
        name = CLASSES["class_name"].iloc[int(self.label[index])]
        return self.position[captions.caption(name, BACKGROUNDS[self.background[index]], definition)]


def open_training_set(tokenizer, setup: Setup) -> TrainingSet:
    data, latents = scenes("train"), load_file(workplace() / "latents.safetensors")
    said = captions.all_captions()
    tokens = tokenizer(said, padding="max_length", return_tensors="pt", max_length=tokenizer.model_max_length)
    position = {text: row for row, text in enumerate(said)}
    hard = torch.tensor([name in setup.hard for name in CLASSES["class_name"]])
    return TrainingSet(
        latents["rgb"],
        latents["clean"],
        latents["guide"],
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


def noised_batch(training_set: TrainingSet, kept: Tensor, setup: Setup, step: int, turn: int = 0) -> Noised:
    """What the UNet sees at `step` of the `turn`-th round, and the v it should predict (Salimans & Ho, 2022).

    Each noise level is weighted by min(1, 5 / (SNR + 1)), and the object more than what is around it. Much of the noise
    remembers a guide: image-to-image starts from a noised guide, which is no noised scene, and what is left of the
    guide travels on in what the sampler takes for noise.
    """
    generator = torch_rng_for(setup.seed, "unet", turn, step)
    latents, guides, covered, rows = training_set.batch(setup.unet_batch, generator)
    stratified = (torch.arange(len(latents)) + torch.rand(len(latents), generator=generator)) / len(latents)
    way = stratified**setup.late
    times = (way * len(kept)).long().clamp(max=len(kept) - 1)
    signal, noise_level = (power.sqrt()[:, None, None, None] for power in (kept[times], 1 - kept[times]))
    noise = torch.randn(latents.shape, generator=generator)
    noise = noise + memory(way, kept, setup, generator)[:, None, None, None] * (guides - latents)
    distinct, said = rows.unique(return_inverse=True)
    snr = kept[times] / (1 - kept[times])
    weight = (5 / (snr + 1)).clamp(max=1)[:, None, None, None] * (1 + setup.object_weight * covered)
    wanted = signal * noise - noise_level * latents
    return Noised(signal * latents + noise_level * noise, times, training_set.tokens[distinct], said, wanted, weight)


def memory(way: Tensor, kept: Tensor, setup: Setup, generator: torch.Generator) -> Tensor:
    """How much of the guide is in the noise of each image (B,), at the fraction `way` (B,) of the way to t = 1000.

    An image that started from guide g at noise level s is, once the sampler knows the scene z it should become,
    sqrt(a) z + sqrt(1 - a) (e + sqrt(a_s / (1 - a_s)) (g - z)) at every later level a: at level s this is the noised
    guide itself. The level s is drawn between `way` (at least `setup.guides_from`) and 1.
    """
    first = way.clamp(min=setup.guides_from)
    start = first + (1 - first) * torch.rand(len(way), generator=generator)
    left = kept[(start * len(kept)).long().clamp(max=len(kept) - 1)]
    return (left / (1 - left)).sqrt() * (torch.rand(len(way), generator=generator) < setup.guides)


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


def train_unet(setup: Setup) -> None:
    """UNet and text encoder together; a checkpoint every `save_every` steps lets a killed run go on."""
    torch.manual_seed(setup.seed)
    tokenizer = open_tokenizer()
    models = nn.ModuleDict({"unet": new_unet(setup), "text": new_text_encoder(setup, tokenizer)})
    mean, workers = Average(models, setup.ema), one_thread_workers(setup.threads)
    optimizers = Optimizers(models, setup.unet_lr, workers)
    state = workplace() / "unet_state.safetensors"
    step, seconds = resume(state, models, mean, optimizers)
    training_set, kept, curve = (
        open_training_set(tokenizer, setup),
        (1 - lifted_betas(setup)).cumprod(0).float(),
        Curve("unet"),
    )
    progress, losses = progress_of(step, setup.unet_steps, seconds, setup.unet_minutes), []
    team, turn = Team(models, workers, setup.threads), len(earlier_rounds())  # no round sees another's noise again
    while progress < 1:
        started = time.time()
        losses.append(team.backward(noised_batch(training_set, kept, setup, step, turn)))
        norm = optimizers.step(progress, step)
        mean.update()
        step, seconds = step + 1, seconds + time.time() - started
        progress = progress_of(step, setup.unet_steps, seconds, setup.unet_minutes)
        if step % 50 == 0:
            curve.add(step=step, seconds=seconds, loss=np.mean(losses), norm=norm, progress=progress)
            losses = []
        if step % setup.save_every == 0 or progress >= 1:
            save_state(state, models, mean, optimizers, step, seconds)


def save_state(path: Path, models: nn.Module, mean: Average, optimizers: Optimizers, step: int, seconds: float) -> None:
    """Everything training needs to go on, in one safetensors file, written atomically."""
    tensors = {f"model.{name}": p.detach() for name, p in models.named_parameters()}
    tensors |= {f"mean.{name}": p for name, p in mean.mean.items()}
    for place, state in enumerate(optimizers.state_dict()):
        for row, entries in state["state"].items():
            tensors |= {f"optimizer.{place}.{row}.{key}": torch.as_tensor(value) for key, value in entries.items()}
    tensors["progress"] = torch.tensor([step, seconds, mean.count], dtype=torch.float64)
    write_tensors(path, {name: tensor.contiguous().clone() for name, tensor in tensors.items()})


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
