"""Give a trained UNet more channels without forgetting: each new channel starts as the copy of a neighbour.

A channel that is copied shares its outgoing weights with the copy, so that what follows adds up as before (Net2Net,
Chen et al., 2016). Group and layer norms see a channel more than they did; some hundred steps of training take that up.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SPLIT = 0.2  # a copied channel keeps 0.5 +- this of its outgoing weights, so that the two grow apart
RIDGE = 1e-3  # of the mean square of a sinusoid


def widen(old: nn.Module, new: nn.Module, seed: int = 0) -> nn.Module:
    """Fill `new`, a diffusers UNet like `old` but with more channels, from `old`; returns `new`.

    Raises:
        ValueError: the two differ in more than channels.
    """
    before, after = dict(old.named_parameters()), dict(new.named_parameters())
    if before.keys() != after.keys():
        raise ValueError("widen: the two networks have different layers; only their channels may differ.")
    joints = _joints(old, new)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in after.items():
            if name == "time_embedding.linear_1.weight":
                weight.copy_(_time_weight(before[name], old, new))
            else:
                weight.copy_(_grown(name, before[name], weight.shape, joints, generator))
    return new


def _joints(old: nn.Module, new: nn.Module) -> dict[int, tuple[list[int], list[int]]]:
    """Where old concatenations (hidden, skip) do not grow in one proportion: their channels -> old and new parts."""
    widths = list(zip(old.config.block_out_channels, new.config.block_out_channels, strict=True))
    pairs = [(a, b) for a in widths for b in widths if a[0] * b[1] != a[1] * b[0] and a[0] > b[0]]
    return {a[0] + b[0]: ([a[0], b[0]], [a[1], b[1]]) for a, b in pairs}


def _sources(few: int, many: int, joints: dict[int, tuple[list[int], list[int]]]) -> Tensor:
    """The old channel each of `many` new ones is a copy of; neighbours stay neighbours, and so do groups and heads."""
    parts = joints.get(few)
    if parts is not None and sum(parts[1]) == many:
        starts = [0, parts[0][0]]
        return torch.cat([start + _sources(a, b, {}) for start, a, b in zip(starts, *parts, strict=True)])
    return torch.arange(many) * few // many


def _grown(name: str, old: Tensor, shape: torch.Size, joints: dict, generator: torch.Generator) -> Tensor:
    """One parameter in its new shape."""
    rows = _sources(len(old), shape[0], joints)
    grown = old[rows]
    if name.endswith("to_q.weight"):  # the softmax divides by the root of the head's width
        grown = grown * (shape[0] / len(old)) ** 0.5
    if name.endswith("to_k.weight"):  # queries and keys are multiplied channel by channel
        grown = grown * _shares(rows, len(old), generator)[:, None]
    if old.ndim > 1 and shape[1] != old.shape[1]:
        columns = _sources(old.shape[1], shape[1], joints)
        grown = grown[:, columns]
        grown = grown * _shares(columns, old.shape[1], generator).reshape(1, -1, *[1] * (old.ndim - 2))
    return grown


def _shares(sources: Tensor, few: int, generator: torch.Generator) -> Tensor:
    """How much of its source's outgoing weight each channel carries; the shares of one source add up to 1."""
    raw = 0.5 + SPLIT * (2 * torch.rand(len(sources), generator=generator) - 1)
    return raw / torch.zeros(few).index_add(0, sources, raw)[sources]


def _time_weight(old: Tensor, old_unet: nn.Module, new_unet: nn.Module) -> Tensor:
    """Wider sinusoids have other frequencies: the weight that makes of them what the old one made, at all times.

    Ridge regression: sinusoids are nearly dependent, and weights that cancel each other would drown in bfloat16.
    """
    times = torch.arange(1000)
    wanted = old_unet.time_proj(times).double() @ old.detach().double().T
    wanted = wanted[:, _sources(len(old), new_unet.time_embedding.linear_1.out_features, {})]
    waves = new_unet.time_proj(times).double()
    gram = waves.T @ waves
    found = torch.linalg.solve(gram + RIDGE * gram.diagonal().mean() * torch.eye(len(gram)), waves.T @ wanted)
    return found.T.to(old.dtype)
