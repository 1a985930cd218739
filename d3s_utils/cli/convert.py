"""Make of what the authors of a model published the one safetensors file that its row in zoo.csv reads.

python -m d3s_utils convert dino_resnet50 dino_resnet50_pretrain.pth dino_resnet50_linearweights.pth
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from d3s_utils.evaluation.loaders import load_state_dict
from d3s_utils.evaluation.published import find_row
from d3s_utils.ground import paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import read_tensors, write_tensors
from d3s_utils.ground.settings import Evaluation

WRAPPERS = ("module.", "model.")  # around the weights
STRANGERS = ("normalizer.", "attacker.")  # what the robustness library keeps beside them


def convert(name: str, files: Sequence[Path], evaluation: Evaluation) -> Path:
    """Write what the authors of `name` published as the one safetensors file its row reads.

    Args:
        files: .pth, .pt, .ckpt or .safetensors; for a linear head the backbone and the head.

    Raises:
        D3SError: the row is not of a state_dict, a file needs code to be read, or the weights do not fit.
    """
    row = find_row(name, evaluation)
    if row.loader != "state_dict":
        raise D3SError(f"{name} is loaded by {row.loader}; only state_dict rows need converting.")
    state: dict[str, Tensor] = {}
    for path in files:
        state |= _published(path, bool(row.head))
    path = paths.resolve(evaluation.state_dicts) / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, {key: value.contiguous().clone() for key, value in state.items()})
    try:
        load_state_dict(row, [], evaluation)
    except D3SError:
        path.unlink()
        raise
    return path


def _published(path: Path, has_head: bool) -> dict[str, Tensor]:
    """The tensors of one published file under the names of this package."""
    try:
        if path.suffix == ".safetensors":
            content = read_tensors(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's unpickler raises many kinds
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise D3SError(f"{path} cannot be read without running code from it ({reason}); it is left alone.") from error
    for key in ("state_dict", "model", "teacher"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    tensors = {}
    for key, value in content.items():
        if isinstance(value, Tensor) and (short := _short(key)):
            tensors[short] = value
    if not has_head:
        return tensors
    renamed = {}
    for key, value in tensors.items():
        if key.startswith(("linear.", "head.")):
            renamed["head." + key.split(".", 1)[1]] = value
        elif not key.startswith("fc."):
            renamed[f"backbone.{key.removeprefix('backbone.')}"] = value
    return renamed


def _short(key: str) -> str | None:
    """A key without its wrappers; None for what is no weight of the network."""
    while key.startswith(WRAPPERS):
        key = key.split(".", 1)[1]
    return None if key.startswith(STRANGERS) else key
