"""`make clean` removes one run, and nothing that people made."""

import pytest

from d3s_utils.cli import clean as cleaning
from d3s_utils.cli.clean import clean
from d3s_utils.cli.parser import main
from d3s_utils.ground.errors import D3SError
from d3s_utils.notebook.execute import one_at_a_time

HEADER = "image_id,worker_id,question,answer,source\r\n"


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    folder = tmp_path / "my outputs"
    monkeypatch.setenv("D3S_OUTPUTS", str(folder))
    for name in ("pocket", "smoke", "reference", "my profile", ".pictures"):
        (folder / name / "tables").mkdir(parents=True)
        (folder / name / "tables" / "x.csv").write_text("1\n")
    return folder


def left(outputs):
    return sorted(path.name for path in outputs.iterdir())


def test_it_removes_one_run_and_says_what_went(outputs, capsys):
    assert main(["clean", "--profile", "smoke"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{outputs}/smoke/tables: 1 file, 0.0 MB", f"{outputs}/smoke removed: 1 file, 0.0 MB"]
    clean("somewhere else/my profile.yaml")
    assert left(outputs) == [".pictures", "pocket", "reference"]
    assert clean("smoke") == [f"There is no run in {outputs}/smoke; nothing to remove."]


@pytest.mark.parametrize(
    "profile", ["", " ", ".", "..", "/", "/tmp", "../pocket", "a/b", "./", ".pictures", ".yaml", "/.yaml"]
)
def test_what_names_no_run_is_refused(profile, outputs, monkeypatch):
    before = left(outputs)
    monkeypatch.setattr(cleaning, "holds_votes", lambda path: pytest.fail("it looks into a folder"))
    monkeypatch.setattr(cleaning.shutil, "rmtree", lambda folder: pytest.fail(f"it would remove {folder}"))
    with pytest.raises(D3SError, match="names no run; give a profile's name or YAML file"):
        clean(profile)
    assert left(outputs) == before


@pytest.mark.parametrize("profile", ["reference", "some/reference.yaml"])
def test_the_reference_stays(profile, outputs, capsys):
    assert main(["clean", "--profile", profile]) == 1
    assert "committed and stays" in capsys.readouterr().err and "reference" in left(outputs)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("votes.csv", f"{HEADER}a,ann,adult,no,local\r\n"),
        ("deep/down/mine.csv", f"\ufeff{HEADER}a,x,adult,no,simulated\r\nb,ann,adult,no,mturk\r\n"),
        ("annotation/results.csv", "HITId,WorkerId,Answer.taskAnswers\n1,2,3\n"),
        ("annotation/votes.sqlite", ""),
    ],
)
def test_what_people_voted_stays_wherever_it_lies(name, text, outputs):
    path = outputs / "pocket" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(D3SError, match=f"{name} holds what people voted; move it away first"):
        clean("pocket")
    path.unlink()
    clean("pocket")


def test_simulated_votes_and_tables_about_votes_go(outputs):
    (outputs / "pocket" / "votes.csv").write_text(f"{HEADER}a,ann,adult,no,simulated\n")
    (outputs / "pocket" / "verified.csv").write_text("image_id,rule,source\na,majority,local\n")
    clean("pocket")
    assert "pocket" not in left(outputs)


def test_a_run_at_work_and_a_link_are_refused(outputs):
    with one_at_a_time(outputs / "pocket"), pytest.raises(D3SError, match="Another command works in"):
        clean("pocket")
    (outputs / "linked").symlink_to(outputs / "smoke")
    with pytest.raises(D3SError, match="is a link to .*smoke; remove that yourself"):
        clean("linked")
    assert {"pocket", "smoke", "linked"} <= set(left(outputs))
