"""A guide shows what its kind says, where the manifest says."""

import numpy as np
import pytest

from d3s_utils.data.guides import KINDS
from d3s_utils.generation.guides import guides_for, object_masks
from d3s_utils.generation.plan import build_manifest
from d3s_utils.generation.world import open_world
from d3s_utils.ground.profile import load_profile

SMALL = "classes=2 dataset.train_per_cell=0 dataset.val_per_cell=1 natural.train_per_class=4 natural.val_per_class=10"


def plan(overrides=""):
    """The manifest, and the world it is planned from."""
    profile = load_profile("smoke", f"{SMALL} {overrides}")
    world = open_world(profile)
    return build_manifest(profile, world), world


@pytest.mark.parametrize("kind", KINDS)
def test_a_guide_shows_what_its_kind_says(kind):
    manifest, world = plan(f"generator.guide={kind}")
    photos, backgrounds = world.photos, world.backgrounds
    guide, row = guides_for(manifest, photos, backgrounds)[0], manifest.iloc[0]
    wanted = {
        "foreground": kind in ("paste", "mask", "foreground"),
        "background": kind in ("paste", "mask", "background"),
    }
    assert {name: bool(row[f"{name}_source"]) for name in wanted} == wanted
    mask = object_masks(manifest, photos)[0]
    share = (mask == 255).mean()
    if kind == "none":
        assert (guide == 128).all() and share == 0
    elif kind == "foreground":
        assert np.array_equal(guide, photos.load([row["foreground_source"]])[0]) and share == 1
    elif kind == "background":
        assert np.array_equal(guide, np.asarray(backgrounds.picture(row["background_source"]))) and share == 0
    else:
        empty = np.asarray(backgrounds.picture(row["background_source"]))
        assert np.array_equal(guide[mask == 0], empty[mask == 0]) and not np.array_equal(guide, empty)
        assert share == pytest.approx((26 / 64) ** 2) if kind == "paste" else 0 < share < (26 / 64) ** 2


def test_the_same_photograph_lies_in_the_same_corner_whatever_is_cut_out():
    pasted, masked = plan("generator.guide=paste")[0], plan("generator.guide=mask")[0]
    columns = ["image_id", "seed", "prompt", "foreground_source", "background_source", "left", "top", "scale"]
    assert pasted[columns].equals(masked[columns]) and not pasted["recipe_hash"].isin(masked["recipe_hash"]).any()
