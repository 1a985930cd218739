"""Features that keep object and background apart: a backbone whose features come in two parts, and penalties on what
each part knows of the other's label. Whatever is trained or encoded here is kept under a key of what it depends on; the
probes and the spurious task read the files of features."""

from d3s_utils.disentanglement.encoding import encode
from d3s_utils.disentanglement.features import Features, read_all
from d3s_utils.disentanglement.heads import head_accuracy
from d3s_utils.disentanglement.images import load_data, verified_images
from d3s_utils.disentanglement.methods import all_methods, method_table
from d3s_utils.disentanglement.stages import (
    fit_ahead,
    fit_backbone,
    fit_plain,
    fit_splits,
    load_method,
    save_features,
)

__all__ = [
    "Features",
    "all_methods",
    "encode",
    "fit_ahead",
    "fit_backbone",
    "fit_plain",
    "fit_splits",
    "head_accuracy",
    "load_data",
    "load_method",
    "method_table",
    "read_all",
    "save_features",
    "verified_images",
]
