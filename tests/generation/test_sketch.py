"""An image drawn on request is what the dataset's code draws of the same row."""

import numpy as np
import pytest
from tiny_run import small_profile

from d3s_utils.diffusion.load import load_generator
from d3s_utils.generation.guides import guides_for
from d3s_utils.generation.shard import draw
from d3s_utils.generation.sketch import Request, Sketcher
from d3s_utils.generation.world import open_world
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.squares import patch_side


@pytest.fixture(scope="module")
def sketcher(tiny_checkpoint):
    profile = small_profile(tiny_checkpoint, "generator.batch_size=1")
    return Sketcher(profile, open_world(profile))


def request(sketcher, **changes):
    name = sketcher.world.classes["class_name"].iloc[1]
    return Request(
        **{"class_name": name, "background": "in snow", "strength": 0.9, "guidance": 5.0, "seed": 3, **changes}
    )


def test_it_is_what_the_dataset_draws(sketcher):
    drawn = sketcher(request(sketcher))
    rows, world, profile = drawn.row.to_frame().T, sketcher.world, sketcher.profile
    guides = guides_for(rows, world.photos, world.backgrounds)
    stored = draw(load_generator(profile), rows, guides, world.photos, profile.generator)
    assert (drawn.image == stored[0]).all() and (drawn.guide == guides[0]).all()
    assert "in snow" in drawn.row["prompt"] and drawn.row["class_name"] in drawn.row["prompt"]


def test_the_steps_end_in_the_image(sketcher):
    drawn = sketcher(request(sketcher), shown=2)
    assert drawn.taken == (1, 3) and drawn.steps.shape == (2, 32, 32, 3), "0.9 of four steps are three"
    assert (drawn.steps[-1] == drawn.image).all() and (drawn.steps[0] != drawn.image).any()


@pytest.mark.parametrize("change", [{"seed": 4}, {"strength": 0.5}, {"guidance": 9.0}, {"left": 1.0}, {"scale": 0.8}])
def test_everything_that_is_asked_for_counts(sketcher, change):
    assert (sketcher(request(sketcher)).image != sketcher(request(sketcher, **change)).image).any()


@pytest.mark.parametrize("left, top, scale", [(0, 0, 0.4), (1, 0, 0.5), (0.5, 1, 1.0)])
def test_the_foreground_stays_inside(sketcher, left, top, scale):
    row = sketcher.row(request(sketcher, left=left, top=top, scale=scale))
    free = 32 - patch_side(32, scale)
    assert (row["left"], row["top"]) == (round(left * free), round(top * free))


def test_images_from_text_alone_have_no_steps(tiny_checkpoint):
    profile = small_profile(tiny_checkpoint, "generator.mode=text2img")
    sketcher = Sketcher(profile, open_world(profile))
    drawn = sketcher(request(sketcher, strength=1.0))
    assert len(drawn.steps) == 0 and np.ptp(drawn.image) > 0


@pytest.mark.parametrize(
    "change, said",
    [
        ({"class_name": "unicorn"}, "draws no unicorn in snow"),
        ({"background": "on the moon"}, "on the moon"),
        ({"strength": 0.1}, "strength must be in 0.25 to 1"),
        ({"scale": 0.0}, "scale"),
        ({"left": -0.1}, "left"),
    ],
)
def test_what_cannot_be_drawn_is_a_sentence(sketcher, change, said):
    with pytest.raises(D3SError, match=said):
        sketcher(request(sketcher, **change))
