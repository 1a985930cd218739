"""Croissant metadata: it tells any tool what is in a dataset folder."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from d3s_utils import __version__
from d3s_utils.ground.columns import FLOATS, INTEGERS, MANIFEST
from d3s_utils.ground.files import write_json

NAME = "croissant.json"
STANDARD = "http://mlcommons.org/croissant/1.0"
NAMES = (
    *("citeAs", "column", "extract", "field", "fileSet", "includes", "jsonPath"),
    *("recordSet", "source", "transform"),
)
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    **{name: f"cr:{name}" for name in NAMES},
}
PAPER = (
    "@article{kattakinda2022invariant, title={Invariant Learning via Diffusion Dreamed Distribution Shifts}, "
    "author={Kattakinda, Priyatham and Levine, Alexander and Feizi, Soheil}, journal={arXiv:2211.10370}, year={2022}}"
)
MEANINGS = {
    "image": "the generated image",
    "guide": "what diffusion started from",
    "split": "train or val",
    "image_id": "unique; names split, class, background and number",
    "label": "number of the class that was asked for",
    "class_name": "name of that class",
    "background": "number of the background, or other shift, that was asked for",
    "prompt": "the words the image was asked for with",
    "seed": "of the image's own random numbers",
    "foreground_source": "the foreground picture in the guide",
    "background_source": "the background picture in the guide",
    "left": "corner of the foreground in the guide, pixels",
    "top": "corner of the foreground in the guide, pixels",
    "scale": "side of the foreground as a fraction of the guide's",
    "guide_kind": "what the guide shows: paste, mask, background, foreground or none",
    "strength": "share of the denoising steps that were taken, 0-1",
    "steps": "DDIM steps before strength shortens them",
    "guidance": "weight of classifier-free guidance",
    "generator": "the diffusion model",
    "generator_revision": "its commit or content hash",
    "recipe_hash": "the image's hash: it changes with everything the image depends on",
    "nsfw": "what the generator's safety checker said; empty where it has none",
}


def write_croissant(folder: Path, manifest: pd.DataFrame, name: str, licence: str) -> Path:
    """Write croissant.json (MLCommons Croissant 1.0) to the dataset `folder`: one record set per split.

    Args:
        licence: see `card.Terms`.
    """
    splits = list(manifest["split"].unique())
    content = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": f"d3s-{name}",
        "description": "Images made by diffusion with two labels: what is in them, and on which background.",
        "conformsTo": STANDARD,
        "citeAs": PAPER,
        "license": "https://www.apache.org/licenses/LICENSE-2.0" if licence == "apache-2.0" else "see README.md",
        "url": "https://arxiv.org/abs/2211.10370",
        "version": __version__,
        "distribution": [_files(split) for split in splits],
        "recordSet": [_records(split) for split in splits],
    }
    return write_json(Path(folder) / NAME, content)


def _files(split: str) -> dict:
    return {
        "@type": "cr:FileSet",
        "@id": f"{split}-files",
        "name": f"{split}-files",
        "encodingFormat": "application/x-parquet",
        "includes": f"data/{split}-*.parquet",
    }


def _records(split: str) -> dict:
    columns = ["image", "guide", *MANIFEST, "nsfw"]
    return {"@type": "cr:RecordSet", "@id": split, "name": split, "field": [_field(split, name) for name in columns]}


def _field(split: str, column: str) -> dict:
    source: dict = {"fileSet": {"@id": f"{split}-files"}, "extract": {"column": column}}
    if column in ("image", "guide"):
        source["transform"] = {"jsonPath": "bytes"}
    return {
        "@type": "cr:Field",
        "@id": f"{split}/{column}",
        "name": column,
        "description": MEANINGS[column],
        "dataType": _type(column),
        "source": source,
    }


def _type(column: str) -> str:
    if column in ("image", "guide"):
        return "sc:ImageObject"
    if column in INTEGERS:
        return "sc:Integer"
    if column in FLOATS:
        return "sc:Float"
    return "sc:Boolean" if column == "nsfw" else "sc:Text"
