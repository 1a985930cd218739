"""The dataset: planned image by image, drawn shard by shard, kept as a release that others can read, and measured. Each
image has a hash of all that it depends on; what is there under that hash is never drawn again. A judge says whether
labels are there, guides are followed and images look real."""

from d3s_utils.generation.dataset import load_guides, load_images, read_dataset
from d3s_utils.generation.distances import diversity_table, photo_features, realism_table, sample_features, with_floor
from d3s_utils.generation.following import follow_guides, follow_rates, follow_sweep
from d3s_utils.generation.labels import judge_labels, label_rates
from d3s_utils.generation.make import generate_dataset
from d3s_utils.generation.plan import build_manifest
from d3s_utils.generation.samples import Samples, balanced_rows, load_samples, strength_sweep
from d3s_utils.generation.spaces import open_features, open_judge
from d3s_utils.generation.standard import lpips_table
from d3s_utils.generation.world import World, open_backgrounds, open_photos, open_world, reference_name, without_habit

__all__ = [
    "Samples",
    "World",
    "balanced_rows",
    "build_manifest",
    "diversity_table",
    "follow_guides",
    "follow_rates",
    "follow_sweep",
    "generate_dataset",
    "judge_labels",
    "label_rates",
    "load_guides",
    "load_images",
    "load_samples",
    "lpips_table",
    "open_backgrounds",
    "open_features",
    "open_judge",
    "open_photos",
    "open_world",
    "photo_features",
    "read_dataset",
    "realism_table",
    "reference_name",
    "sample_features",
    "strength_sweep",
    "with_floor",
    "without_habit",
]
