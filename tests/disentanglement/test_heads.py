"""Heads are counted on what they never saw."""

from dataclasses import replace

import numpy as np

from d3s_utils.disentanglement.encoding import encode
from d3s_utils.disentanglement.heads import head_accuracy
from d3s_utils.disentanglement.models import Backbone, SplitModel


def test_head_accuracy_counts_validation_images_alone(data):
    model = SplitModel(Backbone("resnet"), 64, 64, 3, 2)
    features = encode(model, data.d3s, data.images["image_id"].to_numpy())
    right = replace(features, fg_guess=data.images["label"].to_numpy(), bg_guess=np.full(36, 2))
    table = head_accuracy({"all right": right}, data.images).set_index("head")
    assert table.loc["label", "accuracy"] == 100 and table.loc["background", "accuracy"] == 0
    assert set(table["n"]) == {12}
