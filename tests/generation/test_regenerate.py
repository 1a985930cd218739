"""Any single image again, from its image_id: the stored one, or a sentence on why it is not."""

import numpy as np
import pytest
import torch
from PIL import Image

from d3s_utils.cli.parser import main
from d3s_utils.generation import make
from d3s_utils.generation.plan import build_manifest
from d3s_utils.generation.regenerate import alike, regenerate
from d3s_utils.generation.world import open_world
from d3s_utils.ground import paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.run import Run

SMALL = (
    "generator.size=32 generator.dtype=float32 generator.steps=4 dataset.shard_size=8 dataset.train_per_cell=0 "
    "dataset.val_per_cell=1 classes=2 natural.train_per_class=4 natural.val_per_class=4 device=cpu threads=1"
)


@pytest.fixture(scope="module")
def overrides(tiny_checkpoint):
    return f"generator.model={tiny_checkpoint} {SMALL}"


@pytest.fixture
def run(overrides, tmp_path, monkeypatch):
    monkeypatch.setenv("D3S_OUTPUTS", str(tmp_path))
    torch.set_num_threads(1)
    profile = load_profile("smoke", overrides)
    return Run(profile, "01_generation", paths.outputs() / profile.name)


def test_an_image_alone_is_the_one_of_the_dataset(run, overrides, capsys):
    plan = make.generate_dataset(run, open_world(run.profile), report=lambda line: None)
    image_id = plan["image_id"].iloc[13]
    again = regenerate(run.profile, image_id)
    assert again.matches and again.stored_hash == again.row["recipe_hash"] and again.row["image_id"] == image_id
    assert main(["regenerate", image_id, "--profile", "smoke", "--set", overrides]) == 0
    said, path = capsys.readouterr().out.split("\n")[:2]
    assert said.startswith(f"{image_id}: the stored image (")
    assert (np.asarray(Image.open(path)) == again.image).all()


def test_another_guidance_makes_another_image_and_says_so(run, overrides, capsys):
    plan = make.generate_dataset(run, open_world(run.profile), report=lambda line: None)
    more = f"{overrides} generator.guidance=9"
    assert main(["regenerate", plan["image_id"].iloc[0], "--profile", "smoke", "--set", more]) == 1
    assert "made from other settings, pictures or code" in capsys.readouterr().out


def test_without_a_dataset_the_image_is_made_all_the_same(run, overrides, tmp_path):
    image_id = build_manifest(run.profile, open_world(run.profile))["image_id"].iloc[-1]
    assert (
        main(["regenerate", image_id, "--profile", "smoke", "--set", overrides, "--out", str(tmp_path / "one.png")])
        == 0
    )
    assert Image.open(tmp_path / "one.png").size == (32, 32)


def test_an_image_is_found_in_whatever_shards_are_left(run, overrides, capsys):
    plan = make.generate_dataset(run, open_world(run.profile), report=lambda line: None)
    first, *others = sorted((run.folder / "dataset" / "data").iterdir())
    for shard in others:
        shard.unlink()
    here, lost = plan["image_id"].iloc[0], plan["image_id"].iloc[-1]
    assert main(["regenerate", here, "--profile", "smoke", "--set", overrides]) == 0
    assert f"{here}: the stored image (" in capsys.readouterr().out
    assert main(["regenerate", lost, "--profile", "smoke", "--set", overrides]) == 1
    assert "lacks it: run notebook 01 to complete the dataset" in capsys.readouterr().out


def test_an_unknown_image_gets_the_nearest_name(run, capsys):
    with pytest.raises(
        D3SError, match=r"plans no image val-n07742313-in-snow-0900; did you mean val-n07742313-in-snow"
    ):
        regenerate(run.profile, "val-n07742313-in-snow-0900")


def test_images_are_alike_pixel_by_pixel_within_one_level():
    one = np.full((10, 10, 3), 100, np.uint8)
    other = one.copy()
    other[..., 0] += 1
    assert alike(one, other) == 1.0
    other[0, 0, 2] += 2
    assert alike(one, other) == 0.99
    assert alike(one, other[:5]) == 0.0
