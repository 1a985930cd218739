"""Networks in two parts."""

import pytest

from d3s_utils.disentanglement.models import Backbone, part_sizes
from d3s_utils.ground.errors import D3SError


@pytest.mark.parametrize(
    "width, share, sizes", [(2048, 0.122, (1798, 250)), (128, 0.5, (64, 64)), (8, 0.0, (7, 1)), (8, 1.0, (1, 7))]
)
def test_the_last_features_are_the_backgrounds(width, share, sizes):
    assert part_sizes(width, share) == sizes


def test_an_unknown_network_is_one_clear_sentence():
    with pytest.raises(D3SError, match="disentanglement.backbone.*'resnot'"):
        Backbone("resnot")
