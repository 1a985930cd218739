"""Images from guides: any diffusers image-to-image pipeline, one seed per image, shard by shard.

An image depends on its own row of the manifest: guide, prompt and seed. A shard is written whole or not at all and says
by which recipe it was made, so a killed run resumes where it stopped and ends in the same bytes.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor, nn

from d3s_utils import paths, settings, sums, tables
from d3s_utils.classifiers import pick_device
from d3s_utils.dataset import Shard, is_written, load_guides, load_images, shard_path, shards, write_card, write_shard
from d3s_utils.errors import D3SError
from d3s_utils.manifest import build_manifest, generator_revision, guides_for, object_places
from d3s_utils.parallel import one_thread_workers
from d3s_utils.photos import open_backgrounds, open_photos
from d3s_utils.profile import recipe_hash
from d3s_utils.release import write_croissant
from d3s_utils.seeds import rng_for
from d3s_utils.settings import Profile
from d3s_utils.sources import Backgrounds, Photos

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

    from d3s_utils.runs import Run


SKIPPED_FILE = "skipped.csv"
PIPELINES = {
    "img2img": "StableDiffusionImg2ImgPipeline",
    "text2img": "StableDiffusionPipeline",
    "inpainting": "StableDiffusionInpaintPipeline",
}
CHECKED = 50  # images the safety checker sees at a time
TILE = 25  # rows a CPU computes at a time in bfloat16: fewer are slower; a batch of 50 with guidance makes four


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


# Loading --------------------------------------------------------------------------------------------------------------


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
        if device.type == "cpu" and dtype != torch.float32:
            in_tiles(network)
    if wanted.compile:
        pipeline.unet.compile()
    return Generator(pipeline, functools.lru_cache(maxsize=512)(functools.partial(_embed, pipeline)), flag)


def _read_pipeline(wanted: settings.Generator) -> DiffusionPipeline:
    import diffusers

    _hush()
    place = find_model(wanted.model)
    options = {} if isinstance(place, Path) else {"revision": wanted.revision}
    options |= {} if wanted.safety else {"safety_checker": None}
    try:
        pipeline = getattr(diffusers, PIPELINES[wanted.mode]).from_pretrained(
            place, requires_safety_checker=False, dtype=torch.float32, **options
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise D3SError(_why_not(wanted.model, place, error)) from error
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
    if model == "pocket":
        folder = paths.POCKET_WEIGHTS / "generator"
        if not folder.is_dir():
            raise D3SError(f"generator.model: {folder} has no pocket generator; run make pocket-generator to train it.")
        return folder
    folder = paths.resolve(model)
    if folder.is_dir():
        return folder
    if model.startswith((".", "/", "~")) or model.count("/") > 1 or "\\" in model:
        raise D3SError(f"generator.model: there is no folder {folder}; give one in diffusers layout, or a hub name.")
    return model


def _why_not(model: str, place: Path | str, error: Exception) -> str:
    """One sentence for a model that did not load."""
    if isinstance(place, Path):
        reason = str(error).strip().split("\n")[0].rstrip(".")
        return f"generator.model: {place} is no Stable Diffusion pipeline ({reason}); give a diffusers folder."
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


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """The number format a profile's `generator.dtype` means on `device`."""
    if name != "auto":
        return getattr(torch, name)
    if device.type != "cpu":
        return torch.float16
    able = torch.cpu.get_capabilities()
    return torch.bfloat16 if able.get("avx512_bf16") or able.get("amx_bf16") else torch.float32


def compute_in(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Let `network` compute in `dtype` while its callers go on in float32: latents keep their precision."""
    if dtype == torch.float32:
        return network

    def cast(value: object, to: torch.dtype) -> object:
        if isinstance(value, tuple):
            return tuple(cast(part, to) for part in value)
        return value.to(to) if isinstance(value, Tensor) and value.is_floating_point() else value

    def narrow(_: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        return cast(args, dtype), {name: cast(value, dtype) for name, value in kwargs.items()}

    def widen(_: nn.Module, __: tuple, output: object) -> object:
        return cast(output, torch.float32)

    network.to(dtype)
    network.register_forward_pre_hook(narrow, with_kwargs=True)
    network.register_forward_hook(widen)
    return network


def in_tiles(network: nn.Module, rows: int = TILE) -> nn.Module:
    """Let `network` see exactly `rows` rows of a batch at a time, each tile on one thread, the last one filled up.

    In bfloat16 sums are rounded coarsely enough for the shape of the batch to show in the picture. With one shape for
    all, an image comes out the same whichever images are drawn beside it, and on however many threads. Two tiles on two
    threads are also half as fast again as one tile on both.
    """
    forward = network.forward
    pool = one_thread_workers()

    def tiled(*args: object, **kwargs: object) -> object:
        count = len(args[0])
        index = torch.arange(count + -count % rows).clamp(max=count - 1)

        def cut(value: object, tile: Tensor) -> object:
            whole = isinstance(value, Tensor) and value.ndim > 0 and len(value) == count
            return value[tile] if whole else value

        @torch.inference_mode()
        def compute(tile: Tensor) -> object:
            return forward(
                *[cut(value, tile) for value in args], **{k: cut(value, tile) for k, value in kwargs.items()}
            )

        parts = list(pool.map(compute, index.split(rows)))
        if isinstance(parts[0], Tensor):
            return torch.cat(parts)[:count]
        return tuple(torch.cat(column)[:count] for column in zip(*parts, strict=True))

    network.forward = tiled
    return network


# Drawing --------------------------------------------------------------------------------------------------------------


def generate(
    generator: Generator,
    guides: np.ndarray,
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: settings.Generator,
    places: np.ndarray | None = None,
) -> np.ndarray:
    """Draw in the profile's mode. Image-to-image: noise each guide by `strength` and denoise it towards its prompt.
    Inpainting: do so around the object, whose pixels stay. Text-to-image: the prompt alone, guides count for nothing.

    Image i is what the stock pipeline makes of guide i, prompt i and `torch.Generator().manual_seed(seeds[i])`,
    whichever images are drawn beside it, up to the rounding of sums.

    Args:
        guides: (N, S, S, 3) uint8; S a multiple of the autoencoder's step (8 fits all).
        places: for inpainting, where the object is: (N, S, S) uint8, 255 = object.

    Returns:
        (N, S, S, 3) uint8.
    """
    if settings.mode == "text2img":
        return text_to_image(generator, prompts, seeds, settings)
    images = np.empty_like(guides)
    for start in range(0, len(guides), settings.batch_size):
        batch = slice(start, start + settings.batch_size)
        if settings.mode == "inpainting":
            given = guides[batch], places[batch]
            images[batch] = _inpaint_batch(generator, *given, prompts[batch], seeds[batch], settings)
        else:
            images[batch] = _draw_batch(generator, guides[batch], prompts[batch], seeds[batch], settings)
    return images


def draw(
    generator: Generator, rows: pd.DataFrame, guides: np.ndarray, photos: Photos, settings: settings.Generator
) -> np.ndarray:
    """`generate` for rows of the manifest and their guides."""
    places = object_places(rows, photos) if settings.mode == "inpainting" else None
    return generate(generator, guides, list(rows["prompt"]), list(rows["seed"]), settings, places)


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
    places: np.ndarray,
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: settings.Generator,
) -> np.ndarray:
    """Repaint what is not object; what is comes from the guide, pixel by pixel, grey edges of a mask in proportion."""
    kept = places[..., None] / 255
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


@torch.inference_mode()
def _embed(pipeline: DiffusionPipeline, prompt: str) -> Tensor:
    """One prompt at a time, so that an embedding does not depend on its neighbours."""
    return pipeline.encode_prompt(prompt, pipeline.device, 1, do_classifier_free_guidance=False)[0]


def _random(seeds: Sequence[int]) -> list[torch.Generator]:
    """One CPU generator per image: the same noise on every device."""
    return [torch.Generator().manual_seed(int(seed)) for seed in seeds]


# The dataset ----------------------------------------------------------------------------------------------------------


def say(line: str) -> None:
    """Plain progress: a line at once, in a notebook, a log or a terminal."""
    print(line, flush=True)


def generate_dataset(run: Run, report: Callable[[str], None] = say, worker: int = 0, of: int = 1) -> pd.DataFrame:
    """Make every image of the run: manifest.parquet, the shards that are missing, then the dataset's card and its sums.

    Kill it whenever you like and call it again: finished shards whose recipe still holds are kept, everything else is
    made anew, and the bytes come out the same.

    Args:
        report: gets one line per shard.
        worker, of: this is worker 0 .. of-1 of several that share the shards among them, on one machine or many. Each
            makes every `of`-th shard; whoever finds all of them written writes card and sums.

    Returns:
        The manifest.
    """
    profile, folder = run.profile, run.path("dataset")
    photos, backgrounds = open_photos(profile), open_backgrounds(profile)
    manifest = build_manifest(profile, photos, backgrounds)
    run.save(manifest, "manifest.parquet")
    _save_skipped(run, photos, backgrounds, report)
    planned = shards(manifest, profile)
    if of == 1:  # else what is half-written may be another worker's, at work
        remove_parts(folder)
        remove_strangers(folder, planned)
    missing = [shard for shard in planned[worker::of] if not is_written(folder, shard)]
    if missing or not is_complete(folder, planned):
        (folder / sums.NAME).unlink(missing_ok=True)  # it speaks of a whole dataset
    _generate_shards(run, manifest, missing, photos, backgrounds, report)
    if is_complete(folder, planned):
        remove_strangers(folder, planned)
        write_card(folder, manifest, profile)
        write_croissant(folder, manifest, profile)
        sums.write_sums(folder)
    return manifest


def is_complete(folder: Path, planned: Sequence[Shard]) -> bool:
    """Whether every shard is there, whoever made it."""
    return all(is_written(folder, shard) for shard in planned)


def _save_skipped(run: Run, photos: Photos, backgrounds: Backgrounds, report: Callable[[str], None]) -> None:
    """Name the pictures that were left out in skipped.csv; where all are rendered there is none."""
    if run.profile.foregrounds == run.profile.backgrounds == "pocket":
        return
    skipped = pd.concat([photos.skipped(), backgrounds.skipped()], ignore_index=True)
    run.save(skipped, SKIPPED_FILE)
    if len(skipped):
        report(f"{len(skipped)} picture(s) cannot be used and are left out: see {SKIPPED_FILE}")


def _generate_shards(
    run: Run,
    manifest: pd.DataFrame,
    missing: list[Shard],
    photos: Photos,
    backgrounds: Backgrounds,
    report: Callable[[str], None],
) -> None:
    if not missing:
        return
    profile, folder = run.profile, run.path("dataset")
    if profile.dataset.engine == "ray":
        from d3s_utils.cluster import generate_shards

        return generate_shards(profile, folder, missing, report)
    generator = load_generator(profile)
    total, done, begun = sum(len(shard.rows) for shard in missing), 0, time.monotonic()
    for shard in missing:
        _require_one_plan(run, manifest)
        generate_shard(generator, folder, shard, photos, backgrounds, profile.generator)
        done += len(shard.rows)
        rate = done / max(time.monotonic() - begun, 1e-9)
        left = (total - done) / rate / 60
        report(f"{shard.name}: {done} of {total} images, {rate:.1f} a second, {left:.1f} minutes to go")


def generate_shard(
    generator: Generator,
    folder: Path,
    shard: Shard,
    photos: Photos,
    backgrounds: Backgrounds,
    settings: settings.Generator,
) -> Path:
    """Make the images of one shard and write it to the dataset `folder`, whole or not at all."""
    guides = guides_for(shard.rows, photos, backgrounds)
    images = draw(generator, shard.rows, guides, photos, settings)
    flags = generator.flag(images) if generator.flag else [None] * len(images)
    return write_shard(folder, shard, images, guides, flags)


def _require_one_plan(run: Run, manifest: pd.DataFrame) -> None:
    """Stop if another worker has written the manifest of another recipe meanwhile.

    Raises:
        D3SError: whose mend is to start every worker with one profile and one --set.
    """
    path = run.path("manifest.parquet")
    if list(tables.read_table(path)["recipe_hash"]) != list(manifest["recipe_hash"]):
        raise D3SError(
            f"{path}: another worker plans other images in this folder; stop them all and start every one with the "
            "same --profile and --set. Finished shards are kept."
        )


def remove_parts(folder: Path) -> None:
    """Delete what a killed run left half-written."""
    for file in [*(Path(folder) / "data").glob(".*.part"), *Path(folder).glob(".*.part")]:
        file.unlink(missing_ok=True)


def remove_strangers(folder: Path, planned: Sequence[Shard]) -> None:
    """Delete shards that are not of this plan."""
    kept = {shard_path(folder, shard).name for shard in planned}
    for file in (Path(folder) / "data").glob("*.parquet"):
        if file.name not in kept:
            file.unlink(missing_ok=True)


@dataclass(frozen=True)
class Samples:
    """Some images to look at: rows of the manifest, images and guides (N, S, S, 3) uint8, all in one order."""

    rows: pd.DataFrame
    images: np.ndarray
    guides: np.ndarray


def load_samples(run: Run, count: int, split: str = "val") -> Samples:
    """At most `count` images of a split, spread evenly over classes and backgrounds."""
    manifest = tables.read_table(run.path("manifest.parquet"))
    rows = balanced_rows(manifest[manifest["split"] == split], count, run.profile.seed)
    ids, folder = list(rows["image_id"]), run.path("dataset")
    return Samples(rows.reset_index(drop=True), load_images(folder, ids)[0], load_guides(folder, ids)[0])


def balanced_rows(rows: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """`count` of `rows`, spread evenly over classes and then backgrounds, drawn by `seed`, in the order they had.

    The `count` + 1 rows are those of `count` and one more.
    """
    shuffled = rows.iloc[rng_for(seed, "balanced rows").permutation(len(rows))]
    turn = shuffled.groupby(["class_name", "background"]).cumcount()
    order = turn.groupby(shuffled["class_name"]).rank(method="first")
    return rows.loc[sorted(order.sort_values(kind="stable").index[:count])]


# One knob turned ------------------------------------------------------------------------------------------------------


def strength_sweep(run: Run, rows: pd.DataFrame, strengths: Sequence[float] | None = None) -> dict[float, np.ndarray]:
    """The images of `rows` (of the manifest) made again at other strengths; same guide, prompt and seed.

    Kept in the run's cache, each strength by its own recipe; the run's own strength comes from the dataset.

    Args:
        strengths: in (0, 1]; by default those of `profile.realism.strengths`.

    Returns:
        Images (N, S, S, 3) uint8 by strength.
    """
    profile, sweep, photos = run.profile, {}, open_photos(run.profile)
    guides = load_guides(run.path("dataset"), list(rows["image_id"]))[0]
    load = functools.cache(lambda: load_generator(profile))  # not at all when every strength is in the cache
    for strength in strengths or profile.realism.strengths:
        knobs = replace(profile.generator, strength=strength)
        recipe = recipe_hash("sweep", generator_revision(profile), knobs, profile.threads, list(rows["recipe_hash"]))
        path = run.path("cache", f"sweep-{recipe}.safetensors")
        if strength == profile.generator.strength:
            sweep[strength] = load_images(run.path("dataset"), list(rows["image_id"]))[0]
            continue
        if not path.is_file():
            images = draw(load(), rows, guides, photos, knobs)
            tables.write_tensors(path, {"images": images})
        sweep[strength] = tables.read_tensors(path)["images"].numpy()
    return sweep
