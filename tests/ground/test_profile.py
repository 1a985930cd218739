"""A profile is typed, and every mistake in it ends in one sentence a user can act on."""

import dataclasses
import pickle
import subprocess
import sys

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from d3s_utils.ground import journal, paths
from d3s_utils.ground.cached import digest
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.profile import load_profile, to_yaml
from d3s_utils.ground.settings import Dataset, Folders, Generator, Probes, Profile

NAMES = sorted(file.stem for file in paths.PROFILES.glob("*.yaml"))


def write(folder, name, text):
    (folder / name).write_text(text)
    return folder / name


def test_the_four_profiles_are_there():
    assert NAMES == ["lab", "paper", "pocket", "smoke"]


def test_pocket_and_paper_have_the_sizes_they_promise():
    pocket, paper = load_profile("pocket"), load_profile("paper")
    assert 100 * pocket.dataset.train_per_cell == 2000 and 100 * pocket.dataset.val_per_cell == 1000
    assert 1000 * 10 * (paper.dataset.train_per_cell + paper.dataset.val_per_cell) == 120_000
    assert paper.generator.revision, "a hub model is pinned"


@pytest.mark.parametrize("name", NAMES)
def test_a_resolved_profile_reads_back_as_itself(name, tmp_path):
    profile = load_profile(name)
    again = load_profile(write(tmp_path, f"{name}.yaml", to_yaml(profile)))
    assert again == profile
    assert to_yaml(again) == to_yaml(profile)


def test_a_resolved_profile_says_every_key():
    resolved = yaml.safe_load(to_yaml(load_profile("pocket")))
    assert set(resolved) == {field.name for field in dataclasses.fields(Profile)} - {"name"}
    assert set(resolved["generator"]) == {field.name for field in dataclasses.fields(Generator)}


def test_a_run_is_named_after_its_file(tmp_path):
    assert load_profile(write(tmp_path, "mine.yaml", "seed: 3")) == Profile(name="mine", seed=3)


def test_an_empty_file_is_all_defaults(tmp_path):
    assert load_profile(write(tmp_path, "mine.yaml", "")) == Profile(name="mine")


def test_extends_merges_sections_key_by_key_and_replaces_the_rest(tmp_path):
    write(tmp_path, "base.yaml", "dataset: {train_per_cell: 7, val_per_cell: 5}\nclasses: [daisy, teapot]")
    child = load_profile(
        write(tmp_path, "child.yaml", "extends: base.yaml\ndataset: {val_per_cell: 3}\nclasses: [monarch]")
    )
    assert child.dataset == Dataset(train_per_cell=7, val_per_cell=3)
    assert child.classes == ("monarch",)


def test_folders_are_a_source_of_foregrounds(tmp_path):
    profile = load_profile(write(tmp_path, "mine.yaml", "foregrounds: {train: a, val: b}"))
    assert profile.foregrounds == Folders("a", "b")


def test_overrides_lie_over_the_file():
    profile = load_profile("pocket", "generator.strength=0.8 dataset.val_per_cell=4 evaluation.models=[vit,mixer]")
    assert (profile.generator.strength, profile.dataset.val_per_cell) == (0.8, 4)
    assert profile.evaluation.models == ("vit", "mixer")
    assert load_profile("pocket", "classes='[coffee mug, teapot]'").classes == ("coffee mug", "teapot")


@given(steps=st.integers(2, 500), guidance=st.floats(0, 30), dtype=st.sampled_from(["auto", "float16"]))
@settings(max_examples=40, deadline=None)
def test_whatever_an_override_says_is_what_the_profile_holds(steps, guidance, dtype):
    said = f"generator.steps={steps} generator.guidance={guidance!r} generator.dtype={dtype} realism.strengths=[1.0]"
    generator = load_profile("pocket", said).generator
    assert (generator.steps, generator.guidance, generator.dtype) == (steps, guidance, dtype)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("generator.strenght=1", ["SET", "generator.strenght", "did you mean generator.strength?", "guidance"]),
        ("strength=1", ["did you mean generator.strength?"]),
        ("colour=1", ["colour is not a key", "allowed here are seed"]),
        ("generator.strength=2", ["generator.strength = 2", "from 0 to 1"]),
        ("generator.strength=.nan", ["generator.strength", "from 0 to 1"]),
        ("generator.guidance='\"5\"'", ['generator.guidance = "5"', "a number of at least 0"]),
        ("generator.safety=1", ["generator.safety = 1", "true or false"]),
        ("natural.habit=true", ["natural.habit = true", "a number from 0 to 1"]),
        ("verification.gold=3", ["text or null"]),
        ("realism.strengths=[2]", ["a list, each item a number from 0 to 1"]),
        ("name=mine", ["name is not a key; allowed here are seed"]),
        ("generator.steps=2.5", ["generator.steps = 2.5", "whole number of at least 1"]),
        ("generator.steps=true", ["generator.steps = true", "whole number"]),
        ("generator.dtype=flaot16", ["flaot16", "did you mean float16?", "float32"]),
        ("generator=5", ["generator = 5", "section", "strength"]),
        ("evaluation.models=resnet10t", ["evaluation.models", "a list"]),
        ("foregrounds=puddle", ["puddle", "pocket or {train: ..., val: ...}"]),
        ("foregrounds.train=here", ["foregrounds", "val"]),
        ("classes=[3]", ["classes", "whole number or all or a list"]),
        ("classes=0", ["classes must be at least 1"]),
        ("classes=[]", ["classes is an empty list"]),
        ("generator.size=36", ["generator.size", "multiple of 8"]),
        ("generator.steps=1", ["no denoising step"]),
        ("verification.votes_per_image=26", ["nobody votes twice"]),
        ("verification.source=csv", ["verification.votes"]),
        ("verification.error_low=0.5", ["error_high"]),
        ("disentanglement.background_share=1", ["background_share"]),
        ("seed", ["'seed' is not section.key=value"]),
        ("seed=1 seed.more=2", ["seed.more"]),
        ("seed='1", ["open quote"]),
        ("classes=[a", ["classes", "not YAML"]),
    ],
)
def test_a_mistaken_override_is_named_with_what_is_allowed(said, words):
    with pytest.raises(D3SError) as error:
        load_profile("pocket", said)
    assert all(word in str(error.value) for word in words), str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dataset: {val_per_cel: 3}", ["mine.yaml: dataset.val_per_cel", "did you mean dataset.val_per_cell?"]),
        ("name: other", ["name is not a key"]),
        ("seed: 1\nseed: 2", ["seed is given twice"]),
        ("seed: [1", ["is not YAML"]),
        ("- 1", ["`key: value`"]),
        ("dataset:", ["dataset = null", "section"]),
        ("extends: 3", ["extends = 3", "name or path"]),
        ("extends: pockt", ["there is no profile 'pockt'", "did you mean pocket?"]),
        ("extends: other.yaml", ["mine.yaml: extends", "other.yaml"]),
    ],
)
def test_a_mistaken_file_is_named_with_its_key(text, words, tmp_path):
    with pytest.raises(D3SError) as error:
        load_profile(write(tmp_path, "mine.yaml", text))
    assert all(word in str(error.value) for word in words), str(error.value)


def test_profiles_that_extend_each_other_are_refused(tmp_path):
    write(tmp_path, "a.yaml", "extends: b.yaml")
    with pytest.raises(D3SError, match="a.yaml -> b.yaml -> a.yaml"):
        load_profile(write(tmp_path, "b.yaml", "extends: a.yaml").with_name("a.yaml"))


def test_an_unknown_profile_names_the_known_ones():
    with pytest.raises(D3SError, match=r"'smok' \(did you mean smoke\?\); known are lab, paper, pocket, smoke"):
        load_profile("smok")
    with pytest.raises(D3SError, match="there is no profile file"):
        load_profile("nowhere/mine.yaml")


def test_a_run_cannot_be_called_reference(tmp_path):
    with pytest.raises(D3SError, match="reference"):
        load_profile(write(tmp_path, "reference.yaml", ""))


def test_numbers_may_be_written_with_an_exponent():
    assert load_profile("pocket", "disentanglement.weight=1e-3").disentanglement.weight == 0.001


def test_a_recipe_changes_with_any_value_and_with_nothing_else():
    one, two = load_profile("pocket"), load_profile("pocket", "generator.steps=24")
    assert digest(one) == digest(load_profile("pocket")) != digest(two)
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest("a", "bc") != digest("ab", "c")
    assert len(digest(1)) == 16


def test_settings_are_checked_wherever_they_are_made():
    with pytest.raises(ValueError, match="less than or equal to 1"):
        dataclasses.replace(Generator(), strength=2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Generator().strength = 1


def test_settings_travel_to_other_processes():
    profile = load_profile("lab")
    there = pickle.loads(pickle.dumps(profile))
    assert there == profile and hash(there) == hash(profile) and digest(there) == digest(profile)


@pytest.fixture
def noted(tmp_path, monkeypatch):
    """The settings that the journal holds by now."""
    monkeypatch.setattr(journal, "_SEEN", set())
    monkeypatch.setenv("D3S_JOURNAL", str(tmp_path / "journal"))
    return lambda: sorted(journal.read(tmp_path / "journal").settings)


def test_a_setting_is_noted_when_it_is_read_and_not_when_it_is_checked_or_written_down(noted):
    profile = load_profile("smoke", "dataset.val_per_cell=3")
    assert to_yaml(profile) and pickle.loads(pickle.dumps(profile)) and profile.generator and noted() == []
    assert profile.seed == 0 and profile.generator.strength and profile.dataset.val_per_cell == 3
    assert noted() == ["dataset.val_per_cell", "generator.strength", "seed"]


def test_whoever_looks_at_a_whole_section_has_read_all_of_it(noted):
    digest(load_profile("smoke").probes)
    assert noted() == [f"probes.{field.name}" for field in sorted(dataclasses.fields(Probes), key=lambda f: f.name)]
    assert load_profile("lab").foregrounds.train and noted()[0] == "foregrounds"


def test_a_journal_that_is_kept_from_the_start_is_no_hindrance(tmp_path):
    code = "from d3s_utils.ground.profile import load_profile; print(load_profile('smoke').name)"
    environment = {"D3S_JOURNAL": str(tmp_path / "journal"), "PYTHONPATH": str(paths.ROOT)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert journal.read(tmp_path / "journal").settings == {"name"}
