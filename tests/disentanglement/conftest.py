"""Small pictures whose left half shows the class and whose right half shows the background, and a profile for them."""

import numpy as np
import pandas as pd
import pytest
import torch

from d3s_utils.disentanglement.images import Data
from d3s_utils.ground.settings import Disentanglement, Profile

CLASSES, BACKGROUNDS = 3, 2


def coloured(n=36, side=32, seed=0):
    """Pictures, their classes (a colour on the left) and their backgrounds (a grey on the right)."""
    label, background = np.arange(n) % CLASSES, (np.arange(n) // CLASSES) % BACKGROUNDS
    pixels = np.random.default_rng(seed).integers(0, 60, (n, side, side, 3)).astype(np.uint8)
    pixels[np.arange(n), :, : side // 2, label] += 180
    pixels[:, :, side // 2 :] += (120 * background).astype(np.uint8)[:, None, None, None]
    return pixels, label, background


@pytest.fixture
def pixels():
    return coloured()[0]


@pytest.fixture
def profile():
    settings = Disentanglement(
        penalties=("none", "hsic"), width=8, views=2, backbone_epochs=1, backbone_batch_size=8, warmup=2, steps=3,
        batch_size=16, critic_steps=2,
    )  # fmt: skip
    return Profile("test", device="cpu", disentanglement=settings)


@pytest.fixture
def data():
    pixels, label, background = coloured()
    images = pd.DataFrame(
        {"image_id": [f"image-{i}" for i in range(36)], "label": label, "background_index": background}
    )
    images = images.assign(split=np.where(np.arange(36) < 24, "train", "val"), recipe_hash=images["image_id"])
    natural, natural_label, _ = coloured(18, seed=1)
    return Data(images, *map(torch.from_numpy, (pixels, natural, natural_label)), "natural")
