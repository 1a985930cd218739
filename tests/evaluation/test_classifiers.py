"""A classifier is a name, a key and a function from uint8 images to scores; training depends on its key alone."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from d3s_utils.evaluation import classifiers, small
from d3s_utils.evaluation.networks import NETWORKS
from d3s_utils.evaluation.small import TrainingSet, augment, build, fit_or_load
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.seeds import rng_for, torch_rng_for
from d3s_utils.ground.settings import Evaluation

FAST = Evaluation(epochs=3, batch_size=16)


def coloured_squares(n: int, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a red (0) or blue (1) square somewhere."""
    rng = rng_for(key)
    images = rng.integers(60, 120, (n, 64, 64, 3), dtype=np.uint8)
    labels = rng.integers(2, size=n)
    for image, label, (row, column) in zip(images, labels, rng.integers(8, 32, (n, 2)), strict=True):
        image[row : row + 24, column : column + 24] = [(230, 40, 40), (40, 40, 230)][label]
    return images, labels


def training_set(n: int = 160, key: str = "squares") -> TrainingSet:
    return TrainingSet(key, lambda: coloured_squares(n, key), classes=2)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_is_small_and_scores_each_class(name):
    network = build(name, 7, ("a",))
    assert sum(weight.numel() for weight in network.parameters()) < 1_000_000
    scores = classifiers.Classifier(name, network, "key").logits(coloured_squares(5, "few")[0], batch=2)
    assert scores.shape == (5, 7) and scores.dtype == np.float32 and np.isfinite(scores).all()


def test_by_default_at_least_five_architectures_are_trained():
    assert Evaluation().models == () and len({row.architecture for row in NETWORKS.values()}) >= 5


def test_first_weights_depend_on_the_key_alone_and_leave_the_global_generator_untouched():
    before = torch.random.get_rng_state()
    first, again, other = (next(build("vit", 2, key).parameters()) for key in (("a",), ("a",), ("b",)))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_batch_is_scored_as_its_images_are():
    classifier = classifiers.Classifier("resnet", build("resnet", 2, ("a",)), "key")
    images = coloured_squares(6, "six")[0]
    assert np.allclose(classifier.logits(images), classifier.logits(images, batch=1), atol=1e-4)


def test_images_of_another_size_are_resampled():
    classifier = classifiers.Classifier("mixer", build("mixer", 2, ("a",)), "key")
    small, _ = coloured_squares(3, "three")
    large = small.repeat(2, axis=1).repeat(2, axis=2)
    assert np.allclose(classifier.logits(large), classifier.logits(small), atol=0.1)


def test_augmentation_gives_each_image_its_own_draw_and_keeps_the_range():
    images = torch.from_numpy(coloured_squares(1, "one")[0]).permute(0, 3, 1, 2).float().div(255).expand(8, -1, -1, -1)
    drawn, again = (augment(images, torch_rng_for("augment")) for _ in range(2))
    assert torch.equal(drawn, again) and drawn.shape == images.shape
    assert drawn.min() >= 0 and drawn.max() <= 1
    assert len({tuple(image.flatten().tolist()) for image in drawn}) == 8


def test_training_learns_what_is_there(tmp_path):
    classifier = fit_or_load(tmp_path / "resnet.safetensors", "resnet", training_set(), FAST, ("learn",))
    images, labels = coloured_squares(60, "held out")
    assert (classifier.logits(images).argmax(1) == labels).mean() > 0.95


def test_the_same_key_gives_the_same_bytes(tmp_path):
    for folder in ("one", "two"):
        fit_or_load(tmp_path / folder / "vit.safetensors", "vit", training_set(32), FAST, ("same",))
    for file in ("vit.safetensors", "vit.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_checkpoint_is_read_back_without_looking_at_the_images(tmp_path):
    path = tmp_path / "resnet@0.6.safetensors"
    trained = fit_or_load(path, "resnet", training_set(32), FAST, ("cache",))
    unseen = TrainingSet("squares", lambda: pytest.fail("trained again"), classes=2)
    read = fit_or_load(path, "resnet", unseen, FAST, ("cache",))
    images = coloured_squares(4, "four")[0]
    assert np.array_equal(trained.logits(images), read.logits(images))
    assert read.name == "resnet@0.6" and read.key == trained.key
    assert len(small.training_history(path)) == FAST.epochs


def test_another_key_trains_again(tmp_path):
    path = tmp_path / "vit.safetensors"
    keys = [
        fit_or_load(path, "vit", training_set(32), FAST, ("a",)).key,
        fit_or_load(path, "vit", training_set(32), FAST, ("b",)).key,
        fit_or_load(path, "vit", training_set(32, "other squares"), FAST, ("b",)).key,
        fit_or_load(path, "vit", training_set(32, "other squares"), Evaluation(epochs=1, batch_size=16), ("b",)).key,
    ]
    assert len(set(keys)) == 4
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["settings"]["epochs"] == 1 and {"seed", "data", "metrics"} <= set(card)


def test_a_row_changed_trains_that_network_alone_and_so_does_no_edit_of_other_rows(tmp_path, monkeypatch):
    path = tmp_path / "mixer.safetensors"
    before = fit_or_load(path, "mixer", training_set(32), FAST, ("a",)).key
    monkeypatch.setitem(NETWORKS.rows, "vit", replace(NETWORKS["vit"], lr=0.5))
    assert fit_or_load(path, "mixer", training_set(32), FAST, ("a",)).key == before
    monkeypatch.setitem(NETWORKS.rows, "mixer", replace(NETWORKS["mixer"], lr=0.02))
    assert fit_or_load(path, "mixer", training_set(32), FAST, ("a",)).key != before


def test_the_card_is_a_copy_and_a_broken_checkpoint_is_made_again(tmp_path):
    path = tmp_path / "vit.safetensors"
    fit_or_load(path, "vit", training_set(32), FAST, ("a",))
    made, unseen = path.read_bytes(), TrainingSet("squares", lambda: pytest.fail("trained again"), classes=2)
    path.with_suffix(".json").write_text("{")
    fit_or_load(path, "vit", unseen, FAST, ("a",))
    assert json.loads(path.with_suffix(".json").read_text())["name"] == "vit"
    path.write_bytes(made[:100])
    fit_or_load(path, "vit", training_set(32), FAST, ("a",))
    assert path.read_bytes() == made


def test_an_unknown_model_is_named_with_its_nearest():
    with pytest.raises(D3SError, match="no model 'resnett'.*did you mean resnet"):
        build("resnett", 2, ("a",))


# Published weights ----------------------------------------------------------------------------------------------------

CLASSES = pd.DataFrame({"class_name": ["monarch", "goldfish"], "imagenet_index": [323, 1]})
