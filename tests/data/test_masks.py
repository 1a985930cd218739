"""Masks of photographs are found in folders or COCO's instances, and one that is missing is named."""

import pytest
from PIL import Image

from d3s_utils.generation.guides import guides_for, object_masks
from d3s_utils.generation.plan import build_manifest
from d3s_utils.generation.world import open_world
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.profile import load_profile


@pytest.fixture
def photographed(tmp_path):
    """Two classes of one wide photograph each, and a profile over them."""
    for split in ("train", "val"):
        for number, wnid in enumerate(("n01443537", "n07742313")):
            (tmp_path / split / wnid).mkdir(parents=True)
            Image.new("RGB", (60, 40), (200, 90 * number, 0)).save(tmp_path / split / wnid / f"{split}{number}.png")
    (tmp_path / "mine.yaml").write_text(
        f"extends: smoke\nforegrounds: {{train: {tmp_path}/train, val: {tmp_path}/val}}\nclasses: all\n"
        "dataset: {train_per_cell: 0, val_per_cell: 1}\n"
        f"generator: {{guide: mask, masks: {tmp_path}/masks}}\n"
    )
    return tmp_path


def masked(folder, more=""):
    profile = load_profile(folder / "mine.yaml", more)
    world = open_world(profile)
    manifest = build_manifest(profile, world)
    return guides_for(manifest, world.photos, world.backgrounds), object_masks(manifest, world.photos)


@pytest.mark.parametrize("where", ["val/n01443537", "n01443537", "."])
def test_masks_lie_in_a_folder_by_split_class_or_name(photographed, where):
    half = Image.new("L", (60, 40), 0)
    half.paste(255, (0, 0, 30, 40))
    for number, wnid in enumerate(("n01443537", "n07742313")):
        folder = photographed / "masks" / where.replace("n01443537", wnid)
        folder.mkdir(parents=True, exist_ok=True)
        half.resize((30, 20)).save(folder / f"val{number}.png")
    guides, masks = masked(photographed)
    assert 0.4 < (masks > 128).mean() / (26 / 64) ** 2 < 0.6
    red = (guides[:10, :, :, 0] > 190) & (guides[:10, :, :, 1] < 10) & (guides[:10, :, :, 2] < 10)
    assert (red == (masks[:10] == 255)).mean() > 0.99


def test_coco_instances_are_joined(photographed):
    pytest.importorskip("pycocotools")
    import json

    def box(x):
        return [[x, 0, x + 15, 0, x + 15, 40, x, 40]]

    images = [{"id": n, "file_name": f"val/val{n}.png", "width": 60, "height": 40} for n in range(2)]
    shared = {"category_id": 1, "iscrowd": 0, "bbox": [0, 0, 9, 9]}
    instances = [
        {"id": 2 * n + k, "image_id": n, "segmentation": box(15 + 15 * k)} | shared for n in range(2) for k in range(2)
    ]  # fmt: skip
    path = photographed / "instances.json"
    path.write_text(
        json.dumps({"images": images, "annotations": instances, "categories": [{"id": 1, "name": "thing"}]})
    )
    _, masks = masked(photographed, f"generator.masks={path}")
    assert 0.65 < (masks > 128).mean() / (26 / 64) ** 2 < 0.85  # the middle half of a wide picture


@pytest.mark.parametrize(
    "more, said",
    [
        ("generator.masks=null", "generator.guide mask needs generator.masks"),
        ("", "there is no folder"),
        ("generator.masks={folder}/train", "has no mask; put it at"),
        ("generator.masks={folder}/square", "is 20 x 20, its photograph 60 x 40"),
    ],
)
def test_a_mask_that_is_missing_or_misshapen_is_named(photographed, more, said):
    (photographed / "square").mkdir()
    for number in range(2):
        Image.new("L", (20, 20), 255).save(photographed / "square" / f"val{number}.png")
    with pytest.raises(D3SError, match=said):
        masked(photographed, more.format(folder=photographed))
