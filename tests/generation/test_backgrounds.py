"""Backgrounds that the run's own checkpoint makes from text are made once, each from a seed of its own."""

import functools

import numpy as np

from d3s_utils.diffusion import draw
from d3s_utils.generation import backgrounds as generated
from d3s_utils.generation.world import open_backgrounds
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.words import BACKGROUNDS


def test_backgrounds_are_made_once_from_text_and_the_same_in_any_order(tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("D3S_OUTPUTS", str(tmp_path))
    overrides = (
        f"backgrounds=generate generator.model={tiny_checkpoint} generator.size=32 generator.dtype=float32 "
        "generator.steps=4 dataset.generated_backgrounds=2 device=cpu threads=1"
    )
    profile = load_profile("smoke", overrides)
    backgrounds = open_backgrounds(profile)
    assert backgrounds.names == BACKGROUNDS and len(backgrounds.table("val")) == 20
    ids = list(backgrounds.table("val")["background_id"])[:3]
    first = [np.asarray(picture) for picture in backgrounds.pictures(ids)]
    assert all(picture.shape == (32, 32, 3) for picture in first) and not np.array_equal(first[0], first[1])
    kept = sorted(tmp_path.rglob("*.png"))
    assert [path.stem for path in kept] == sorted(ids)

    made = []

    @functools.wraps(draw.text_to_image)
    def counted(generator, prompts, *rest):
        made.extend(prompts)
        return draw.text_to_image(generator, prompts, *rest)

    monkeypatch.setattr(generated, "text_to_image", counted)
    again = [np.asarray(picture) for picture in open_backgrounds(profile).pictures(ids)]
    assert made == [] and all(map(np.array_equal, first, again))
    for path in kept:
        path.unlink()
    alone = np.asarray(open_backgrounds(profile).picture(ids[1]))
    assert made == ["a photo on grass"] and np.abs(alone.astype(int) - first[1]).max() <= 1
