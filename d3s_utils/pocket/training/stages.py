"""Train the pocket generator and its judge from nothing: `make pocket-generator`.

Seven stages, each resumable, under outputs/pocket-generator/: scenes, guides, judge, locator, vae, latents, unet; then
`export` writes the diffusers folder. Curves are kept as CSV and shipped with the weights.

    python -m d3s_utils pocket-training                 every stage that is not finished
    python -m d3s_utils pocket-training unet export     these two
    python -m d3s_utils pocket-training adopt scenes guides latents unet export     train the shipped weights further
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from d3s_utils.ground.errors import D3SError
from d3s_utils.pocket.training.autoencoder import make_latents, train_vae
from d3s_utils.pocket.training.export import adopt, export
from d3s_utils.pocket.training.judge import train_judge, train_locator
from d3s_utils.pocket.training.scenes import make_guides, make_scenes
from d3s_utils.pocket.training.setup import Setup
from d3s_utils.pocket.training.unet import train_unet

STAGES = {
    "adopt": adopt,
    "scenes": make_scenes,
    "guides": make_guides,
    "judge": train_judge,
    "locator": train_locator,
    "vae": train_vae,
    "latents": make_latents,
    "unet": train_unet,
    "export": export,
}


def train(stages: Sequence[str], setup: Setup) -> None:
    """Run `stages` in their order; without any, every stage but adopt."""
    for stage in stages:
        if stage not in STAGES:
            raise D3SError(f"there is no stage {stage}; the stages are {', '.join(STAGES)}.")
    torch.set_num_threads(setup.threads)
    for stage in stages or [name for name in STAGES if name != "adopt"]:
        print("stage", stage, flush=True)
        STAGES[stage](setup)
