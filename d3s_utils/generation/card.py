"""The dataset card: what the images are, how they were made, and under whose terms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from d3s_utils.generation.world import World
from d3s_utils.ground.files import write_text
from d3s_utils.ground.settings import Profile


@dataclass(frozen=True)
class Terms:
    """The Hub's word for the licence of the images, and lines that say whose rights they touch."""

    licence: str
    lines: tuple[str, ...]


def write_card(folder: Path, manifest: pd.DataFrame, profile: Profile, terms: Terms) -> Path:
    """Write the dataset card, README.md, with the header that makes `load_dataset(folder)` find the splits."""
    counts = manifest.groupby("split", sort=False).size()
    files = "\n".join(f"      - split: {split}\n        path: data/{split}-*" for split in counts.index)
    sizes = ", ".join(f"{count} {split}" for split, count in counts.items())
    text = CARD.format(
        name=profile.name,
        files=files,
        size=_size_category(len(manifest)),
        sizes=sizes,
        classes=", ".join(manifest["class_name"].unique()),
        backgrounds=", ".join(manifest["background"].unique()),
        license=terms.licence,
        licences="\n".join(f"* {line}" for line in terms.lines),
        **_generator_words(profile),
    )
    return write_text(Path(folder) / "README.md", text)


CARD = """---
pretty_name: "D3S ({name})"
license: {license}
task_categories:
- image-classification
size_categories:
- {size}
tags:
- synthetic
- diffusion
- background-shift
configs:
  - config_name: default
    data_files:
{files}
---

# D3S ({name})

Images made by a diffusion model, each with two labels: what is in it (`label`) and where that is (`background`).
Every class appears equally often on every background, so a classifier that leans on backgrounds fails here.

* **Images:** {sizes}, {side} x {side} pixels, PNG.
* **Classes:** {classes}.
* **Backgrounds:** {backgrounds}.
* **Made by:** `{model}`, {way},
  DDIM (eta {eta:g}), {steps} steps, strength {strength}, guidance {guidance}.

The labels are what was asked for. Whether an image shows it is for people to say: see `verified.csv` of the run.
`seed`, `foreground_source`, `background_source`, `left` and `top` are enough to make any image again.
`nsfw` is what the model's safety checker said, where it has one; no image was changed for it.

## Licence

{licences}

## Use

```python
from datasets import load_dataset
dataset = load_dataset("path/to/this/folder", split="val")
```
"""
WAYS = {
    "img2img": "image-to-image from `guide` (`guide_kind` says what it shows) and `prompt`",
    "text2img": "from `prompt` alone",
    "inpainting": "from `prompt`, around the object of `guide`, whose pixels are kept",
}


def _generator_words(profile: Profile) -> dict:
    generator = profile.generator
    return {
        "side": generator.size, "model": generator.model, "steps": generator.steps,
        "strength": generator.strength, "guidance": generator.guidance, "eta": generator.eta,
        "way": WAYS[generator.mode],
    }  # fmt: skip


def _size_category(n: int) -> str:
    """The Hub's word for a number of images."""
    bounds = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")]
    return next((word for bound, word in bounds if n < bound), "n>1M")


def licences(model: str, world: World) -> Terms:
    """Under whose terms the images are.

    Outputs of a checkpoint fall under its licence, and guides contain the photographs themselves.

    Args:
        model: the generator's.
        world: whose pictures are in the guides.
    """
    photos, backgrounds = world.photos, world.backgrounds
    if model == "pocket":
        lines = ["Images: made by this project's own pocket generator; Apache-2.0."]
    else:
        lines = [f"Images: outputs of {model}; its licence binds whoever uses them."]
    if not photos.origin:
        lines.append(f"{photos.noun.capitalize()}s in the guides: made by this project; Apache-2.0.")
    else:
        lines.append(
            f"{photos.noun.capitalize()}s in the guides: from {photos.origin}, whose terms decide who may have them; "
            "where these forbid it, drop the column `guide` before you pass the dataset on."
        )
    if backgrounds.origin:
        lines.append(f"Background pictures in the guides: from {backgrounds.origin}, under their own terms.")
    ours = model == "pocket" and not photos.origin and not backgrounds.origin
    return Terms("apache-2.0" if ours else "other", tuple(lines))
