"""A guide holds the whole foreground, at the asked-for size and place, and nothing is stretched."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from d3s_utils.data.guides import Placement, blend_mask, draw_corner, no_guide, paste_on_background
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.squares import patch_side, square

RED, BLUE = Image.new("RGB", (90, 60), "red"), Image.new("RGB", (70, 200), "blue")
SIZES, SCALES = st.integers(8, 96), st.floats(0.05, 1.0)


def red_pixels(image):
    """Rows and columns of the pixels that are exactly red, (N, 2)."""
    return np.argwhere((np.asarray(image) == (255, 0, 0)).all(axis=-1))


@given(size=SIZES, scale=SCALES, key=st.integers(0, 1000))
@settings(deadline=None)
def test_the_foreground_covers_a_square_of_the_asked_for_size_and_corner(size, scale, key):
    left, top = draw_corner(rng_for(key), size, scale)
    image = paste_on_background(RED, BLUE, Placement(left, top, size, scale))
    red = red_pixels(image)
    side = patch_side(size, scale)
    assert image.size == (size, size) and image.mode == "RGB"
    assert len(red) == side * side, "solid: nothing bled or was clipped"
    assert tuple(red.min(axis=0)) == (top, left) and tuple(red.max(axis=0)) == (top + side - 1, left + side - 1)
    assert len(np.unique(np.asarray(image).reshape(-1, 3), axis=0)) <= 2, "the rest is background"


@given(width=st.integers(1, 300), height=st.integers(1, 300), size=SIZES)
@settings(deadline=None)
def test_square_has_the_asked_for_size_whatever_comes_in(width, height, size):
    assert square(Image.new("RGB", (width, height)), size).size == (size, size)


def test_square_keeps_the_centre_and_does_not_stretch():
    wide = np.zeros((50, 150, 3), np.uint8)
    wide[:, 50:100] = 255  # exactly the centre square
    assert (np.asarray(square(Image.fromarray(wide), 20)) == 255).all()


@given(scale=SCALES, key=st.integers(0, 10_000))
@settings(deadline=None)
def test_a_placement_is_always_inside(scale, key):
    left, top = draw_corner(rng_for(key), 64, scale)
    assert 0 <= left <= 64 - patch_side(64, scale) and 0 <= top <= 64 - patch_side(64, scale)


def test_every_placement_is_equally_likely():
    corners = np.array([draw_corner(rng_for("uniform", i), 8, 0.5) for i in range(5000)])
    counts = np.histogram2d(*corners.T, bins=(5, 5))[0]  # corners 0..4 in each direction
    assert counts.min() > 150 and counts.max() < 250  # 200 expected in each


@pytest.mark.parametrize(("grey", "expected"), [(255, (255, 0, 0)), (0, (0, 0, 255)), (128, (128, 0, 127))])
def test_a_mask_decides_how_much_of_the_foreground_is_seen(grey, expected):
    image = blend_mask(RED, Image.new("L", RED.size, grey), BLUE, Placement(3, 5, 32, 0.5))
    assert image.getpixel((3, 5)) == expected and image.getpixel((18, 20)) == expected
    assert image.getpixel((2, 5)) == image.getpixel((19, 20)) == (0, 0, 255)


def test_a_mask_as_large_as_the_frame_works():
    image = blend_mask(RED, Image.new("L", RED.size, 255), BLUE, Placement(0, 0, 16, 1.0))
    assert len(red_pixels(image)) == 256


def test_no_guide_is_grey():
    assert no_guide(16).getcolors() == [(256, (128, 128, 128))]
