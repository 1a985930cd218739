"""Batches of both streams, and how images are varied."""

import torch

from d3s_utils.disentanglement.streams import image_streams, varied, view_streams
from d3s_utils.ground.seeds import torch_rng_for
from d3s_utils.ground.settings import Disentanglement
from d3s_utils.ground.training import Hardware


def test_d3s_images_come_first_and_alone_have_a_background_label(data):
    batch = image_streams(data, Disentanglement()).batches(8, ("key",))(3, torch_rng_for("batch"), Hardware())
    assert batch.inputs.shape == (16, 3, 32, 32) and len(batch.label) == 16 and len(batch.background) == 8
    rows = [int(own[:, :, :16].mean((1, 2)).argmax()) for own in batch.inputs]  # a mirrored one shows it on the right
    seen = [int(own[:, :, 16:].mean((1, 2)).argmax()) for own in batch.inputs]
    assert all(label in pair for label, *pair in zip(batch.label.tolist(), rows, seen, strict=True))


def test_a_batch_depends_on_its_key_step_and_draws_alone(data):
    draw, again = (image_streams(data, Disentanglement()).batches(8, ("key",)) for _ in range(2))
    late, first = (own(5, torch_rng_for("draws"), Hardware()) for own in (draw, again))
    assert torch.equal(late.inputs, first.inputs) and torch.equal(late.label, first.label)
    assert not torch.equal(late.inputs, draw(4, torch_rng_for("draws"), Hardware()).inputs)


def test_a_view_belongs_to_its_image(data):
    d3s, natural = (torch.arange(2.0)[:, None, None] + 10 * torch.arange(n)[None, :, None] for n in (24, 18))
    batch = view_streams(data, (d3s, natural)).batches(8, ("key",))(0, torch_rng_for("views"), Hardware())
    rows, views = (batch.inputs[:, 0] // 10).long(), batch.inputs[:, 0] % 10
    assert set(views.tolist()) == {0.0, 1.0}
    assert torch.equal(torch.cat([torch.arange(24)[rows[:8]] % 3, rows[8:] % 3]), batch.label)


def test_views_keep_size_and_range_and_a_mirror_keeps_the_mean(pixels):
    pixels = torch.from_numpy(pixels)
    views = varied(pixels, torch_rng_for("views"))
    assert views.shape == (36, 3, 32, 32) and views.min() >= 0 and views.max() <= 1
    still = varied(pixels, torch_rng_for("still"), shift=0.0, jitter=0.0)
    assert torch.allclose(still.mean((1, 2, 3)), pixels.float().mean((1, 2, 3)) / 255, atol=1e-5)
