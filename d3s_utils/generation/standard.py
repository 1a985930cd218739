"""The standard networks of image metrics where their weights lie on disk: Inception for FID and KID, LPIPS for variety.

Nothing is fetched. The files are looked for by the names they are published under, in `realism.weights` and in torch's
own cache; without them these metrics are not taken, and no other network stands in under their name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from d3s_utils.generation.samples import Samples
from d3s_utils.ground import journal, paths
from d3s_utils.ground.cached import cached
from d3s_utils.ground.device import pick_device
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import sha256
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.settings import Realism
from d3s_utils.ground.sources import code_of
from d3s_utils.ground.stats import cluster_mean_ci

INCEPTION = "pt_inception-2015-12-05-6726825d.pth"  # github.com/mseitzer/pytorch-fid, from TensorFlow's of 2015
LPIPS = {
    "alex": "alexnet-owt-7be5be79.pth",
    "squeeze": "squeezenet1_1-b8a52dc0.pth",
    "vgg": "vgg16-397923af.pth",
}  # torchvision's, under LPIPS's linear layers
SLICE = re.compile(r"^(slices\.\d+|slice\d+)\.")
BATCH = 50
PAIRS = 20  # of images within a class
COLUMNS = ["set", "network", "distance", "low", "high", "pairs"]


def on_disk(weights: str, name: str) -> Path | None:
    """The file `name` in the folder `weights` or torch's cache; None where it is in neither."""
    folders = [paths.resolve(weights), Path(torch.hub.get_dir()) / "checkpoints"]
    for file in (folder / name for folder in folders):
        journal.note_input(file)
        if file.is_file():
            return file
    return None


def _weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a published file.

    Raises:
        D3SError: it holds anything else, which would need code from it to be run.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's unpickler raises many kinds
        raise D3SError(f"{path} holds no plain weights ({str(error).splitlines()[0][:150]}); get it again.") from error


def inception(path: Path, device: torch.device) -> Callable[[np.ndarray], np.ndarray]:
    """(N, S, S, 3) uint8 to the 2048 features FID is defined on."""
    from torchmetrics.image.fid import NoTrainInceptionV3

    _weights(path)  # torch-fidelity would run whatever is in the file; now nothing is
    try:
        network = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(path), antialias=False).to(device)
    except (RuntimeError, ModuleNotFoundError) as error:
        reason = " ".join(str(error).split())[:150]
        raise D3SError(f"{path} is not FID's Inception ({reason}); get it again, or name other features.") from error

    @torch.inference_mode()
    def extract(images: np.ndarray) -> np.ndarray:
        parts = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).split(BATCH)
        return torch.cat([network(part.to(device)).float().cpu() for part in parts]).numpy()

    return extract


def lpips(net: str, path: Path) -> nn.Module:
    """LPIPS (Zhang et al., 2018): two batches (N, 3, S, S) in -1 to 1, to (N, 1, 1, 1)."""
    from torchmetrics.functional.image.lpips import _LPIPS  # the public class would fetch the backbone

    model = _LPIPS(net=net, pnet_rand=True)
    known = _weights(path)
    try:  # its slices keep the numbers that torchvision's layers have
        state = {name: known[SLICE.sub("features.", name)] for name in model.net.state_dict()}
        model.net.load_state_dict(state)
    except (KeyError, RuntimeError) as error:
        raise D3SError(f"{path} is not torchvision's {net} ({error}); get it again.") from error
    return model.eval()


def lpips_table(folder: Path, wanted: Realism, samples: Samples, seed: int, device: str = "cpu") -> pd.DataFrame:
    """Mean LPIPS between two images, and between two guides, of one class; kept in the cache of the run in `folder`.

    Returns:
        `set`, `network`, `distance` and its 95 % bootstrap interval over classes `low`, `high`, `pairs`; no rows where
        the network's weights are not on this machine.
    """
    path = on_disk(wanted.weights, LPIPS[wanted.lpips])
    if path is None:
        return pd.DataFrame(columns=COLUMNS)
    code = code_of(lpips, beside=[Samples.__module__])

    def measure() -> pd.DataFrame:
        model = lpips(wanted.lpips, path).to(pick_device(device))
        return lpips_distances(model, samples, f"LPIPS {wanted.lpips}", seed)

    return cached(
        Path(folder) / "cache" / "lpips.parquet", [wanted.lpips, sha256(path), samples.hashes, seed, code], measure
    )


def lpips_distances(model: nn.Module, samples: Samples, network: str, seed: int) -> pd.DataFrame:
    """See `lpips_table`; `network` is the model's name."""
    rows = []
    for name, images in {"D3S": samples.images, "guides": samples.guides}.items():
        left, right, groups = _pairs(samples.rows, (seed, "lpips", name))
        apart = _distances(model, images, left, right)
        interval = cluster_mean_ci(apart, groups, (seed, "lpips interval", name))
        rows.append((name, network, apart.mean(), *interval, len(apart)))
    return pd.DataFrame(rows, columns=COLUMNS)


def _pairs(table: pd.DataFrame, key: tuple) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """At most `PAIRS` pairs of different rows of each class: their positions, and the class of each pair."""
    left, right, groups = [], [], []
    rng = rng_for(*key)
    classes = table.reset_index(drop=True).groupby("class_name", sort=True).indices
    for number, members in enumerate(classes.values()):
        shuffled = rng.permutation(members)
        half = min(PAIRS, len(members) // 2)
        left += list(shuffled[:half])
        right += list(shuffled[half : 2 * half])
        groups += [number] * half
    return np.array(left, int), np.array(right, int), np.array(groups, int)


@torch.inference_mode()
def _distances(model: nn.Module, images: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    device = next(model.parameters()).device

    def pixels(rows: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(images[rows])).to(device).permute(0, 3, 1, 2) / 127.5 - 1

    starts = range(0, len(left), BATCH)
    parts = [model(pixels(left[i : i + BATCH]), pixels(right[i : i + BATCH])).flatten() for i in starts]
    return torch.cat(parts).cpu().numpy() if parts else np.zeros(0)
