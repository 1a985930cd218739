"""Gold: half of it are traps, and its answers are true."""

import pytest
from conftest import copy_run

from d3s_utils.data.classes import class_table
from d3s_utils.generation.dataset import read_dataset
from d3s_utils.generation.world import open_photos
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.run import open_run
from d3s_utils.ground.seeds import rng_for
from d3s_utils.verification.asking.gold import _another, held_out_gold, read_gold, worked_examples
from d3s_utils.verification.asking.plan import plan_of


@pytest.fixture
def run(asked_outputs, tmp_path, monkeypatch):
    return copy_run(asked_outputs, tmp_path, monkeypatch)


def world(run):
    """What gold is drawn from: photographs, classes and the manifest."""
    return open_photos(run.profile), class_table(run.profile), read_dataset(run.folder / "dataset", "val")


def gold_of(run, count):
    return held_out_gold(*world(run), count, run.profile.seed)


def test_half_of_the_gold_are_traps_and_their_answers_are_true(run):
    items, gold = gold_of(run, 40)
    known = gold.pivot(index="item_id", columns="question", values="answer").loc[items["item_id"]]
    assert (known == "no").sum(axis=1).isin([0, 1]).all() and (known == "no").any(axis=1).sum() == 20
    photos = open_photos(run.profile).table("val").set_index("photo_id")
    shown = photos.loc[items["picture"].str.removeprefix("photo/")]
    assert (
        (shown["class_name"].to_numpy() == items["class_name"]).to_numpy() == (known["foreground"] == "yes").to_numpy()
    ).all()
    assert (
        (shown["background"].to_numpy() == items["background"]).to_numpy() == (known["background"] == "yes").to_numpy()
    ).all()


def test_a_trap_asks_for_a_class_that_is_far_in_the_list():
    names, rng = [f"class {number}" for number in range(100)], rng_for("far")
    drawn = {_another(names, "class 50", rng, far=10) for _ in range(2000)}
    assert len(drawn) == 81 and not drawn & {f"class {number}" for number in range(41, 60)}
    assert _another(["one"], "one", rng) == "one"


def test_gold_of_ones_own(run, tmp_path):
    path, names = tmp_path / "gold.csv", read_dataset(run.folder / "dataset", "val")["image_id"]
    path.write_text(
        f"\ufeffimage_id,question,answer\r\n{names[0]},foreground,no\r\n{names[0]},foreground,no\r\n", encoding="utf-8"
    )
    assert list(read_gold(str(path), names)["answer"]) == ["no"]
    plan = plan_of(open_run(str(run.folder.parent.parent / "asked.yaml"), run.notebook, f"verification.gold={path}"))
    assert len(plan.items) == 200 and list(plan.gold["item_id"]) == [names[0]]
    for line, named in [
        ("x,foreground,no", "line 2: nobody is asked about 'x'"),
        (f"{names[0]},taste,no", "question is 'taste'"),
        (f"{names[0]},adult,maybe", "yes or no"),
    ]:
        path.write_text(f"image_id,question,answer\n{line}\n")
        with pytest.raises(D3SError, match=named):
            read_gold(str(path), names)
    with pytest.raises(D3SError, match="no file"):
        read_gold(str(tmp_path / "absent.csv"), names)


def test_instructions_come_with_examples_that_are_no_gold(run):
    examples = worked_examples(*world(run), run.profile.seed)
    assert [one["answers"] for one in examples] == [
        "object: yes, background: yes",
        "object: no, background: yes",
        "object: yes, background: no",
    ]
    assert all("/train/" in one["picture"] for one in examples)


def test_photographs_without_known_backgrounds_are_gold_for_the_object_alone(evil_outputs, tmp_path, monkeypatch):
    run = copy_run(evil_outputs, tmp_path, monkeypatch)
    items, gold = gold_of(run, 6)
    assert set(gold["question"]) == {"foreground"} and set(gold["answer"]) == {"yes", "no"} and len(items) == 6
