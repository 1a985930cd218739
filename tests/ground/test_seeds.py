"""A draw depends on its key alone."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from d3s_utils.ground.seeds import rng_for, seed_for, torch_rng_for

PARTS = st.lists(st.one_of(st.text(max_size=8), st.integers()), min_size=1, max_size=4)


@given(PARTS)
def test_the_same_key_gives_the_same_draw(key):
    assert seed_for(*key) == seed_for(*key)
    assert rng_for(*key).integers(2**40) == rng_for(*key).integers(2**40)
    assert torch.equal(torch.rand(3, generator=torch_rng_for(*key)), torch.rand(3, generator=torch_rng_for(*key)))


@given(PARTS, PARTS)
def test_different_keys_give_different_seeds(one, two):
    if list(map(str, one)) != list(map(str, two)):
        assert seed_for(*one) != seed_for(*two)


@given(PARTS)
def test_a_seed_fits_a_signed_64_bit_column(key):
    assert 0 <= seed_for(*key) < 2**63


def test_where_a_part_ends_matters():
    assert seed_for("a", "bc") != seed_for("ab", "c") != seed_for("abc")


def test_seeds_never_change_between_versions():
    assert seed_for(0, "train", "n07742313", "on grass", 0) == 917515632678146820


def test_a_draw_leaves_global_randomness_alone():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    torch.rand(5, generator=torch_rng_for("elsewhere"))
    assert torch.equal(torch.rand(1), expected)
