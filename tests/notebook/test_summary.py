"""What the first page says: every sentence follows the run's own numbers, and says so where there are none."""

import re
import xml.etree.ElementTree as ET

import made_up_run
import numpy as np
import pandas as pd
import pytest

from d3s_utils.ground import paths
from d3s_utils.ground.claims import claim, claims_table, merge_claims
from d3s_utils.ground.files import read_table, write_table
from d3s_utils.notebook.circumstances import circumstances
from d3s_utils.notebook.formats import read_notebook
from d3s_utils.notebook.pages import FIGURES
from d3s_utils.notebook.summary import answers, captions, charts, facts, ledger, matrix, numbers, statements
from d3s_utils.notebook.summary.measured import Measured


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made_up_run.make_run(tmp_path_factory.mktemp("run") / "toy")


@pytest.fixture
def run(folder):
    return Measured(folder, merge_claims(folder))


def changed(run, id, **columns):
    """The run with another row in its ledger."""
    table = run.ledger[run.ledger["id"] != id]
    return Measured(run.folder, pd.concat([table, claims_table([claim(id, **columns)])], ignore_index=True))


def empty(tmp_path):
    return Measured(tmp_path, merge_claims(tmp_path))


def test_the_five_questions_are_answered_from_the_run(run):
    texts = {row.question: row.text for row in answers.answers(run)}
    assert list(texts) == ["What was drawn?", "How far do classifiers fall?", "Why?", "Does the paper's method work?",
                           "What is simulated?"]  # fmt: skip
    assert "**18 images** by a diffusion model (toy): 3 classes on 2 backgrounds" in texts["What was drawn?"]
    assert "**98.4 %** (97.4 to 99.0)" in texts["What was drawn?"]
    assert "Two classifiers name **85.0 %**" in texts["How far do classifiers fall?"]
    assert "they lose **48.3 points** (45.2 to 51.3)" in texts["How far do classifiers fall?"]
    assert "**79.2 %** of the mistakes" in texts["Why?"] and "loses nothing that chance could not" in texts["Why?"]
    method = texts["Does the paper's method work?"]
    assert method.startswith("Not here.") and "**44.5 %** (41.5 to 47.7)" in method
    assert "2.4 % of 1,000 classes, like 12.1 % where guessing gives 10.0 %" in method
    assert "strongest probe still reads **72.0** and **73.0 %**" in method and "without penalty: 53.0 %" in method
    assert "renders" in texts["What is simulated?"] and "programs, no people" in texts["What is simulated?"]


def test_an_answer_follows_its_number(run):
    gained = changed(run, "zoo_drop", measured=-3.0, ci=(-4, -2), met=False)
    assert "do not lose but gain **3.0 points** (2.0 to 4.0)" in answers.fallen(gained)
    lost = changed(run, "control_drop", measured=9.0, ci=(7, 11), met=False, unit="points")
    assert "without that habit loses **9.0 points** (7.0 to 11.0)" in answers.reason(lost)
    works = changed(changed(run, "fg_from_bg", measured=12.0, ci=(11, 13), chance=10, met=True), "bg_from_fg",
                    measured=40.0, ci=(38, 42), chance=10, met=True)  # fmt: skip
    assert answers.method(works).startswith("Yes, by every number here.")
    behind = changed(works, "spurious_gain", measured=-5.0, ci=(-6, -4), met=False)
    assert answers.method(behind).startswith("In part.")
    assert "fall behind a plain network by **5.0" in answers.method(behind)


def test_what_was_not_measured_says_so(tmp_path):
    said = answers.answers(empty(tmp_path))
    assert "No image has been drawn" in said[0].text
    assert all("was not measured in this run" in row.text and not row.chart for row in said[1:4])
    assert "Nobody has voted" in said[4].text
    rows = statements.statements(empty(tmp_path))
    assert len(rows) == len(statements.FORMS) and {row.status for row in rows} == {"not run"}
    assert all("was not measured" in row.text and not row.chart for row in rows)
    assert not any(re.search(r"\*\*", row.text) for row in rows)


def test_a_run_with_people_and_photographs_simulates_nothing(run, tmp_path):
    write_table(tmp_path / "tables" / "02_human_verification_acceptance.csv", pd.DataFrame({"source": ["local"]}))
    people = Measured(tmp_path, run.ledger)
    assert answers.simulated(people).startswith("Nothing that this run measured rests on simulated votes")


def test_findings_hold_number_interval_paper_chance_and_votes(run):
    said = {row.id: row for row in statements.statements(run)}
    assert "**84.8 %** (82.4 to 86.9)" in said["accepted_share"].text
    assert "The paper: 85.0 %." in said["accepted_share"].text and "simulated" in said["accepted_share"].text
    assert "as far above chance here would be 12.1 %" in said["fg_from_bg"].text
    assert "loses **-0.5 points** (-3.8 to 2.7). That may be chance alone." in said["control_drop"].text
    assert said["spurious_gain"].text.endswith("was not measured: no test image disagrees.")
    assert "without a number" in said["zoo_drop"].text and said["zoo_drop"].notebook == "03_classifier_evaluation"
    assert 10 <= len(said) <= 15


def test_a_statement_has_numbers_of_its_claim_alone():
    """No form holds a digit of its own, apart from the ends of a scale."""
    for form in statements.FORMS:
        assert not re.search(r"\d", (form.text + form.below + form.missing).replace("100 %", "").replace("D3S", "")), (
            form.id
        )
        assert "{value}" in form.text and "{value}" not in form.missing


def test_charts_are_svg_that_says_what_it_shows():
    dots = [charts.Dot('a <b> "c"', 40.1, 36.8, 43.2, paper=45.6, chance=10.0), charts.Dot("bare", -3.0)]
    for unit in ("%", "points", "correlation", "FID"):
        picture = ET.fromstring(charts.draw_dots(dots, unit))
        assert picture.get("role") == "img"
    label = ET.fromstring(charts.draw_dots(dots, "%")).get("aria-label")
    assert 'a <b> "c" 40.1 %, 95 % interval 36.8 to 43.2, the paper 45.6, guessing 10.0' in label
    assert ET.fromstring(charts.draw_dots([charts.Dot("nothing", 0.0)], "points")) is not None


def test_the_ledger_has_the_papers_numbers_first_and_its_marks_apart(run, folder):
    rows = ledger.ledger_rows(run.ledger, folder)
    kinds = [row["kind"] for row in rows]
    assert kinds == sorted(kinds, key=["paper", "finding"].index)
    by_id = {row["id"]: row for row in rows}
    leak = by_id["fg_from_bg"]
    assert (leak["paper"], leak["mark"], leak["chance_there"], leak["chance_here"]) == (
        "2.4 %", "at most 12.1 %", "0.1 %", "10.0 %")  # fmt: skip
    assert leak["interval"] == "41.5 to 47.7" and leak["sort"]["measured"] == 44.5
    assert by_id["zoo_drop"]["paper"] == "in words" and by_id["zoo_drop"]["mark"] == "above 0 points"
    assert by_id["background_pull"]["sort"]["paper"] is None


@pytest.mark.parametrize(
    ("why", "text", "mark"),
    [
        ("the mark is at most 12.1 %, D3S paper", "", "at most 12.1 %"),
        (
            "the interval holds both sides of the mark, at least 0.45 correlation, a target",
            "",
            "at least 0.45 correlation",
        ),
        ("", "images with both labels (at least 96 %)", "at least 96 %"),
        ("", "no mark", ""),
    ],
)
def test_ledgers_of_before_say_their_marks_in_words(why, text, mark):
    assert ledger.mark_of({"mark": np.nan, "why": why, "claim": text}) == mark


def test_probes_are_one_matrix_of_methods_and_directions(run, tmp_path):
    found = matrix.probe_matrix(run)
    assert [column["id"] for column in found["columns"]] == ["fg_from_fg", "bg_from_bg", "bg_from_fg", "fg_from_bg"]
    assert [row["kind"] for row in found["rows"]] == ["paper", "method", "method", "erased"]
    assert found["rows"][0]["cells"][3]["linear"] == "2.4" and found["rows"][0]["cells"][3]["shade"] == 2
    assert found["rows"][1]["cells"][0] == {"linear": "50.0", "strongest": "70.0", "probe": "svm", "shade": 67}
    assert matrix.probe_matrix(empty(tmp_path)) is None


def test_every_figure_that_a_notebook_saves_has_a_caption_and_a_text():
    known = captions.known()["figures"]
    for path in sorted(paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        code = "\n".join(cell.source for cell in read_notebook(path).cells if cell.cell_type == "code")
        stems = {f"{path.stem}_{name}" for name in FIGURES.findall(code)}
        assert stems <= set(known), stems - set(known)
        assert len(captions.best(path.stem)) == 2 and set(captions.best(path.stem)) <= set(known)
    for stem, row in known.items():
        assert row["caption"][0].isupper() and row["caption"].endswith("."), stem
        assert row["alt"].endswith(".") and row["alt"] != row["caption"], stem
    assert captions.caption("01_x_of_my_own", "01_x") == "Of my own, as notebook 01 draws it."


def test_words_and_numbers_read_well():
    assert captions.words("03_classifier_evaluation_drop_by_background", "03_classifier_evaluation") == (
        "Drop by background"
    )
    said = [numbers.number(value) for value in (120000.0, 12.345, 0.01234, float("nan"))]
    assert said == ["120,000", "12.3", "0.0123", ""]
    assert numbers.number(82.94, "%") == "82.9 %" and numbers.number(17000, "images") == "17,000 images"
    assert [numbers.in_words(n) for n in (0, 5, 11, 1200)] == ["no", "five", "11", "1,200"]


def test_the_run_is_dated_from_its_own_files(folder, tmp_path):
    known = {fact["name"]: fact["value"] for fact in facts.run_facts(folder)}
    assert known["date"] == "2026-01-01 to 2026-01-05" and known["commit"] == "abc"
    assert known["machine"] == "a <fast> one" and known["time"] == "5.0 min for 5 notebooks"
    assert facts.run_facts(tmp_path) == [{"name": "profile", "value": tmp_path.name}]
    assert set(circumstances()) == {"finished", "commit", "machine"}


def test_marks_reach_the_ledgers_file(folder):
    row = merge_claims(folder).set_index("id").loc["fg_from_bg"]
    assert row["mark"] == "at most 12.1 %"
    assert read_table(folder / "claims" / "05_disentanglement_probe.csv")["mark"].tolist() == ["at most 12.1 %"]
