"""The pairing ties the superclasses of ImageNet-9 where a run has them, and its classes elsewhere."""

import pandas as pd

from d3s_utils.data.imagenet import IMAGENET9, imagenet_classes
from d3s_utils.ground.words import CLASSES
from d3s_utils.spurious.superclasses import superclasses, tied_images


def classes(*indices):
    return pd.DataFrame({"label": range(len(indices)), "imagenet_index": indices})


def images(*labels):
    table = pd.DataFrame({"label": labels, "background_index": 0})
    return table.assign(image_id=table.index, class_name=table["label"].astype(str))


def test_all_of_imagenet_is_tied_by_its_nine_superclasses_and_the_rest_left_out():
    found = superclasses(imagenet_classes().rename_axis("label").reset_index())
    assert set(found.dropna()) == set(IMAGENET9) and found.notna().sum() == 370


def test_classes_that_all_have_a_superclass_are_tied_by_it():
    cougar_dog_lynx = classes(286, 151, 287)
    assert superclasses(cougar_dog_lynx).to_list() == ["carnivore", "dog", "carnivore"]
    tied = tied_images(images(0, 1, 2, 2), cougar_dog_lynx)
    assert tied["class_name"].to_list() == ["carnivore", "dog", "carnivore", "carnivore"]
    assert tied["label"].to_list() == [1, 0, 1, 1], "dog comes before carnivore in ImageNet-9"


def test_one_superclass_or_a_class_of_none_leaves_classes_tied():
    assert superclasses(classes(151, 152)) is None, "all dogs"
    assert superclasses(classes(151, 286, -1)) is None, "a class of one's own"
    same = images(2, 0, 1)
    pd.testing.assert_frame_equal(tied_images(same, classes(151, 286, -1)), same)
    assert superclasses(CLASSES.rename_axis("label").reset_index()) is None, "three of the pocket ten have one"


def test_images_of_no_superclass_are_left_out_and_rows_counted_anew():
    of_each = [int(ranges.split()[0].split("-")[0]) for _, ranges in IMAGENET9.values()]
    known = classes(999, *of_each)
    tied = tied_images(images(0, 9, 1, 0), known)
    assert tied["class_name"].to_list() == ["fish", "dog"] and tied["label"].to_list() == [8, 0]
    assert tied.index.to_list() == [0, 1] and tied["image_id"].to_list() == [1, 2]
