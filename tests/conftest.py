"""Shared by the tests: a whole Stable Diffusion of toy size, made from random numbers without a network."""

import json
from pathlib import Path

import pytest

from d3s_utils.ground.seeds import seed_for

CAPTION_WORDS = 24  # tokens a prompt of the toy model may have


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Files marked slow come first, and where several workers share the tests, each file is one worker's alone.

    So none is left with a long file at the end. The files marked `ray` are one worker's together: two clusters that
    start at once on two cores keep each other from starting in time.
    """
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    for item in items:
        group = "ray" if item.get_closest_marker("ray") else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory) -> Path:
    """A folder in diffusers layout: 32-64 px images, 4x smaller latents with 4 channels, some 100 000 weights."""
    import torch
    from diffusers import StableDiffusionPipeline

    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("tiny checkpoint"))
        parts = {"unet": tiny_unet(), "vae": tiny_vae(), "text_encoder": tiny_text_encoder()}
    pipeline = StableDiffusionPipeline(
        **parts, tokenizer=tiny_tokenizer(), scheduler=tiny_scheduler(), safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_inpainter(tiny_checkpoint, tmp_path_factory) -> Path:
    """The toy model with an inpainting UNet: latents, mask and the latents of what is kept, nine channels."""
    import torch
    from diffusers import StableDiffusionInpaintPipeline

    folder = tmp_path_factory.mktemp("checkpoints") / "inpainter"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("tiny inpainter"))
        parts = {"unet": tiny_unet(in_channels=9), "safety_checker": None}
        pipeline = StableDiffusionInpaintPipeline.from_pretrained(
            tiny_checkpoint, **parts, requires_safety_checker=False
        )
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_censor(tiny_checkpoint, tmp_path_factory) -> Path:
    """The toy model with a safety checker that objects to every image: its thresholds lie below any cosine."""
    import torch
    from diffusers import StableDiffusionPipeline
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessor

    folder = tmp_path_factory.mktemp("checkpoints") / "censor"
    small = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(projection_dim=8, vision_config=small | {"image_size": 32, "patch_size": 16})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("tiny censor"))
        checker = StableDiffusionSafetyChecker(config)
        torch.nn.init.normal_(checker.concept_embeds)
        torch.nn.init.normal_(checker.special_care_embeds)
        torch.nn.init.constant_(checker.concept_embeds_weights, -2.0)
    side = {"height": 32, "width": 32}
    extractor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=side)
    parts = {"safety_checker": checker, "feature_extractor": extractor}
    StableDiffusionPipeline.from_pretrained(tiny_checkpoint, **parts, requires_safety_checker=True).save_pretrained(
        folder
    )
    return folder


def tiny_unet(in_channels: int = 4):
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        in_channels=in_channels, sample_size=8,
        block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, cross_attention_dim=16,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=2,
    )  # fmt: skip


def tiny_vae():
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8, 8), latent_channels=4, norm_num_groups=4, sample_size=32,
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
    )  # fmt: skip


def tiny_text_encoder():
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=2 * 256 + 2, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=CAPTION_WORDS, bos_token_id=512, eos_token_id=513, pad_token_id=513,
        )
    )  # fmt: skip


def tiny_tokenizer():
    """Byte-level, no merges: one token per letter."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=CAPTION_WORDS)


def tiny_scheduler():
    from diffusers import PNDMScheduler

    return PNDMScheduler(  # as Stable Diffusion ships it; `load_generator` makes it DDIM
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1
    )


# Published models -----------------------------------------------------------------------------------------------------

CLIP_VIT = {"image_size": 32, "patch_size": 8, "width": 16, "layers": 1, "head_width": 8}


def write_zoo(folder, *rows):
    """A zoo.csv of 32-pixel models."""
    header = "model,group,loader,source,revision,size,crop,interpolation,mean,std,head,origin"
    lines = [
        f"{model},mine,{loader},{source},,32,1.0,bicubic,0.5 0.5 0.5,0.5 0.5 0.5,{head},"
        for model, loader, source, head in rows
    ]
    path = folder / "zoo.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def save_clip(folder, vision):
    import open_clip
    import torch
    from safetensors.torch import save_file

    text = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    config = {
        "model_cfg": {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text},
        "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3},
    }
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    model = open_clip.model.CLIP(**config["model_cfg"])
    save_file(
        {key: value.contiguous() for key, value in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )


# A run whose images people are asked about ----------------------------------------------------------------------------

EVIL = '<img src=x onerror="window.hacked=1">%41'  # a class name that must never become markup, nor %41 an A


@pytest.fixture(scope="session")
def asked_outputs(tmp_path_factory) -> Path:
    """An outputs folder with one run, "asked": 200 validation images of noise, pocket photographs."""
    folder = tmp_path_factory.mktemp("asked")
    profile = folder / "asked.yaml"
    profile.write_text("extends: smoke\ndataset: {train_per_cell: 0, val_per_cell: 2}\n")
    write_noise_images(profile, folder / "outputs")
    return folder


@pytest.fixture(scope="session")
def evil_outputs(tmp_path_factory) -> Path:
    """The same with photographs in folders, of a class that is called `EVIL` and of one that is not."""
    import numpy as np
    from PIL import Image

    folder = tmp_path_factory.mktemp("evil")
    for split in ("train", "val"):
        for name in (EVIL, "kettle"):
            (folder / split / name).mkdir(parents=True)
            for number in range(3):
                pixels = np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{number}.png")
    profile = folder / "evil.yaml"
    profile.write_text(
        f"extends: smoke\nforegrounds: {{train: {folder / 'train'}, val: {folder / 'val'}}}\nclasses: all\n"
        "dataset: {train_per_cell: 0, val_per_cell: 2}\nverification: {judge: none}\n"
    )
    write_noise_images(profile, folder / "outputs")
    return folder


def write_noise_images(profile, outputs):
    """The dataset and manifest of a run, its images being noise."""
    from d3s_utils.generation import shards
    from d3s_utils.generation.plan import build_manifest
    from d3s_utils.generation.world import open_world
    from d3s_utils.ground.files import write_table
    from d3s_utils.ground.profile import load_profile
    from d3s_utils.ground.seeds import rng_for

    settings = load_profile(profile)
    manifest, folder = build_manifest(settings, open_world(settings)), outputs / settings.name
    for shard in shards.shards(manifest, settings.dataset.shard_size):
        coarse = rng_for("noise", shard.name).integers(0, 256, (len(shard.rows), 8, 8, 3), "uint8")
        images = coarse.repeat(8, axis=1).repeat(8, axis=2)
        shards.write_shard(folder / "dataset", shard, images, images[:, ::-1])
    write_table(folder / "manifest.parquet", manifest)


def copy_run(outputs, to, monkeypatch):
    """A run of its own from `outputs` (a fixture above), opened."""
    import shutil

    from d3s_utils.ground.run import open_run

    shutil.copytree(outputs, to, dirs_exist_ok=True)
    monkeypatch.setenv("D3S_OUTPUTS", str(to / "outputs"))
    return open_run(str(next(to.glob("*.yaml"))), "02_human_verification")


class Served:
    """The annotation page of a profile, in a process of its own."""

    def __init__(self, profile, outputs, *options, port=0):
        import os
        import subprocess
        import sys

        command = [sys.executable, "-m", "d3s_utils", "annotate", "--profile", str(profile), "--port", str(port)]
        environment = {**os.environ, "D3S_OUTPUTS": str(outputs)}
        self.process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True, env=environment)
        self.process.stdout.readline()
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http"), self.process.communicate()
        self.port = int(self.url.partition("//")[2].partition("/")[0].rpartition(":")[2])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self) -> str:
        """Stop it as Ctrl-C does; what it said."""
        import signal

        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=300)[0]


class Client:
    """One annotator without a browser."""

    def __init__(self, port):
        import http.client

        self._http, self.cookie = http.client.HTTPConnection("127.0.0.1", port, timeout=300), ""

    def ask(self, method, path, body=None, **headers):
        """Status and JSON."""
        headers = {"Cookie": self.cookie, **headers}
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        self._http.request(method, path, None if body is None else json.dumps(body), headers)
        response = self._http.getresponse()
        data = response.read()
        if response.headers.get("Set-Cookie"):
            self.cookie = response.headers["Set-Cookie"].partition(";")[0]
        return response.status, json.loads(data) if response.headers["Content-Type"].startswith(
            "application/json"
        ) else data

    def join(self, name, token=""):
        return self.ask("POST", "/api/join", {"name": name, "token": token})
