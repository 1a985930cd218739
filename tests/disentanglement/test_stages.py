"""Each result is made once, and again when, and only when, something that it depends on has changed."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from d3s_utils.disentanglement import penalties, stages
from d3s_utils.disentanglement.encoding import encode
from d3s_utils.disentanglement.features import features_path, read_features
from d3s_utils.disentanglement.models import BACKBONE, PLAIN, checkpoint_path
from d3s_utils.disentanglement.penalties.table import penalty_files
from d3s_utils.disentanglement.stages import (
    cache_views,
    fit_ahead,
    fit_backbone,
    fit_plain,
    fit_split,
    fit_splits,
    load_method,
    save_features,
)
from d3s_utils.ground import sources
from d3s_utils.ground.files import read_metadata, read_table
from d3s_utils.ground.settings import WholeBackbone


@pytest.fixture
def trained(monkeypatch):
    """The names of what was trained, as it happens."""
    names = []

    def note(name, own):
        def build(*args):
            names.append(name(*args))
            return own(*args)

        return build

    monkeypatch.setattr(stages, "backbone_training", note(lambda *args: BACKBONE, stages.backbone_training))
    monkeypatch.setattr(stages, "plain_training", note(lambda *args: PLAIN, stages.plain_training))
    monkeypatch.setattr(stages, "split_training", note(lambda *args: args[3], stages.split_training))
    return names


def with_settings(profile, **changes):
    return replace(profile, disentanglement=replace(profile.disentanglement, **changes))


def train_all(folder, profile, data):
    """What notebook 04 does; the methods by name."""
    starts = {PLAIN: fit_plain(folder, profile, data), BACKBONE: fit_backbone(folder, profile, data)}
    return starts | fit_splits(folder, profile, data, starts, profile.disentanglement.penalties)


def forget_sources():
    for function in (sources.modules, sources.imports, sources.reached, sources._digest, sources._tree):
        function.cache_clear()


@pytest.fixture
def edited(tmp_path, monkeypatch):
    """Edits the source of a module, as code_of sees it."""
    files = dict(sources.modules())

    def edit(module, line="EDITED = True"):
        copy = tmp_path / "edited" / f"{module}.py"
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(files[module].read_text() + f"\n{line}\n")
        forget_sources()
        monkeypatch.setattr(sources, "modules", lambda: files | {module: copy})

    yield edit
    monkeypatch.undo()
    forget_sources()


def test_the_second_time_nothing_is_trained_or_encoded_and_no_byte_changes(
    tmp_path, profile, data, trained, monkeypatch
):
    first = train_all(tmp_path, profile, data)
    features = {name: save_features(tmp_path, one, data) for name, one in first.items()}
    assert features["hsic"].fg.shape == (36, 4) and features["hsic"].bg.shape == (36, 4)
    written = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert sorted(trained) == [BACKBONE, "hsic", "none", PLAIN]
    monkeypatch.setattr(stages, "encode", lambda *args: pytest.fail("encoded again"))
    monkeypatch.setattr(stages, "frozen_views", lambda *args: pytest.fail("views made again"))
    again = train_all(tmp_path, profile, data)
    assert len(trained) == 4
    pd.testing.assert_frame_equal(again["hsic"].history, first["hsic"].history)
    assert np.array_equal(save_features(tmp_path, again["hsic"], data).fg, features["hsic"].fg)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == written


def test_trained_ahead_side_by_side_everything_is_found_and_the_same_as_one_by_one(tmp_path, profile, data, trained):
    methods = ["none", "hsic", "wasserstein@backbone"]
    profile = with_settings(profile, penalties=tuple(methods))
    profile = replace(profile, whole_backbone=WholeBackbone(warmup=1, steps=2, batch_size=16))
    fit_ahead(tmp_path / "ahead", profile, data, methods)
    assert sorted(trained) == sorted([PLAIN, BACKBONE, *methods])
    train_all(tmp_path / "ahead", profile, data)
    assert len(trained) == 5, "found, not trained again"
    train_all(tmp_path / "one by one", profile, data)
    for method in (PLAIN, BACKBONE, *methods):
        ahead, alone = (checkpoint_path(tmp_path / folder, method).read_bytes() for folder in ("ahead", "one by one"))
        assert ahead == alone, method


def test_large_networks_are_not_trained_ahead(tmp_path, profile, data, trained):
    for large in (with_settings(profile, backbone="resnet18"), with_settings(profile, workers=2)):
        fit_ahead(tmp_path, large, data, ["none"])
    assert trained == [] and torch.get_num_threads() > 0


def test_what_lies_beside_a_checkpoint_is_for_people_and_never_read(tmp_path, profile, data, trained):
    first = train_all(tmp_path, profile, data)["none"]
    path = checkpoint_path(tmp_path, "none")
    about = read_metadata(path)["about"]
    assert about["settings"]["lr"] == 0.002 and about["seed"] == 0 and len(about["history"]["step"]) == 5
    card = path.with_suffix(".json")
    assert json.loads(card.read_text()) == {name: value for name, value in about.items() if name != "history"}
    pd.testing.assert_frame_equal(read_table(path.with_suffix(".csv")), first.history, check_dtype=False)
    card.write_text("{")
    path.with_suffix(".csv").unlink()
    again = train_all(tmp_path, profile, data)["none"]
    assert len(trained) == 4 and json.loads(card.read_text()) and path.with_suffix(".csv").is_file()
    pd.testing.assert_frame_equal(again.history, first.history)


def test_a_new_name_among_the_penalties_trains_that_method_alone(tmp_path, profile, data, trained):
    train_all(tmp_path, profile, data)
    del trained[:]
    train_all(tmp_path, with_settings(profile, penalties=("none", "hsic", "distance_correlation")), data)
    assert trained == ["distance_correlation"]


@pytest.mark.parametrize(
    "module, again",
    [
        ("disentanglement.penalties.hsic", ["hsic"]),
        ("disentanglement.penalties.club", []),
        ("disentanglement.penalties.table", []),
        ("disentanglement.training", ["none", "hsic"]),
        ("disentanglement.backbone", [PLAIN, BACKBONE, "none", "hsic"]),
        ("evaluation.gaps", []),
        ("evaluation.predict", []),
        ("evaluation.networks", []),
        ("probes.readers", []),
        ("generation.shards", []),
    ],
)
def test_an_edit_of_code_trains_again_what_rests_on_it(module, again, tmp_path, profile, data, trained, edited):
    train_all(tmp_path, profile, data)
    del trained[:]
    edited(f"d3s_utils.{module}")
    train_all(tmp_path, profile, data)
    assert sorted(trained) == sorted(again)


@pytest.mark.parametrize(
    "changes, again",
    [
        ({"critic_steps": 3}, []),  # neither has a critic
        ({"save_every": 2}, []),
        ({"weight": 2.0}, ["none", "hsic"]),
        ({"views": 1}, ["none", "hsic"]),
        ({"lr_low": 0.001}, ["none", "hsic"]),
        ({"backbone_epochs": 2}, [PLAIN, BACKBONE, "none", "hsic"]),
    ],
)
def test_a_setting_trains_again_what_uses_it(changes, again, tmp_path, profile, data, trained):
    train_all(tmp_path, profile, data)
    del trained[:]
    train_all(tmp_path, with_settings(profile, **changes), data)
    assert sorted(trained) == sorted(again)


def test_another_training_seed_trains_all_and_another_validation_image_nothing(tmp_path, profile, data, trained):
    first = train_all(tmp_path, profile, data)
    before = save_features(tmp_path, first["none"], data)
    images = data.images.assign(recipe_hash=np.where(data.train, data.images["recipe_hash"], "new"))
    other = replace(data, images=images, d3s=torch.where(torch.tensor(data.train)[:, None, None, None], data.d3s, 0))
    after = save_features(tmp_path, train_all(tmp_path, profile, other)["none"], other)
    assert len(trained) == 4
    assert np.array_equal(after.fg[:24], before.fg[:24]) and not np.array_equal(after.fg[24:], before.fg[24:])
    other = train_all(tmp_path, replace(profile, training_seed=1), data)
    assert len(trained) == 8 and not other["none"].history.equals(first["none"].history)
    train_all(tmp_path, replace(profile, seed=1), data)
    assert len(trained) == 8, "seed and training seed are added"


def test_a_penalty_from_a_new_file_trains_and_again_after_an_edit(tmp_path, profile, data, trained, monkeypatch):
    file, name = tmp_path / "plugged.py", "d3s_utils.disentanglement.penalties.plugged"
    text = (
        "from d3s_utils.disentanglement.penalties.measure import PenaltyRow\n"
        "from d3s_utils.disentanglement.penalties.nothing import Nothing\n"
        "ROWS = {'plugged': PenaltyRow(Nothing, %s, 'one more')}\n"
    )
    file.write_text(text % 1.0)
    monkeypatch.setattr(penalties, "__path__", [*penalties.__path__, str(tmp_path)])
    found = {**sources.modules(), name: file}
    monkeypatch.setattr(sources, "modules", lambda: found)
    profile = with_settings(profile, penalties=("none", "plugged"))
    try:
        penalty_files.cache_clear()
        train_all(tmp_path, profile, data)
        assert sorted(trained) == [BACKBONE, "none", PLAIN, "plugged"]
        file.write_text(text % 2.0)
        sources._tree.cache_clear(), sources._digest.cache_clear()
        train_all(tmp_path, profile, data)
        assert sorted(trained) == [BACKBONE, "none", PLAIN, "plugged", "plugged"]
    finally:
        monkeypatch.undo()
        forget_sources()
        penalty_files.cache_clear()


def test_a_method_loaded_later_reads_images_as_it_did_when_trained(tmp_path, profile, data):
    models = train_all(tmp_path, profile, data)
    written = save_features(tmp_path, models["none"], data)
    for method in ("none", BACKBONE, PLAIN):
        later = encode(load_method(tmp_path, profile, method), data.d3s, written.image_id)
        assert np.allclose(later.fg, encode(models[method].model, data.d3s, written.image_id).fg, atol=1e-6)
    assert np.array_equal(read_features(features_path(tmp_path, "none")).fg, written.fg)


@pytest.mark.parametrize("start", [PLAIN, BACKBONE])
def test_the_papers_way_trains_a_copy_of_the_whole_network(start, tmp_path, profile, data):
    profile = replace(profile, whole_backbone=WholeBackbone(start=start, warmup=1, steps=1, batch_size=16))
    fit = {PLAIN: fit_plain, BACKBONE: fit_backbone}[start]
    backbone = fit(tmp_path, profile, data)
    before = encode(backbone.model, data.d3s, data.images["image_id"].to_numpy())
    starts = {start: backbone, BACKBONE: fit_backbone(tmp_path, profile, data)}
    (trained,) = fit_splits(tmp_path, profile, data, starts, ["wasserstein@backbone"]).values()
    after = encode(trained.model, data.d3s, before.image_id)
    assert after.fg.shape == before.fg.shape and not np.allclose(after.fg, before.fg)
    again = encode(backbone.model, data.d3s, before.image_id)
    assert np.array_equal(again.fg, before.fg), "the original must stay as it was"
    assert not (tmp_path / "cache" / "views.safetensors").exists()
    later = encode(load_method(tmp_path, profile, "wasserstein@backbone"), data.d3s, before.image_id)
    assert np.allclose(later.fg, after.fg, atol=1e-6)


def test_a_killed_training_goes_on_from_its_notes_and_leaves_none_behind(tmp_path, profile, data):
    profile = with_settings(profile, save_every=2, penalties=("hsic@backbone",))
    profile = replace(profile, whole_backbone=WholeBackbone(warmup=2, steps=4, batch_size=16))
    whole = train_all(tmp_path / "whole", profile, data)["hsic@backbone"]
    plain = fit_plain(tmp_path, profile, data)

    def killed(records):
        for _ in range(5):
            next(records)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_split(tmp_path, profile, data, plain, "hsic@backbone", killed)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["training-hsic@backbone.pt"]
    resumed = fit_split(tmp_path, profile, data, plain, "hsic@backbone")
    left, kept = (checkpoint_path(folder, "hsic@backbone").read_bytes() for folder in (tmp_path, tmp_path / "whole"))
    assert left == kept
    pd.testing.assert_frame_equal(resumed.history, whole.history)
    assert not list((tmp_path / "cache").iterdir())


def test_views_are_of_training_images_alone(tmp_path, profile, data):
    backbone = fit_backbone(tmp_path, profile, data)
    width = backbone.model.encoder.width
    assert [view.shape for view in cache_views(tmp_path, profile, data, backbone)] == [(2, 24, width), (2, 18, width)]
