"""The dataset card: what the images are, how they were made, and under whose terms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from d3s_utils.ground.files import write_text
from d3s_utils.ground.settings import Folders, HubDataset, Profile


def write_card(folder: Path, manifest: pd.DataFrame, profile: Profile) -> Path:
    """Write the dataset card, README.md, with the header that makes `load_dataset(folder)` find the splits."""
    counts = manifest.groupby("split", sort=False).size()
    files = "\n".join(f"      - split: {split}\n        path: data/{split}-*" for split in counts.index)
    sizes = ", ".join(f"{count} {split}" for split, count in counts.items())
    licence, lines = licences(profile)
    return write_text(
        Path(folder) / "README.md",
        CARD.format(
            name=profile.name,
            files=files,
            size=_size_category(len(manifest)),
            sizes=sizes,
            classes=", ".join(manifest["class_name"].unique()),
            backgrounds=", ".join(manifest["background"].unique()),
            license=licence,
            licences=card_licence(lines),
            **_generator_words(profile),
        ),
    )


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


def licences(profile: Profile) -> tuple[str, list[str]]:
    """The Hub's word for the licence of the images, and lines that say whose rights they touch.

    Outputs of a checkpoint fall under its licence, and guides contain the photographs themselves.
    """
    lines = []
    if profile.generator.model == "pocket":
        lines.append("Images: made by this project's own pocket generator; Apache-2.0.")
    else:
        lines.append(f"Images: outputs of {profile.generator.model}; its licence binds whoever uses them.")
    if profile.foregrounds == "pocket":
        lines.append("Photographs in the guides: rendered by this project; Apache-2.0.")
    else:
        lines.append(
            f"Photographs in the guides: from {_called(profile.foregrounds)}, whose terms decide who may have them; "
            "where these forbid it, drop the column `guide` before you pass the dataset on."
        )
    if profile.backgrounds not in ("pocket", "generate"):
        lines.append(
            f"Background pictures in the guides: from {Path(profile.backgrounds).name}, under their own terms."
        )
    ours = profile.generator.model == profile.foregrounds == "pocket" and profile.backgrounds in ("pocket", "generate")
    return "apache-2.0" if ours else "other", lines


def _called(source: Folders | HubDataset) -> str:
    """A source without the paths of this machine."""
    return source.dataset if isinstance(source, HubDataset) else f"the folder {Path(source.train).name}"


def card_licence(lines: Sequence[str]) -> str:
    """The licence lines as Markdown."""
    return "\n".join(f"* {line}" for line in lines)
