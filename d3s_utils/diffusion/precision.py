"""How precisely a network computes, and in which portions, so that an image does not depend on its neighbours."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from d3s_utils.ground.parallel import one_thread_workers

TILE = 25  # rows a CPU computes at a time: fewer are slower in bfloat16; a batch of 50 with guidance makes four


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """The number format a profile's `generator.dtype` means on `device`."""
    if name != "auto":
        return getattr(torch, name)
    if device.type != "cpu":
        return torch.float16
    able = torch.cpu.get_capabilities()
    return torch.bfloat16 if able.get("avx512_bf16") or able.get("amx_bf16") else torch.float32


def compute_in(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Let `network` compute in `dtype` while its callers go on in float32: latents keep their precision."""
    if dtype == torch.float32:
        return network

    def cast(value: object, to: torch.dtype) -> object:
        if isinstance(value, tuple):
            return tuple(cast(part, to) for part in value)
        return value.to(to) if isinstance(value, Tensor) and value.is_floating_point() else value

    def narrow(_: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        return cast(args, dtype), {name: cast(value, dtype) for name, value in kwargs.items()}

    def widen(_: nn.Module, __: tuple, output: object) -> object:
        return cast(output, torch.float32)

    network.to(dtype)
    network.register_forward_pre_hook(narrow, with_kwargs=True)
    network.register_forward_hook(widen)
    return network


def in_tiles(network: nn.Module, rows: int = TILE) -> nn.Module:
    """Let `network` see exactly `rows` rows of a batch at a time, each tile on one thread, the last one filled up.

    The shape of a batch rounds its sums, in bfloat16 coarsely enough to show in the picture. With one shape for all, an
    image comes out the same whichever images are drawn beside it, and on however many threads. Two tiles on two threads
    are also faster than one tile on both: half as fast again in bfloat16, a quarter in float32.
    """
    forward = network.forward
    pool = one_thread_workers()

    def tiled(*args: object, **kwargs: object) -> object:
        count = len(args[0])
        index = torch.arange(count + -count % rows).clamp(max=count - 1)

        def cut(value: object, tile: Tensor) -> object:
            whole = isinstance(value, Tensor) and value.ndim > 0 and len(value) == count
            return value[tile] if whole else value

        @torch.inference_mode()
        def compute(tile: Tensor) -> object:
            return forward(
                *[cut(value, tile) for value in args], **{k: cut(value, tile) for k, value in kwargs.items()}
            )

        parts = list(pool.map(compute, index.split(rows)))
        if isinstance(parts[0], Tensor):
            return torch.cat(parts)[:count]
        return tuple(torch.cat(column)[:count] for column in zip(*parts, strict=True))

    network.forward = tiled
    return network
