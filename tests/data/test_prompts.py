"""Recipes are data: the paper's words come out, the user's own work alike, and what is wrong is named."""

import numpy as np
import pytest
from PIL import Image

from d3s_utils.data.guides import KINDS
from d3s_utils.data.prompts import open_recipe, read_recipe
from d3s_utils.generation.guides import guides_for, object_masks
from d3s_utils.generation.plan import build_manifest
from d3s_utils.generation.world import open_backgrounds, open_photos
from d3s_utils.ground import paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.words import BACKGROUNDS, CLASSES, prompt

SMALL = "classes=2 dataset.train_per_cell=0 dataset.val_per_cell=1 natural.train_per_class=4 natural.val_per_class=10"


def plan(overrides=""):
    profile = load_profile("smoke", f"{SMALL} {overrides}")
    photos, backgrounds = open_photos(profile), open_backgrounds(profile)
    return build_manifest(profile, photos, backgrounds), photos, backgrounds


# Words ----------------------------------------------------------------------------------------------------------------


def test_the_background_recipe_says_the_papers_prompt():
    recipe = open_recipe(load_profile("pocket"))
    for row, background in zip(CLASSES.itertuples(), BACKGROUNDS, strict=True):
        for definition in (row.definition, None):
            assert recipe.prompt(row.class_name, definition, background) == prompt(
                row.class_name, definition, background
            )


@pytest.mark.parametrize(
    "name, shift, words",
    [
        ("geography", "Chile", "a photo of a daisy, a plant, in Chile"),
        ("past", "1950", "an old color photo of a daisy, a plant, from the 1950s"),
        ("future", "2200", "a futuristic color photo of a daisy, a plant, from the 2200s"),
        ("photo", "as it is", "a photo of a daisy, a plant"),
    ],
)
def test_each_recipe_in_words_with_and_without_definition(name, shift, words):
    recipe = open_recipe(load_profile("pocket", f"recipe={name}"))
    assert recipe.prompt("daisy", "a plant", shift) == words
    assert recipe.prompt("daisy", None, shift) == words.replace(", a plant", "")


def test_geography_has_ten_countries():
    assert len(open_recipe(load_profile("pocket", "recipe=geography")).shifts) == 10


def test_braces_in_a_class_name_stay_as_they_are():
    recipe = open_recipe(load_profile("pocket"))
    assert recipe.prompt("{shift}", "{class}", "in snow") == "a photo of a {shift}, {class}, in snow"


def test_a_recipe_of_ones_own_maps_labels_to_words(tmp_path):
    (tmp_path / "weather.yaml").write_text(
        'prompt: "{class}, {shift}"\nshifts: {foggy: in thick fog, "2": at noon}\nguide: none\n'
    )
    manifest, _, _ = plan(f"recipe={tmp_path}/weather.yaml")
    assert set(manifest["background"]) == {"foggy", "2"}
    assert set(manifest["prompt"]) == {
        f"{name}, {words}" for name in manifest["class_name"] for words in ("in thick fog", "at noon")
    }


@pytest.mark.parametrize(
    "text, said",
    [
        ("prompt: [", "cannot be read"),
        ("prompt: a", "must have the keys prompt, shifts, guide"),
        ("prompt: a\nshifts: [a]\nguide: none", "prompt must be a text with {class}"),
        ('prompt: "{class}"\nshifts: [a, a]\nguide: none', "a list of different labels"),
        ('prompt: "{class}"\nshifts: []\nguide: none', "a list of different labels"),
        ('prompt: "{class}"\nshifts: snow\nguide: none', "a list of different labels"),
        ('prompt: "{class}"\nshifts: [a]\nguide: collage', "there is no guide 'collage'; choose one of paste, mask"),
    ],
)
def test_a_recipe_that_says_nothing_sensible_is_named(tmp_path, text, said):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(D3SError, match="bad.yaml") as caught:
        read_recipe(tmp_path / "bad.yaml")
    assert said in str(caught.value)


def test_an_unknown_recipe_lists_the_known_ones():
    with pytest.raises(D3SError, match="there is no weather; give a YAML file, or one of background, future"):
        open_recipe(load_profile("pocket", "recipe=weather"))


@pytest.mark.parametrize("path", sorted(paths.RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_of_the_package_plans_a_labelled_shift(path):
    recipe = read_recipe(path)
    manifest, photos, backgrounds = plan(f"recipe={path.stem}")
    shifts = [label for label, _ in recipe.shifts] if recipe.shifts else list(BACKGROUNDS)
    assert list(manifest["background"].unique()) == shifts and (manifest["guide_kind"] == recipe.guide).all()
    assert manifest.groupby(["class_name", "background"]).size().eq(1).all()
    assert guides_for(manifest, photos, backgrounds).shape == (len(manifest), 64, 64, 3)


# Guides ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_guide_shows_what_its_kind_says(kind):
    manifest, photos, backgrounds = plan(f"generator.guide={kind}")
    guide, row = guides_for(manifest, photos, backgrounds)[0], manifest.iloc[0]
    wanted = {
        "foreground": kind in ("paste", "mask", "foreground"),
        "background": kind in ("paste", "mask", "background"),
    }
    assert {name: bool(row[f"{name}_source"]) for name in wanted} == wanted
    place = object_masks(manifest, photos)[0]
    share = (place == 255).mean()
    if kind == "none":
        assert (guide == 128).all() and share == 0
    elif kind == "foreground":
        assert np.array_equal(guide, photos.load([row["foreground_source"]])[0]) and share == 1
    elif kind == "background":
        assert np.array_equal(guide, np.asarray(backgrounds.picture(row["background_source"]))) and share == 0
    else:
        empty = np.asarray(backgrounds.picture(row["background_source"]))
        assert np.array_equal(guide[place == 0], empty[place == 0]) and not np.array_equal(guide, empty)
        assert share == pytest.approx((26 / 64) ** 2) if kind == "paste" else 0 < share < (26 / 64) ** 2


def test_the_same_photograph_lies_at_the_same_place_whatever_is_cut_out():
    pasted, masked = plan("generator.guide=paste")[0], plan("generator.guide=mask")[0]
    columns = ["image_id", "seed", "prompt", "foreground_source", "background_source", "left", "top", "scale"]
    assert pasted[columns].equals(masked[columns]) and not pasted["recipe_hash"].isin(masked["recipe_hash"]).any()


def test_shifts_without_pictures_are_named(tmp_path):
    with pytest.raises(D3SError, match="geography shifts to 'Chile', of which pocket has no pictures"):
        plan("recipe=geography generator.guide=paste")


def test_inpainting_without_an_object_is_refused():
    with pytest.raises(D3SError, match="inpainting keeps an object that is pasted"):
        load_profile("pocket", "generator.mode=inpainting generator.guide=none")


# Masks of photographs -------------------------------------------------------------------------------------------------


@pytest.fixture
def photographed(tmp_path):
    """Two classes of one wide photograph each, and a profile over them."""
    for split in ("train", "val"):
        for number, wnid in enumerate(("n01443537", "n07742313")):
            (tmp_path / split / wnid).mkdir(parents=True)
            Image.new("RGB", (60, 40), (200, 90 * number, 0)).save(tmp_path / split / wnid / f"{split}{number}.png")
    (tmp_path / "mine.yaml").write_text(
        f"extends: smoke\nforegrounds: {{train: {tmp_path}/train, val: {tmp_path}/val}}\nclasses: all\n"
        "dataset: {train_per_cell: 0, val_per_cell: 1}\n"
        f"generator: {{guide: mask, masks: {tmp_path}/masks}}\n"
    )
    return tmp_path


def masked(folder, more=""):
    profile = load_profile(folder / "mine.yaml", more)
    photos, backgrounds = open_photos(profile), open_backgrounds(profile)
    manifest = build_manifest(profile, photos, backgrounds)
    return guides_for(manifest, photos, backgrounds), object_masks(manifest, photos)


@pytest.mark.parametrize("where", ["val/n01443537", "n01443537", "."])
def test_masks_lie_in_a_folder_by_split_class_or_name(photographed, where):
    half = Image.new("L", (60, 40), 0)
    half.paste(255, (0, 0, 30, 40))
    for number, wnid in enumerate(("n01443537", "n07742313")):
        folder = photographed / "masks" / where.replace("n01443537", wnid)
        folder.mkdir(parents=True, exist_ok=True)
        half.resize((30, 20)).save(folder / f"val{number}.png")
    guides, places = masked(photographed)
    assert 0.4 < (places > 128).mean() / (26 / 64) ** 2 < 0.6
    red = (guides[:10, :, :, 0] > 190) & (guides[:10, :, :, 1] < 10) & (guides[:10, :, :, 2] < 10)
    assert (red == (places[:10] == 255)).mean() > 0.99


def test_coco_instances_are_joined(photographed):
    pytest.importorskip("pycocotools")
    import json

    def box(x):
        return [[x, 0, x + 15, 0, x + 15, 40, x, 40]]

    images = [{"id": n, "file_name": f"val/val{n}.png", "width": 60, "height": 40} for n in range(2)]
    shared = {"category_id": 1, "iscrowd": 0, "bbox": [0, 0, 9, 9]}
    instances = [
        {"id": 2 * n + k, "image_id": n, "segmentation": box(15 + 15 * k)} | shared for n in range(2) for k in range(2)
    ]  # fmt: skip
    path = photographed / "instances.json"
    path.write_text(
        json.dumps({"images": images, "annotations": instances, "categories": [{"id": 1, "name": "thing"}]})
    )
    _, places = masked(photographed, f"generator.masks={path}")
    assert 0.65 < (places > 128).mean() / (26 / 64) ** 2 < 0.85  # the middle half of a wide picture


@pytest.mark.parametrize(
    "more, said",
    [
        ("generator.masks=null", "generator.guide mask needs generator.masks"),
        ("", "there is no folder"),
        ("generator.masks={folder}/train", "has no mask; put it at"),
        ("generator.masks={folder}/square", "is 20 x 20, its photograph 60 x 40"),
    ],
)
def test_a_mask_that_is_missing_or_misshapen_is_named(photographed, more, said):
    (photographed / "square").mkdir()
    for number in range(2):
        Image.new("L", (20, 20), 255).save(photographed / "square" / f"val{number}.png")
    with pytest.raises(D3SError, match=said):
        masked(photographed, more.format(folder=photographed))


# Backgrounds made from text -------------------------------------------------------------------------------------------


def test_backgrounds_are_made_once_from_text_and_the_same_in_any_order(tiny_checkpoint, tmp_path, monkeypatch):
    from d3s_utils.diffusion import draw

    monkeypatch.setenv("D3S_OUTPUTS", str(tmp_path))
    overrides = (
        f"{SMALL} backgrounds=generate generator.model={tiny_checkpoint} generator.size=32 generator.dtype=float32 "
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
    before = draw.text_to_image
    monkeypatch.setattr(
        "d3s_utils.generation.backgrounds.text_to_image",
        lambda g, prompts, *rest: made.extend(prompts) or before(g, prompts, *rest),
    )
    again = [np.asarray(picture) for picture in open_backgrounds(profile).pictures(ids)]
    assert made == [] and all(map(np.array_equal, first, again))
    for path in kept:
        path.unlink()
    alone = np.asarray(open_backgrounds(profile).picture(ids[1]))
    assert made == ["a photo on grass"] and np.abs(alone.astype(int) - first[1]).max() <= 1


# --- what a shift is called ---


def test_figures_call_a_shift_by_its_word():
    from d3s_utils.figures.shapes import use_word, worded

    said = {}
    for recipe in ("geography", "past", "background"):
        use_word(open_recipe(load_profile("smoke", f"recipe={recipe}")).word)
        said[recipe] = worded("unusual {background}, which {backgrounds}?")
    assert said == {
        "background": "unusual background, which backgrounds?",
        "geography": "unusual country, which countries?",
        "past": "unusual decade, which decades?",
    }


def test_a_recipe_of_ones_own_may_name_its_shift(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text('prompt: "a {class}, {shift}"\nshifts: [red, blue]\nguide: foreground\nword: colour\n')
    assert read_recipe(path).word == "colour"
    path.write_text('prompt: "a {class}, {shift}"\nshifts: [red, blue]\nguide: foreground\nword: [1]\n')
    with pytest.raises(D3SError, match="word must be a noun"):
        read_recipe(path)
