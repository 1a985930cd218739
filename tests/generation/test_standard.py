"""Standard networks are used where their weights lie on disk, and nothing stands in for them where they do not."""

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import CLIP_VIT, save_clip, write_zoo

from d3s_utils.evaluation.zero_shot import clip_agreement
from d3s_utils.generation import spaces, standard
from d3s_utils.generation.samples import Samples
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.settings import Realism

ROWS = pd.DataFrame({
    "image_id": [f"image-{i}" for i in range(8)], "class_name": ["goldfish"] * 4 + ["daisy"] * 4,
    "background": ["on grass", "in snow"] * 4, "label": [0] * 4 + [1] * 4, "recipe_hash": [f"{i}" for i in range(8)],
})  # fmt: skip


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


def profile_with(folder, more=""):
    return load_profile("smoke", f"classes=[goldfish,daisy] realism.weights={folder} {more}")


def wanted(folder, features="judge"):
    return Realism(features=features, weights=str(folder), lpips="squeeze")


def some_images(n=8, side=64):
    return rng_for("standard").integers(0, 256, (n, side, side, 3), np.uint8)


@pytest.fixture
def squeeze(tmp_path):
    """A SqueezeNet of random weights under the name torchvision publishes its own."""
    import torchvision

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), tmp_path / standard.LPIPS["squeeze"])
    return tmp_path


def test_lpips_is_nought_between_an_image_and_itself_and_grows_with_what_differs(squeeze):
    model = standard.lpips("squeeze", squeeze / standard.LPIPS["squeeze"])
    images = torch.from_numpy(some_images(2)).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.inference_mode():
        same, little, much = (
            model(images, images + d).mean().item() for d in (0, 0.1 * images.flip(3), images.flip(3))
        )
    assert same == pytest.approx(0, abs=1e-6) and 0 < little < much


def test_lpips_is_taken_within_classes_and_named_by_its_backbone(squeeze, tmp_path, monkeypatch):
    images = some_images()
    alike = images[[0, 0, 0, 0, 4, 4, 4, 4]]
    samples = Samples(ROWS, images, alike)
    table = standard.lpips_table(tmp_path, wanted(squeeze), samples, seed=0)
    found = table.set_index("set")
    assert set(table["network"]) == {"LPIPS squeeze"} and (table["pairs"] == 4).all()
    assert found.loc["guides", "distance"] == pytest.approx(0, abs=1e-6) and found.loc["D3S", "low"] > 0.001
    monkeypatch.setattr(standard, "lpips", lambda *_: pytest.fail("the table was there already"))
    monkeypatch.setattr(standard.lpips, "__module__", standard.__name__)
    pd.testing.assert_frame_equal(standard.lpips_table(tmp_path, wanted(squeeze), samples, seed=0), table)


def test_without_weights_there_are_no_rows(tmp_path):
    assert standard.lpips_table(tmp_path, wanted(tmp_path), Samples(ROWS, some_images(), some_images()), seed=0).empty


def test_weights_are_found_in_torchs_cache_too(tmp_path):
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    path = tmp_path / "hub" / "checkpoints" / standard.LPIPS["alex"]
    path.touch()
    assert standard.on_disk(str(tmp_path), standard.LPIPS["alex"]) == path


def test_a_file_that_is_something_else_is_named(tmp_path):
    path = tmp_path / standard.LPIPS["squeeze"]
    torch.save({"features.0.weight": torch.zeros(3)}, path)
    with pytest.raises(D3SError, match="is not torchvision's squeeze"):
        standard.lpips("squeeze", path)
    torch.save({"model": print}, path)
    with pytest.raises(D3SError, match="holds no plain weights"):
        standard.lpips("squeeze", path)


def test_the_standard_inception_is_used_when_its_weights_are_there(tmp_path):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Blank(FeatureExtractorInceptionV3):
        def load_state_dict(self, state):
            return None

    path = tmp_path / standard.INCEPTION
    torch.save({}, path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.save(Blank("inception-v3-compat", ["2048"], str(path)).state_dict(), path)
    for name in ("inception", "auto"):
        space = spaces.open_features(wanted(tmp_path, name))
        assert space.name == "standard Inception"
    features = space.extract(some_images(3))
    assert features.shape == (3, 2048) and np.isfinite(features).all()


def test_without_its_weights_inception_is_refused_and_auto_says_what_it_is(tmp_path):
    with pytest.raises(D3SError, match="pt_inception.*is neither in .* nor in torch's cache"):
        spaces.open_features(wanted(tmp_path, "inception"))
    assert spaces.open_features(wanted(tmp_path, "auto")).name == "pocket judge"


# CLIP -----------------------------------------------------------------------------------------------------------------


def test_agreement_is_a_share_for_class_and_background(tmp_path):
    save_clip(tmp_path / "clip", CLIP_VIT)
    zoo = write_zoo(tmp_path, ("small", "open_clip", tmp_path / "clip", ""))
    profile = profile_with(tmp_path, f"realism.clip=small evaluation.zoo={zoo}")
    table = clip_agreement(profile, some_images(), ROWS)
    assert list(table["image_id"]) == list(ROWS["image_id"])
    assert table[["clip_foreground", "clip_background"]].stack().between(0, 1).all()
    swapped = clip_agreement(profile, some_images(), ROWS.assign(label=1 - ROWS["label"]))
    np.testing.assert_allclose(table["clip_foreground"] + swapped["clip_foreground"], 1, atol=1e-6)  # of two classes


def test_agreement_is_not_asked_for_by_default_and_needs_a_zero_shot_model(tmp_path):
    assert clip_agreement(profile_with(tmp_path), some_images(), ROWS).empty
    with pytest.raises(D3SError, match="resnet50 is no zero-shot model"):
        clip_agreement(profile_with(tmp_path, "realism.clip=resnet50"), some_images(), ROWS)
