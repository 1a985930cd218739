"""One image drawn on request, with a guide of one's own: the guide, the image, and the steps on the way to it.

The image is what `shard.draw` makes of the guide, the prompt and the seed, as those of the dataset are.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from d3s_utils.data.guides import NEED_BACKGROUND, NEED_FOREGROUND
from d3s_utils.diffusion.load import Generator, load_generator
from d3s_utils.generation.guides import guides_for
from d3s_utils.generation.shard import draw
from d3s_utils.generation.world import World
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.settings import Profile
from d3s_utils.ground.squares import patch_side


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        class_name, background: of the run's.
        strength: in (0, 1]; 0 would leave the guide as it is.
        guidance: how much the prompt counts; 1 is no guidance.
        seed: of the noise.
        left, top: where the foreground is pasted, 0 (left or top edge) to 1 (right or bottom edge).
        scale: side of the foreground as a fraction of the guide's, in (0, 1].
    """

    class_name: str
    background: str
    strength: float
    guidance: float
    seed: int = 0
    left: float = 0.5
    top: float = 0.5
    scale: float = 0.4


@dataclass(frozen=True)
class Sketch:
    """What came of a request.

    Attributes:
        row: as one of the manifest, without image_id and hash.
        guide, image: (S, S, 3) uint8.
        steps: (K, S, S, 3) uint8, what the model held after some of its steps, the last being the image; empty for
            images from text alone.
        taken: (K,) how many steps had been taken by then.
    """

    row: pd.Series
    guide: np.ndarray
    image: np.ndarray
    steps: np.ndarray
    taken: tuple[int, ...]


class Sketcher:
    """Draws what is asked for in a run; the generator is loaded for the first request and stays."""

    def __init__(self, profile: Profile, world: World):
        # A batch of one, or the networks would fill up a whole tile beside the one image.
        self.profile = replace(profile, generator=replace(profile.generator, batch_size=1))
        self.world = world
        self.generator = functools.cache(lambda: load_generator(self.profile))

    def __call__(self, request: Request, shown: int = 6) -> Sketch:
        """Draw it; about `shown` steps are kept.

        Raises:
            D3SError: the run has no such class or background, a number is out of its range, or the generator cannot
                be loaded.
        """
        row = self.row(request)
        rows = row.to_frame().T
        guides = guides_for(rows, self.world.photos, self.world.backgrounds)
        settings = replace(self.profile.generator, strength=request.strength, guidance=request.guidance)
        watched = Watched(self.generator(), shown)
        image = draw(watched.generator, rows, guides, self.world.photos, settings)[0]
        return Sketch(row, guides[0], image, watched.pictures(image), tuple(watched.taken))

    def row(self, request: Request) -> pd.Series:
        """The request as a row of the manifest, with the first natural val image and background picture there are."""
        world, kind = self.world, self.world.recipe.guide
        classes = world.classes[world.classes["class_name"] == request.class_name]
        if classes.empty or request.background not in world.backgrounds.names:
            raise D3SError(f"This run draws no {request.class_name} {request.background}.")
        least = 1 / self.profile.generator.steps
        if not (least <= request.strength <= 1 and 0 < request.scale <= 1 and min(request.left, request.top) >= 0):
            raise D3SError(f"strength must be in {least:.2f} to 1, scale in (0, 1], left and top at least 0.")
        photos, empty = world.photos.table("val"), world.backgrounds.table("val")
        own = classes.iloc[0]
        definition = own["definition"] if self.profile.generator.definition else None
        size = world.photos.size
        free = size - patch_side(size, request.scale)
        return pd.Series(
            {
                "label": int(own["label"]),
                "class_name": request.class_name,
                "background": request.background,
                "prompt": world.recipe.prompt(request.class_name, definition, request.background),
                "seed": request.seed,
                "foreground_source": first(photos, "photo_id", label=own["label"]) if kind in NEED_FOREGROUND else "",
                "background_source": (
                    first(empty, "background_id", background=request.background) if kind in NEED_BACKGROUND else ""
                ),
                "left": round(min(request.left, 1) * free),
                "top": round(min(request.top, 1) * free),
                "scale": request.scale,
                "guide_kind": kind,
            }
        )


def first(table: pd.DataFrame, column: str, **where: object) -> str:
    """`column` of the first row of `table` in which each column named in `where` has its value."""
    for name, value in where.items():
        table = table[table[name] == value]
    return table[column].iloc[0]


class Watched:
    """A generator whose steps are looked at.

    Attributes:
        generator: draws what the one given draws.
        taken: after how many steps it was looked at; the last time after all of them.
    """

    def __init__(self, generator: Generator, shown: int):
        self.taken, self._latents, self._shown, self._pipeline = [], [], shown, generator.pipeline
        self.generator = replace(generator, pipeline=_Calls(generator.pipeline, self._look))

    def _look(self, pipeline: object, step: int, timestep: object, values: dict) -> dict:
        count = pipeline.num_timesteps
        if step + 1 in {round(share) for share in np.linspace(1, count, min(self._shown, count))}:
            self._latents.append(values["latents"])
            self.taken.append(step + 1)
        return values

    @torch.inference_mode()
    def pictures(self, image: np.ndarray) -> np.ndarray:
        """What the model held each time, (K, S, S, 3) uint8, the last being the `image` (S, S, 3) that it drew."""
        before, vae = self._latents[:-1], self._pipeline.vae
        seen = np.empty((len(before), *image.shape), np.uint8)
        if before:
            pixels = vae.decode(torch.cat(before).to(vae.dtype) / vae.config.scaling_factor, return_dict=False)[0]
            values = (pixels.float() / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy()
            seen = (255 * values).round().astype(np.uint8)
        return np.concatenate([seen, image[None][: len(self._latents)]])


class _Calls:
    """A pipeline that is called with a callback after each step, and else is the pipeline itself."""

    def __init__(self, pipeline: object, look: Callable[..., dict]):
        self._pipeline, self._look = pipeline, look

    def __getattr__(self, name: str) -> object:
        return getattr(self._pipeline, name)

    def __call__(self, **options: object) -> object:
        return self._pipeline(**options, callback_on_step_end=self._look)
