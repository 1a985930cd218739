"""Train the pocket generator and its judge from nothing: `make pocket-generator`.

Seven stages, each resumable, under outputs/pocket-generator/: scenes, guides, judge, locator, vae, latents, unet; then
`export` writes the diffusers folder. Curves are kept as CSV and shipped with the weights.

    python -m d3s_utils.pocket.training                 every stage that is not finished
    python -m d3s_utils.pocket.training unet export     these two
    python -m d3s_utils.pocket.training adopt scenes guides latents unet export     train the shipped weights further
"""

from __future__ import annotations

import argparse

import torch

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="*", choices=[*STAGES, []], help="by default all but adopt")
    parser.add_argument("--threads", type=int, default=Setup.threads)
    parser.add_argument("--vae-minutes", type=float, default=Setup.vae_minutes)
    parser.add_argument("--unet-minutes", type=float, default=Setup.unet_minutes)
    arguments = parser.parse_args()
    setup = Setup(threads=arguments.threads, vae_minutes=arguments.vae_minutes, unet_minutes=arguments.unet_minutes)
    torch.set_num_threads(setup.threads)
    for stage in arguments.stages or [name for name in STAGES if name != "adopt"]:
        print("stage", stage, flush=True)
        STAGES[stage](setup)


if __name__ == "__main__":
    main()
