"""Recipes are data: the paper's words come out, the user's own work alike, and what is wrong is named."""

import pytest

from d3s_utils.data.prompts import open_recipe, read_recipe
from d3s_utils.generation.guides import guides_for
from d3s_utils.generation.plan import build_manifest
from d3s_utils.generation.world import open_world
from d3s_utils.ground import paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.words import BACKGROUNDS, CLASSES, prompt

SMALL = "classes=2 dataset.train_per_cell=0 dataset.val_per_cell=1 natural.train_per_class=4 natural.val_per_class=10"


def plan(overrides=""):
    """The manifest, and the world it is planned from."""
    profile = load_profile("smoke", f"{SMALL} {overrides}")
    world = open_world(profile)
    return build_manifest(profile, world), world


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
    manifest, _ = plan(f"recipe={tmp_path}/weather.yaml")
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
    manifest, world = plan(f"recipe={path.stem}")
    shifts = [label for label, _ in recipe.shifts] if recipe.shifts else list(BACKGROUNDS)
    assert list(manifest["background"].unique()) == shifts and (manifest["guide_kind"] == recipe.guide).all()
    assert manifest.groupby(["class_name", "background"]).size().eq(1).all()
    assert guides_for(manifest, world.photos, world.backgrounds).shape == (len(manifest), 64, 64, 3)


def test_shifts_without_pictures_are_named(tmp_path):
    with pytest.raises(D3SError, match="geography shifts to 'Chile', of which pocket has no pictures"):
        plan("recipe=geography generator.guide=paste")


def test_inpainting_without_an_object_is_refused():
    with pytest.raises(D3SError, match="inpainting keeps an object that is pasted"):
        load_profile("pocket", "generator.mode=inpainting generator.guide=none")


def test_a_recipe_of_ones_own_may_name_its_shift(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text('prompt: "a {class}, {shift}"\nshifts: [red, blue]\nguide: foreground\nword: colour\n')
    assert read_recipe(path).word == "colour"
    path.write_text('prompt: "a {class}, {shift}"\nshifts: [red, blue]\nguide: foreground\nword: [1]\n')
    with pytest.raises(D3SError, match="word must be a noun"):
        read_recipe(path)
