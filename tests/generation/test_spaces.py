"""The feature space is the one the profile names, and has a key that says what its features depend on."""

import shutil

import pytest

from d3s_utils.generation import spaces
from d3s_utils.generation.world import open_world
from d3s_utils.ground import paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.settings import Realism


def test_an_unknown_feature_space_is_named():
    with pytest.raises(D3SError, match="resnet5000"):
        spaces.open_features(Realism(features="resnet5000"))


def test_the_judge_keeps_silent_about_what_it_never_learnt(tmp_path):
    for split in ("train", "val"):
        (tmp_path / split / "bird").mkdir(parents=True)
    (tmp_path / "birds.yaml").write_text(
        f"extends: smoke\nforegrounds: {{train: {tmp_path}/train, val: {tmp_path}/val}}\nclasses: all\n"
    )
    assert spaces.open_judge(Realism(), open_world(load_profile(tmp_path / "birds.yaml"))) is None
    assert spaces.open_features(Realism()).name == "pocket judge", "its features serve any picture, under its name"
    assert spaces.open_judge(Realism(), open_world(load_profile("smoke"))) is not None


def test_other_weights_are_another_judge(tmp_path, monkeypatch):
    first = spaces.load_pocket_judge()
    assert len(first.key) == 16 and spaces.load_pocket_judge().key == first.key == spaces.open_features(Realism()).key
    shutil.copytree(paths.POCKET_WEIGHTS / "judge", tmp_path / "judge")
    from safetensors.torch import load_file, save_file

    weights = load_file(tmp_path / "judge" / "model.safetensors")
    weights["foreground.bias"] += 1
    save_file(weights, tmp_path / "judge" / "model.safetensors")
    monkeypatch.setattr(paths, "POCKET_WEIGHTS", tmp_path)
    assert spaces.load_pocket_judge().key != first.key


def test_a_timm_model_is_known_by_its_weights(monkeypatch):
    import timm
    import torch

    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained, **kw: create(name, pretrained=False, **kw))
    keys = []
    for seed in (0, 0, 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            keys.append(spaces.open_features(Realism(features="test_convnext")).key)
    assert keys[0] == keys[1] != keys[2]
