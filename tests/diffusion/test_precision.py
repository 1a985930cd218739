"""Networks compute as precisely as the device is fast, and see the same shape whichever images come together."""

import pytest
import torch
from torch import nn

from d3s_utils.diffusion import precision


def test_auto_takes_what_the_device_is_fast_in(monkeypatch):
    able = {"avx512_bf16": True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert precision.pick_dtype("auto", torch.device("cpu")) == torch.bfloat16
    assert precision.pick_dtype("auto", torch.device("cuda")) == torch.float16
    assert precision.pick_dtype("float32", torch.device("cuda")) == torch.float32
    able.clear()
    assert precision.pick_dtype("auto", torch.device("cpu")) == torch.float32


@pytest.mark.parametrize("count", [1, 4, 7])
def test_a_network_in_tiles_always_sees_the_same_shape_and_answers_as_before(count):
    seen = []

    class Net(nn.Module):
        def forward(self, x, t, words=None):
            seen.append(len(x))
            assert len(words) == len(x) and t == 3
            return (x + words,)

    x, words = torch.arange(2.0 * count).reshape(count, 2), torch.ones(count, 2)
    (answer,) = precision.in_tiles(Net(), rows=4)(x, 3, words=words)
    assert set(seen) == {4}
    assert torch.equal(answer, x + 1)
