"""The small networks that a run can train: architectures of timm, narrowed until a CPU trains them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from d3s_utils.evaluation.classifiers import SIDE
from d3s_utils.ground.errors import D3SError


@dataclass(frozen=True)
class Network:
    """A function or class of `timm.models`, what makes it small, and the learning rate that suits it."""

    architecture: str
    sizes: dict
    lr: float = 0.01


# Five families, narrowed until 4 000 images of 64 pixels take about half a minute on one CPU core. A row here is all it
# takes for a network to reach every table and figure; a network depends on its own row alone.
NETWORKS = {
    "resnet": Network("resnet10t", {"channels": (16, 32, 64, 128), "stem_width": 8}),
    "densenet": Network(
        "DenseNet", {"growth_rate": 12, "block_config": (2, 2, 2, 2), "bn_size": 2, "stem_type": "deep"}
    ),
    "convnext": Network(
        "ConvNeXt",
        {"patch_size": 4, "depths": (1, 1, 1, 1), "dims": (24, 48, 96, 192), "ls_init_value": None},  # no slow start
    ),
    "vit": Network(
        "VisionTransformer",
        {"img_size": SIDE, "patch_size": 8, "depth": 3, "embed_dim": 64, "num_heads": 2, "mlp_ratio": 2.0},
    ),
    "mixer": Network("MlpMixer", {"img_size": SIDE, "patch_size": 8, "num_blocks": 3, "embed_dim": 64}),
}


def find_network(name: str) -> Network:
    """The row of `NETWORKS` called `name`.

    Raises:
        D3SError: if there is none.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    near = difflib.get_close_matches(name, NETWORKS, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise D3SError(
        f"evaluation.models: there is no model {name!r} to train{hint}; known are {', '.join(NETWORKS)}. "
        "For a model of timm with its own weights set evaluation.weights to pretrained."
    )
