"""Backgrounds that the run's own checkpoint makes from text.

Each is a PNG file of its own in <outputs>/.backgrounds, so that people can look at them and any few can be asked for.
Their folder is named by everything they depend on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
from PIL import Image

from d3s_utils.data.pictures import read_picture
from d3s_utils.data.prompts import Recipe
from d3s_utils.data.renders import rows_of
from d3s_utils.data.sources import SPLITS, Backgrounds
from d3s_utils.diffusion.draw import text_to_image
from d3s_utils.diffusion.load import load_generator
from d3s_utils.diffusion.revision import generator_revision
from d3s_utils.ground import paths
from d3s_utils.ground.cached import digest
from d3s_utils.ground.files import write_atomically
from d3s_utils.ground.seeds import seed_for
from d3s_utils.ground.settings import Profile
from d3s_utils.ground.sources import code_of
from d3s_utils.ground.words import slug


class GeneratedBackgrounds(Backgrounds):
    """Pictures of empty scenes that the run's own checkpoint makes from text when they are first asked for.

    Each picture comes from a seed of its own, so it is the same whoever makes it and beside whichever others.
    """

    def __init__(self, profile: Profile, recipe: Recipe, names: Sequence[str]):
        self.names, self._profile, self._count = tuple(names), profile, profile.dataset.generated_backgrounds
        self._words = dict(recipe.shifts or ())
        generator = profile.generator
        made_by = [generator.model, generator_revision(generator), generator.size, generator.steps, generator.guidance]
        made_by += [generator.dtype, generator.eta, code_of(text_to_image)]
        self.key = ["generated", *made_by, profile.seed, sorted(self._words.items())]
        self._folder = paths.outputs() / ".backgrounds" / digest(self.key)

    def table(self, split: str) -> pd.DataFrame:
        ids = [(f"{split}-{slug(name)}-{i:04d}", name) for name in self.names for i in range(self._count)]
        return pd.DataFrame(ids, columns=["background_id", "background"])

    def pictures(self, background_ids: Sequence[str]) -> Iterator[Image.Image]:
        self._make([name for name in dict.fromkeys(background_ids) if not self._path(name).is_file()])
        return (read_picture(self._path(background_id)) for background_id in background_ids)

    def _path(self, background_id: str) -> Path:
        return self._folder / f"{background_id}.png"

    def _make(self, missing: list[str]) -> None:
        if not missing:
            return
        known = pd.concat([self.table(split) for split in SPLITS]).set_index("background_id")
        names = list(rows_of(known, missing, "background picture")["background"])
        generator, settings = load_generator(self._profile), self._profile.generator
        for start in range(0, len(missing), settings.batch_size):
            batch = slice(start, start + settings.batch_size)
            prompts = [f"a photo {self._words.get(name, name)}" for name in names[batch]]
            seeds = [seed_for(self._profile.seed, "background", name) for name in missing[batch]]
            for name, image in zip(missing[batch], text_to_image(generator, prompts, seeds, settings), strict=True):
                picture = Image.fromarray(image)
                write_atomically(self._path(name), lambda part, p=picture: p.save(part, format="PNG"))
