"""Samples are spread evenly, and made again at other strengths once."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_run import run_in, silent, small_profile

from d3s_utils.diffusion import draw, load
from d3s_utils.generation import make, samples
from d3s_utils.generation.world import open_photos, open_world


@pytest.fixture(scope="module")
def finished(tiny_checkpoint, tmp_path_factory):
    """A run and its manifest."""
    torch.set_num_threads(1)
    run = run_in(tmp_path_factory.mktemp("finished"), small_profile(tiny_checkpoint))
    return run, make.generate_dataset(run, open_world(run.profile), report=silent)


def test_samples_are_balanced_and_the_first_stay(finished):
    run, manifest = finished
    ten, eleven = (samples.balanced_rows(manifest, count, seed=1) for count in (10, 11))
    assert (ten.groupby("class_name").size() == 5).all() and ten.index.is_monotonic_increasing
    assert set(ten["image_id"]) < set(eleven["image_id"])
    whole = samples.load_samples(run, 1000)
    assert len(whole.rows) == len(whole.images) == len(whole.guides) == 20
    assert list(whole.rows["image_id"]) == list(manifest["image_id"])


def test_a_strength_sweep_is_kept(finished, monkeypatch):
    run, manifest = finished
    whole, photos = samples.load_samples(run, 1000), open_photos(run.profile)
    two = whole.pick(whole.rows.iloc[[3, 11]])
    assert np.array_equal(two.guides, whole.guides[[3, 11]]) and list(two.rows.index) == [0, 1]
    sweep = samples.strength_sweep(run, two, photos, (0.5, 0.9))
    settings = replace(run.profile.generator, strength=0.5)
    prompts, seeds = list(two.rows["prompt"]), list(two.rows["seed"])
    again = draw.generate(load.load_generator(run.profile), two.guides, prompts, seeds, settings)
    assert np.array_equal(sweep[0.5], again), "nothing but the strength was changed"
    assert np.array_equal(sweep[0.9], two.images)
    monkeypatch.setattr(samples, "load_generator", lambda profile: pytest.fail("the sweep was already there"))
    again = samples.strength_sweep(run, two, photos, (0.5, 0.9))
    assert all(np.array_equal(again[strength], sweep[strength]) for strength in sweep)
