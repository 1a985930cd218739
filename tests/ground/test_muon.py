"""Muon takes the matrices, AdamW the rest; threads change nothing."""

import pytest
import torch
from torch import nn

from d3s_utils.ground.muon import Optimizers
from d3s_utils.ground.parallel import one_thread_workers


def layers():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 6), nn.LayerNorm(6), nn.Linear(6, 9))


def test_a_step_is_the_same_with_and_without_workers():
    alone, together = layers(), layers()
    inputs = torch.linspace(-1, 1, 12).reshape(4, 3)
    with one_thread_workers(2) as workers:
        for model, optimizers in ((alone, Optimizers(alone, 0.1)), (together, Optimizers(together, 0.1, workers))):
            for step in range(3):
                model(inputs).square().sum().backward()
                optimizers.step(step / 3, step)
    pairs = zip(alone.parameters(), together.parameters(), strict=True)
    assert all(torch.allclose(*pair, atol=1e-3) for pair in pairs)
    assert not torch.allclose(alone[0].weight, layers()[0].weight, atol=1e-3)


def test_matrices_move_by_orthogonal_steps_whatever_the_size_of_their_gradient():
    moved = []
    for size in (1e-3, 1e3):
        model = layers()
        optimizers = Optimizers(model, 1.0)
        before = model[2].weight.detach().clone()
        for parameter in model.parameters():
            parameter.grad = size * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
        optimizers.step(0.0, 49)
        moved.append(model[2].weight.detach() - before)
    assert torch.allclose(*moved, atol=0.05)
    singular = torch.linalg.svdvals(moved[0]) / (0.2 * 9**0.5)
    assert singular == pytest.approx(torch.ones(6), abs=0.35)


def test_a_training_goes_on_from_its_state():
    model = layers()
    whole, parts = Optimizers(model, 0.1), Optimizers(layers(), 0.1)
    model(torch.ones(2, 3)).sum().backward()
    whole.step(0.0, 0)
    parts.load_state_dict(whole.state_dict())
    assert all(
        torch.equal(a["momentum_buffer"], b["momentum_buffer"])
        for a, b in zip(*(own.optimizers[0].state.values() for own in (whole, parts)), strict=True)
    )
