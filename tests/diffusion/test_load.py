"""A model is loaded as it is, or one sentence says why not."""

import numpy as np
import pytest
from tiny_run import small_profile
from torch import nn

from d3s_utils.diffusion import load
from d3s_utils.ground import paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.seeds import rng_for


def test_the_unet_is_compiled_when_asked(tiny_checkpoint, monkeypatch):
    asked = []
    monkeypatch.setattr(nn.Module, "compile", lambda self: asked.append(type(self).__name__))
    load.load_generator(small_profile(tiny_checkpoint))
    assert asked == []
    load.load_generator(small_profile(tiny_checkpoint, "generator.compile=true"))
    assert asked == ["UNet2DConditionModel"]


def test_an_inpainting_checkpoint_says_what_it_is_for(tiny_inpainter):
    with pytest.raises(D3SError, match="is an inpainting checkpoint; set generator.mode to inpainting"):
        load.load_generator(small_profile(tiny_inpainter))


def test_the_safety_checker_can_stay_at_home(tiny_censor):
    assert load.load_generator(small_profile(tiny_censor, "generator.safety=false")).flag is None


def test_the_safety_checker_clears_what_lies_under_its_thresholds(tiny_censor):
    generator = load.load_generator(small_profile(tiny_censor))
    held = generator.flag.__wrapped__.__closure__
    checker = next(cell.cell_contents for cell in held if isinstance(cell.cell_contents, nn.Module))
    images = rng_for("flags").integers(0, 256, (3, 32, 32, 3), np.uint8)
    before = images.copy()
    assert generator.flag(images) == [True] * 3 and np.array_equal(images, before)
    nn.init.constant_(checker.concept_embeds_weights, 2.0)
    nn.init.constant_(checker.special_care_embeds_weights, 2.0)
    assert generator.flag(images) == [False] * 3


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("./no/such/folder", r"no folder .*such.folder"),
        ("someone/no-such-model", "someone/no-such-model"),
        ("d3s_utils/figures", "d3s_utils.figures is no Stable Diffusion pipeline.*model_index.json"),
    ],
)
def test_a_model_that_does_not_exist_is_named(model, message):
    with pytest.raises(D3SError, match=message) as caught:
        load.load_generator(load_profile("smoke", f"generator.model={model}"))
    assert "\n" not in str(caught.value)


def test_without_network_the_error_says_so(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(D3SError, match="cannot be reached.*folder in diffusers layout"):
        load.load_generator(load_profile("smoke", "generator.model=CompVis/stable-diffusion-v0-0"))


def test_a_missing_pocket_generator_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "POCKET_WEIGHTS", tmp_path)
    with pytest.raises(D3SError, match="make pocket-generator"):
        load.load_generator(load_profile("smoke"))


def test_a_folder_with_broken_weights_is_named(tiny_checkpoint, tmp_path):
    import shutil

    broken = shutil.copytree(tiny_checkpoint, tmp_path / "broken")
    (broken / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"not weights")
    with pytest.raises(D3SError, match="broken is no Stable Diffusion pipeline"):
        load.load_generator(load_profile("smoke", f"generator.model={broken}"))
