"""The explorer's data and sheets: every image once, in its place, under its own votes and guesses."""

import json

import made_up_run
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from d3s_utils.generation.shards import shards
from d3s_utils.notebook import fresh
from d3s_utils.notebook.explorer import rows, sheets
from d3s_utils.notebook.explorer.write import as_script, write_explorer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made_up_run.make_run(tmp_path_factory.mktemp("run") / "toy")


def data_of(folder):
    """What data.js pushes."""
    text = (folder / "html" / "explore" / "data.js").read_text()
    return json.loads(text.removeprefix("(window.D3S_RUNS ??= []).push(").removesuffix(");\n"))


def test_every_image_has_its_tile_and_its_guide(folder):
    assert write_explorer(folder) == {"shown": "18", "total": "18", "sampled": False}
    data = data_of(folder)
    assert data["id"] == list(made_up_run.manifest()["image_id"])
    side, across = data["sheets"]["tile"], data["sheets"]["across"]
    assert (side, data["sheets"]["count"]) == (made_up_run.SIDE, 1)
    for name, turn in (("images", lambda pixel: pixel), ("guides", lambda pixel: 255 - pixel)):
        with Image.open(folder / "html" / "explore" / f"{name}-000.webp") as opened:
            sheet = np.asarray(opened.convert("RGB"), int)
        for i in range(len(data["id"])):
            middle = sheet[i // across * side + side // 2, i % across * side + side // 2]
            assert np.abs(middle - turn(made_up_run.colour(i)[0, 0].astype(int))).max() < 25, (name, i)


def test_votes_verdicts_and_guesses_are_those_of_the_image(folder):
    write_explorer(folder)
    data = data_of(folder)
    first = data["id"].index("val-n0-b0-0")
    assert data["votes"]["foreground"][first] == [1, 3] and data["votes"]["adult"][first] == [0, 3]
    assert data["votes"]["foreground"][0] == [0, 0], "nobody was asked about a training image"
    verdict = {rule["name"]: rule["verdict"] for rule in data["rules"]}
    assert (verdict["unanimity"][first + 1], verdict["majority"][first], verdict["majority"][0]) == (1, 0, -1)
    assert data["own"] == "majority" and data["source"] == "simulated"
    guesses = {model["name"]: model for model in data["models"]}
    assert [model["apart"] for model in data["models"]] == [False, False, True]
    other = data["id"].index("val-n2-b1-0")
    assert guesses["resnet"]["guess"][other] == 2 and guesses["vit"]["guess"][other] == 0
    assert guesses["resnet"]["sure"][other] == 900 and guesses["resnet"]["guess"][0] == -1
    assert data["seed"][0] == str(2**62), "a number that scripts would round is text"


def test_text_of_the_data_cannot_end_its_script():
    said = as_script({"name": "</script><!--\u2028&"})
    assert not set("<>&\u2028") & set(said)
    assert json.loads(said.removeprefix("(window.D3S_RUNS ??= []).push(").removesuffix(");\n"))["name"].startswith(
        "</sc"
    )


def test_nothing_is_drawn_twice_and_what_is_gone_is_drawn_again(folder):
    write_explorer(folder)
    sheet = folder / "html" / "explore" / "images-000.webp"
    before = sheet.read_bytes(), sheet.stat().st_mtime_ns
    write_explorer(folder)
    assert (sheet.read_bytes(), sheet.stat().st_mtime_ns) == before
    sheet.unlink()
    write_explorer(folder)
    assert sheet.read_bytes() == before[0]


def test_a_large_run_shows_a_sample_of_every_cell():
    table = pd.DataFrame(
        [(split, label, b) for split in ("train", "val") for label in range(50) for b in "abcd" for _ in range(5)],
        columns=["split", "label", "background"],
    )
    some = rows.sample(table, 800)
    assert len(some) == 800 and some.groupby(rows.CELL).size().eq(2).all()
    fewer = rows.sample(table, 100)
    assert fewer.groupby(rows.CELL).size().max() == 1 and fewer["label"].nunique() > 30
    assert rows.sample(table, 100).equals(fewer)
    assert len(rows.sample(table, 9999)) == len(table)


def test_a_sample_takes_its_pictures_from_its_own_shards(folder, tmp_path):
    plan = made_up_run.manifest()
    chosen = plan.iloc[[1, 6, 7, 17]].reset_index(drop=True)
    sheets.write_sheets(folder / "dataset", chosen, tmp_path)
    sheet = np.asarray(Image.open(tmp_path / "images-000.webp").convert("RGB"), int)
    for place, i in enumerate((1, 6, 7, 17)):
        assert np.abs(sheet[8, 16 * place + 8] - made_up_run.colour(i)[0, 0]).max() < 25


def test_many_images_take_several_sheets(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(sheets, "PER_SHEET", 4)
    kept = sheets.write_sheets(folder / "dataset", made_up_run.manifest(), tmp_path)
    assert kept["count"] == 5 and len(list(tmp_path.glob("*.webp"))) == 10
    sheet = np.asarray(Image.open(tmp_path / "images-004.webp").convert("RGB"), int)
    assert np.abs(sheet[8, 16 + 8] - made_up_run.colour(17)[0, 0]).max() < 25


def test_guesses_beyond_the_classes_have_a_name():
    plan = pd.DataFrame({"label": [7, 3], "class_name": ["b", "a"]})
    names = rows.names_of(plan, [3, 99])
    assert names.classes == ["a", "b"] and names.guesses == ["a", "b", "class 99"] and names.number_of[99] == 2


def test_an_unfinished_dataset_has_no_explorer(tmp_path):
    assert write_explorer(tmp_path) is None
    folder = made_up_run.make_run(tmp_path / "part", votes=False, predictions=False)
    assert write_explorer(folder)["shown"] == "18"
    data = data_of(folder)
    assert data["models"] == [] and data["rules"] == [] and data["votes"] == {}
    last = shards(made_up_run.manifest(), 5)[-1]
    (folder / "dataset" / "data" / f"{last.name}.parquet").unlink()
    (folder / "html" / "explore" / "images-000.webp").unlink()
    assert write_explorer(folder) is None


def test_whatever_the_pages_show_makes_them_new_when_it_changes():
    looks = {name.rpartition("/")[2] for name in fresh.REPORT_LOOKS}
    assert {"report.html", "report.css", "report.js", "explore.html", "explore.css", "explore.js"} <= looks
    assert {"predictions.parquet", "verified.csv", "votes.csv", "manifest.parquet", "dataset/data"} <= set(
        fresh.REPORTED
    )
