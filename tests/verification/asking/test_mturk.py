"""Mechanical Turk: out in their format, back from it, and every bad row named."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import EVIL, copy_run
from PIL import Image

from d3s_utils.cli.parser import main
from d3s_utils.ground.errors import D3SError
from d3s_utils.verification.asking.desk import open_desk
from d3s_utils.verification.asking.mturk import export
from d3s_utils.verification.asking.mturk_results import read_results
from d3s_utils.verification.rules import verify
from d3s_utils.verification.votes import read_votes

KNOWN = {name: name for name in ("val-a-0000", "val-b-0000", "val-c-0000")}
HEADER = "HITId,AssignmentId,WorkerId,AssignmentStatus,SubmitTime,WorkTimeInSeconds,Input.inputData,Answer.taskAnswers"


def said(**images):
    return json.dumps(
        [{"annotations": json.dumps({name.replace("_", "-"): answers for name, answers in images.items()})}]
    )


def quoted(text):
    return '"' + text.replace('"', '""') + '"'


def results(*rows, ends="\r\n", mark="\ufeff"):
    """A file as the requester's page saves it: (worker, status, answers) each."""
    lines = [HEADER]
    for number, (worker, status, answers) in enumerate(rows):
        start = f"HIT{number},ASG{number},{worker},{status},Fri Nov 20 10:00:0{number} PST 2026,90,"
        lines.append(start + quoted("img, 1, img, 2") + "," + quoted(answers))
    return (mark + ends.join(lines) + ends).encode()


BOTH = {"foreground": "Yes", "nsfw": "No"}
ALL = {"foreground": "yes", "background": "no", "adult": "no"}


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_file_with_everything_that_goes_wrong(tmp_path, ends, mark):
    path = tmp_path / "Batch_1_results.csv"
    path.write_bytes(
        results(
            ("A1", "Approved", said(val_a_0000=ALL, val_b_0000=ALL)),  # row 2
            ("A2", "Submitted", said(val_a_0000=BOTH)),  # 3: the authors' two questions
            ("A3", "Rejected", said(val_a_0000=ALL)),  # 4
            ("A4", "Approved", "[{not json"),  # 5
            ("A1", "Approved", said(val_a_0000=ALL, val_c_0000=ALL)),  # 6: a again, c new
            ("", "Approved", said(val_a_0000=ALL)),  # 7
            ("A5", "Approved", said(val_x_0000=ALL, val_a_0000={"foreground": "maybe", "adult": "no"})),  # 8
            ("A6", "Approved", said(val_a_0000={"background": "Yes"})),  # 9: two answers missing
            ("A7", "Approved", ""),  # 10
            ("A8", "Approved", json.dumps([{"other": "{}"}])),  # 11
            ends=ends,
            mark=mark,
        )
    )
    votes, rejected = read_results(path, KNOWN)
    counts = votes.groupby("worker_id").size().to_dict()
    assert counts == {"A1": 9, "A2": 2, "A5": 1, "A6": 1} and set(votes["source"]) == {"mturk"}
    assert not votes.duplicated(["image_id", "worker_id", "question"]).any()
    told = rejected.groupby("row")["reason"].apply(list).to_dict()
    assert sorted(told) == [4, 5, 6, 7, 8, 9, 10, 11]
    assert "rejected on Mechanical Turk" in told[4][0] and "cannot be read" in told[5][0]
    assert told[6] == ["the same worker answered it before, in row 2"] and "WorkerId is empty" in told[7][0]
    assert any("no image of this run" in reason for reason in told[8]) and any(
        "'maybe'" in reason for reason in told[8]
    )
    assert told[9] == ["no answer about foreground", "no answer about adult"]
    assert "no answers" in told[10][0] or "cannot be read" in told[10][0]
    assert "annotations" in told[11][0] and set(rejected["file"]) == {path.name}


def test_the_authors_answers_are_read_as_theirs(tmp_path):
    path = tmp_path / "theirs.csv"
    annotations = {"background-shift/n01443537/val-a-0000.png": {"foreground": "Yes", "nsfw": "Yes"}}
    path.write_bytes(results(("A1", "Approved", json.dumps([{"annotations": json.dumps(annotations)}]))))
    votes, rejected = read_results(path, KNOWN)
    assert rejected.empty and dict(zip(votes["question"], votes["answer"], strict=True)) == {
        "foreground": "yes",
        "adult": "yes",
    }
    assert list(votes["seconds"]) == [45.0, 45.0], "90 seconds for two answers"
    verified = verify(votes, ["val-a-0000"]).set_index("rule")
    assert not verified.loc["unanimity", "accepted"] and verified.loc["unanimity", "accepted_foreground"]


def test_a_plain_form_is_read_as_well(tmp_path):
    path = tmp_path / "plain.csv"
    pd.DataFrame([{"WorkerId": "A1", "Answer.annotations": json.dumps({"val-a-0000": ALL})}]).to_csv(path, index=False)
    votes, rejected = read_results(path, KNOWN)
    assert len(votes) == 3 and rejected.empty


def test_a_file_that_is_none_is_named(tmp_path):
    with pytest.raises(D3SError, match="no file"):
        read_results(tmp_path / "absent.csv", KNOWN)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(D3SError, match=r"no column Answer\.taskAnswers"):
        read_results(tmp_path / "other.csv", KNOWN)
    (tmp_path / "latin.csv").write_bytes("WorkerId,Answer.taskAnswers\nJos\xe9,x\n".encode("latin-1"))
    with pytest.raises(D3SError, match="not UTF-8"):
        read_results(tmp_path / "latin.csv", KNOWN)


def test_the_batch_asks_about_every_image_once_with_gold_in_each_task(asked_outputs, tmp_path, monkeypatch):
    run = copy_run(asked_outputs, tmp_path, monkeypatch)
    desk, out = open_desk(run), tmp_path / "out"
    batch = export(desk, out, "https://example.org/d3s/", run.profile.seed)
    tasks = [json.loads(items) for items in pd.read_csv(out / "batch.csv")["items"]]
    assert len(tasks) == len(batch) and [len(task) for task in tasks[:-1]] == [25] * (len(tasks) - 1)
    gold = set(desk.store.gold()["item_id"])
    names = [item["id"] for task in tasks for item in task]
    asked = [name for name in names if name not in gold]
    assert len(asked) == len(set(asked)) == 200
    assert all(sum(item["id"] in gold for item in task) == 2 for task in tasks)
    for item in tasks[0]:
        for address in (item["picture"], item["guide"], *item["examples"]):
            file = out / "pictures" / address.removeprefix("https://example.org/d3s/")
            assert Image.open(file).size == (64, 64)
    original = np.asarray(Image.open(out / "pictures" / f"item/{asked[0]}.jpg"), float)
    assert original.std() > 20


def test_a_class_name_with_markup_stays_text_in_batch_and_template(evil_outputs, tmp_path, monkeypatch):
    run = copy_run(evil_outputs, tmp_path, monkeypatch)
    batch = export(open_desk(run), tmp_path / "out", "https://example.org", run.profile.seed, pictures=False)
    assert (
        not any(mark in text for text in batch["items"] for mark in "<>&$")
        and not (tmp_path / "out" / "pictures").exists()
    )
    assert any(item["class_name"] == EVIL for text in batch["items"] for item in json.loads(text))
    assert "<img src=x" not in (tmp_path / "out" / "template.html").read_text()


def test_round_trip_from_the_command_line(asked_outputs, tmp_path, monkeypatch, capsys):
    run = copy_run(asked_outputs, tmp_path, monkeypatch)
    profile = str(tmp_path / "asked.yaml")
    assert main(["mturk", "export", "--profile", profile, "--url", "https://example.org", "--no-pictures"]) == 0
    assert "ask for 5 assignments" in capsys.readouterr().out
    batch = pd.read_csv(run.folder / "annotation" / "mturk" / "batch.csv")
    rows = []
    for task in batch["items"][:2]:
        answers = {
            item["id"]: {question: "yes" if question != "adult" else "no" for question, _ in item["questions"]}
            for item in json.loads(task)
        }
        rows += [
            (worker, "Approved", json.dumps([{"annotations": json.dumps(answers)}])) for worker in ("AAAA1", "BBBB2")
        ]
    rows.append(("CCCC3", "Rejected", said(val_a=ALL)))
    (tmp_path / "results.csv").write_bytes(results(*rows))
    command = ["mturk", "import", str(tmp_path / "results.csv"), "--profile", profile]
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "row 6: the assignment was rejected" in told and "300 new votes; 1 things rejected" in told
    manifest = pd.read_parquet(run.folder / "manifest.parquet")
    votes = read_votes(run.folder / "votes.csv", manifest["image_id"], manifest.set_index("image_id")["recipe_hash"])
    gold = pd.read_csv(run.folder / "gold_votes.csv")
    assert len(votes) == 2 * 46 * 3 and len(gold) == 2 * 4 * 2 and set(votes["source"]) == {"mturk"}
    assert votes["worker_id"].nunique() == 2 and not votes["worker_id"].str.contains("AAAA1").any(), "pseudonyms"
    assert main(command) == 0 and "0 new votes" in capsys.readouterr().out
    assert len(pd.read_csv(run.folder / "annotation" / "mturk_rejected.csv")) == 1


def test_other_names_for_the_images(asked_outputs, tmp_path, monkeypatch, capsys):
    run = copy_run(asked_outputs, tmp_path, monkeypatch)
    image = pd.read_parquet(run.folder / "manifest.parquet")["image_id"].iloc[7]
    (tmp_path / "results.csv").write_bytes(
        results(("A1", "Approved", json.dumps([{"annotations": json.dumps({"shift/x/7.png": BOTH})}])))
    )
    (tmp_path / "names.csv").write_text(f"name,image_id\nshift/x/7.png,{image}\n")
    options = ["--profile", str(tmp_path / "asked.yaml"), "--names", str(tmp_path / "names.csv"), "--keep-worker-ids"]
    assert main(["mturk", "import", str(tmp_path / "results.csv"), *options]) == 0
    votes = pd.read_csv(run.folder / "votes.csv")
    assert set(votes["image_id"]) == {image} and set(votes["worker_id"]) == {"A1"}


def test_bad_options_are_named(asked_outputs, tmp_path, monkeypatch, capsys):
    copy_run(asked_outputs, tmp_path, monkeypatch)
    profile = ["--profile", str(tmp_path / "asked.yaml")]
    assert main(["mturk", "export", *profile, "--url", "example.org"]) == 1 and "--url" in capsys.readouterr().err
    assert (
        main(["mturk", "export", *profile, "--url", "https://x.org", "--per-task", "0"]) == 1
        and "--per-task" in capsys.readouterr().err
    )
