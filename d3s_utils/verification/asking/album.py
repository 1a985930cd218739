"""The pictures that annotators see, PNG bytes by name: images, their guides, and examples of the class."""

from __future__ import annotations

import base64
import functools
import io
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from d3s_utils.data.sources import Photos
from d3s_utils.generation.dataset import read_dataset
from d3s_utils.generation.world import open_photos
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.run import Run
from d3s_utils.ground.seeds import rng_for
from d3s_utils.verification.asking.task import Item

EXAMPLES = 4  # pictures of a class, from the run's photographs, shown beside an image


class Album:
    """The pictures of a run by name: "item/ID", "guide/ID" and "photo/ID", where a plan or an example names them.

    Args:
        dataset: the folder of the run's images.
        photos: the run's photographs.
        items: a plan's, see `plan.Plan`.
        seed: decides which photographs are examples of their class.
    """

    def __init__(self, dataset: Path, photos: Photos, items: pd.DataFrame, seed: int):
        self._folder, self._photos = dataset, photos
        table = self._photos.table("train")
        order = rng_for(seed, "examples").permutation(len(table))
        drawn = table.iloc[order].groupby("label", sort=True).head(EXAMPLES)
        self._examples = {
            label: [f"photo/{name}" for name in rows] for label, rows in drawn.groupby("label")["photo_id"]
        }
        self._of_item = items.set_index("item_id")[["picture", "guide", "label"]].to_dict("index")
        self._known = {*("guide/" + items["guide"])}.union(*self._examples.values())
        self.png = functools.lru_cache(maxsize=512)(self._png)

    def names(self, item_id: str) -> dict[str, str | list[str]]:
        """The names of an item's picture, of its guide, and of up to `EXAMPLES` pictures of its class."""
        item = self._of_item[item_id]
        examples = self._examples.get(item["label"], [])
        return {"picture": f"item/{item_id}", "guide": f"guide/{item['guide']}", "examples": examples}

    def thumbnail(self, name: str, side: int = 160) -> str:
        """The picture "photo/ID", small, as a data URI."""
        picture, data = Image.fromarray(self._photos.load([name.partition("/")[2]])[0]), io.BytesIO()
        picture.resize((side, side), Image.Resampling.LANCZOS).save(data, "JPEG", quality=85)
        return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"

    def _png(self, name: str) -> bytes:
        """The picture called `name`.

        Raises:
            D3SError: nobody is shown such a picture.
        """
        kind, _, key = name.partition("/")
        if kind == "item" and key in self._of_item:  # the address does not say whether it is gold
            kind, _, key = self._of_item[key]["picture"].partition("/")
        elif name not in self._known:
            raise D3SError(f"No annotator is shown a picture {name!r}.")
        if kind == "photo":
            data = io.BytesIO()
            Image.fromarray(self._photos.load([key])[0]).save(data, "PNG")
            return data.getvalue()
        return read_dataset(self._folder, "val", [kind], [key])[kind].iloc[0]["bytes"]


def show_task(run: Run, item: pd.Series) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], Item]:
    """What an annotator sees for one row of a plan: image, guide, up to four examples of its class, and the item."""
    album = Album(run.folder / "dataset", open_photos(run.profile), item.to_frame().T, run.profile.seed)
    names = album.names(item["item_id"])
    image, guide, *examples = (
        np.asarray(Image.open(io.BytesIO(album.png(name))))
        for name in (names["picture"], names["guide"], *names["examples"])
    )
    return image, guide, examples, Item(item["item_id"], item["class_name"], item["definition"], item["background"])
