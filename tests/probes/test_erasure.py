"""LEACE leaves a linear reader nothing, and little else has moved."""

import numpy as np
import pandas as pd

from d3s_utils.disentanglement.features import Features
from d3s_utils.ground.seeds import rng_for
from d3s_utils.probes.erasure import erase, leace


def test_after_erasure_the_class_means_are_equal_and_little_else_has_moved():
    rng = rng_for("leace")
    labels = np.arange(400) % 4
    x = (rng.normal(size=(400, 16)) + 3 * np.eye(4, 16)[labels]).astype(np.float32)
    fit = np.ones(400, bool)
    erased = leace(x, labels, fit)
    means = np.stack([erased[labels == k].mean(axis=0) for k in range(4)])
    assert np.ptp(means, axis=0).max() < 0.05
    assert np.allclose(erased[:, 8:], x[:, 8:], atol=0.6)


def test_after_erasure_features_and_labels_do_not_correlate_however_faint_the_label_was():
    rng, n = rng_for("exact leace"), 20_000
    labels, fit = np.arange(n) % 5, np.arange(n) < 0.9 * n
    x = (rng.normal(size=(n, 8)) + 0.01 * np.eye(5, 8)[labels]).astype(np.float32)
    x[:, 2] *= 1e-3  # as faint as the part of a feature that a penalty has squeezed
    erased, one_hot = leace(x, labels, fit)[fit].astype(np.float64), np.eye(5)[labels[fit]]
    correlation = np.corrcoef(np.concatenate([erased, one_hot], axis=1).T)[:8, 8:]
    assert np.abs(correlation).max() < 1e-5


def test_erasure_takes_the_background_from_the_foreground_part_and_the_class_from_the_other():
    n = 400
    labels, places = np.arange(n) % 4, (np.arange(n) // 4) % 5
    noise = rng_for("erase").normal(size=(n, 20)).astype(np.float32)
    both = np.concatenate([np.eye(4)[labels], np.eye(5)[places]], axis=1).astype(np.float32)
    x = np.concatenate([both * 4, noise * 0.1], axis=1)
    images = pd.DataFrame({"label": labels, "background_index": places})
    erased = erase(Features(np.arange(n).astype(object), x, x, labels, places), images, np.arange(n) < 300)
    assert np.std([erased.fg[places == p, 4:9].mean() for p in range(5)]) < 0.05
    assert np.abs(erased.fg[:, :4] - x[:, :4]).mean() < 0.1, "the class stays in the foreground part"
    assert np.abs(erased.bg[:, 4:9] - x[:, 4:9]).mean() < 0.1, "the background stays in the background part"
