"""Whether a notebook runs again: by content, by nothing else, and with the reason in words."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path

import nbformat
import pytest

from d3s_utils.ground import journal, paths, sources
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.profile import load_profile
from d3s_utils.notebook import execute, fresh, report, states
from d3s_utils.notebook.fresh import Files

CELLS = ("# Prose", 'profile = overrides = ""', "from d3s_utils.room import a", "a.draw()  # drawn", "x = 1")


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A repository with one room, of which module a imports b and nobody c, and a notebook that imports a."""
    root = tmp_path / "house"
    files = {
        "requirements.lock": "torch==1",
        "d3s_utils/__init__.py": "",
        "d3s_utils/room/__init__.py": "",
        "d3s_utils/room/a.py": "from d3s_utils.room.b import B\n\ndef draw():\n    return B",
        "d3s_utils/room/b.py": "B = 1",
        "d3s_utils/room/c.py": "C = 1",
        "d3s_utils/notebook/report.py": "",
        "data.csv": "x",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name in ("ROOT", "PACKAGE", "NOTEBOOKS"):
        monkeypatch.setattr(paths, name, root / {"ROOT": "", "PACKAGE": "d3s_utils", "NOTEBOOKS": "notebooks"}[name])
    monkeypatch.setenv("D3S_OUTPUTS", str(root / "outputs"))
    sources.forget()
    write(root, *CELLS)
    yield root
    sources.forget()


def write(house: Path, *cells: str, name: str = "01_toy") -> Path:
    new = nbformat.v4
    made = [new.new_markdown_cell(text) if text.startswith("# ") else new.new_code_cell(text) for text in cells]
    made[1].metadata["tags"] = ["parameters"]
    path = house / "notebooks" / f"{name}.ipynb"
    path.parent.mkdir(exist_ok=True)
    nbformat.write(new.new_notebook(cells=made), path)
    return path


@pytest.fixture
def kernel(house, monkeypatch):
    """Stands in for the kernel: "runs" a notebook by what `reads` and `leaves` say; keeps the names it ran."""

    class Kernel:
        ran, reads, leaves, settings, fails = [], [house / "data.csv"], ["tables/01_toy_x.csv"], [], False

    def run(notebook, parameters, files):
        Kernel.ran.append(notebook.stem)
        with monkeypatch.context() as patch:
            files.journal.parent.mkdir(parents=True, exist_ok=True)
            patch.setenv("D3S_JOURNAL", str(files.journal))
            patch.setattr(journal, "_SEEN", set())
            for path in Kernel.reads:
                journal.note_input(path)
            for name in Kernel.leaves:
                (files.folder / name).parent.mkdir(parents=True, exist_ok=True)
                (files.folder / name).write_text("left")
                journal.note_output(files.folder / name)
            for key in Kernel.settings:
                journal.note_setting(key)
        files.part.parent.mkdir(parents=True, exist_ok=True)
        executed = nbformat.read(notebook, as_version=4)
        nbformat.write(executed, files.part)
        if Kernel.fails:
            os.replace(files.part, files.failed)
            raise D3SError("it fails")
        return {"seconds": 1.0, "peak_memory_mb": 1.0, "host_cores": 1}

    def page(executed, files):
        files.page.parent.mkdir(parents=True, exist_ok=True)
        files.page.write_text(Path(executed).read_text())

    monkeypatch.setattr(execute, "execute", run)
    monkeypatch.setattr(execute, "write_page", page)
    return Kernel


@pytest.fixture
def done(house, kernel):
    """The notebook, run once; a function that says why it would run again (with other settings)."""
    notebook = house / "notebooks" / "01_toy.ipynb"
    execute.run_stale([notebook], "smoke")
    assert kernel.ran == ["01_toy"]
    return lambda overrides="": fresh.why(notebook, load_profile("smoke", overrides))


def later(path: Path) -> None:
    """Another time for a file, as saving and checking out give it."""
    os.utime(path, ns=(path.stat().st_mtime_ns + 10**12,) * 2)


def test_what_has_never_run_says_so(house):
    assert fresh.why(house / "notebooks" / "01_toy.ipynb", load_profile("smoke")) == ["it has not run to its end yet"]


def test_nothing_has_changed_after_a_run_or_when_files_are_only_touched(house, done):
    assert done() == []
    for path in house.rglob("*"):
        if path.is_file():
            later(path)
    assert done() == []


def test_outputs_counts_and_ids_of_cells_are_no_part_of_it(house, done):
    notebook = write(house, *CELLS)  # with new ids
    content = nbformat.read(notebook, as_version=4)
    content.cells[2].outputs, content.cells[2].execution_count = [nbformat.v4.new_output("stream", text="!")], 7
    content.cells[3].metadata["scrolled"] = True
    nbformat.write(content, notebook)
    assert done() == []


@pytest.mark.parametrize(
    ("file", "text", "reasons"),
    [
        ("d3s_utils/room/b.py", "B = 2", ["d3s_utils/room/b.py has changed"]),
        ("d3s_utils/room/b.py", '"""Words."""\nB = 1  # one', []),
        ("d3s_utils/room/c.py", "C = 2", []),
        ("d3s_utils/room/new.py", "", []),
        ("data.csv", "y", ["data.csv has changed"]),
        ("requirements.lock", "torch==2", ["requirements.lock has changed"]),
        ("outputs/smoke/tables/01_toy_x.csv", "edited", []),
    ],
)
def test_what_it_rests_on_decides(file, text, reasons, house, done):
    (house / file).write_text(text)
    assert done() == reasons


def test_what_a_room_hands_on_may_come_from_elsewhere(house, kernel):
    notebook, profile = write(house, *CELLS[:2], "from d3s_utils.room import B"), load_profile("smoke")
    (house / "d3s_utils/room/__init__.py").write_text("from d3s_utils.room.b import B")
    execute.run_stale([notebook], "smoke")
    (house / "d3s_utils/room/__init__.py").write_text("from d3s_utils.room.c import C as B")
    assert fresh.why(notebook, profile) == [
        "d3s_utils/room/c.py is imported now",
        "d3s_utils/room/b.py is no longer imported",
    ]


@pytest.mark.parametrize(
    ("cells", "reasons"),
    [
        (("# Other prose", *CELLS[1:]), []),
        ((*CELLS[:3], "a.draw()  # another comment", CELLS[4]), []),
        ((*CELLS[:4], "x = 2"), ["cell 4 has changed"]),
        ((*CELLS[:3], CELLS[4]), ["cell 3 of the last run is gone"]),
        ((*CELLS, "y = 2"), ["cell 5 is new"]),
    ],
)
def test_cells_count_as_far_as_they_are_code(cells, reasons, house, done):
    write(house, *cells)
    assert done() == reasons


def test_all_settings_count_until_it_is_known_which_were_read(done, house, kernel):
    assert done("generator.strength=0.8 spurious.permutations=9") != []
    kernel.settings = ["generator.strength", "foregrounds"]
    execute.run_notebook(house / "notebooks" / "01_toy.ipynb", "smoke")
    assert done("spurious.permutations=9") == []
    assert done("generator.strength=0.8") == ["generator.strength was 0.9 and is 0.8"]


def test_a_row_of_the_small_networks_counts_where_that_row_was_looked_at(done, house, kernel):
    rows = house / "d3s_utils" / "evaluation" / "networks.yaml"
    rows.parent.mkdir()
    rows.write_text("thin: {lr: 1}\nwide: {lr: 1}")
    kernel.settings = ["networks.thin"]
    execute.run_notebook(house / "notebooks" / "01_toy.ipynb", "smoke")
    rows.write_text("thin: {lr: 1}\nwide: {lr: 2}\nnew: {lr: 1}")
    assert done() == []
    rows.write_text("thin: {lr: 3}\nwide: {lr: 2}")
    assert done() == ['networks.thin was {"lr": 1} and is {"lr": 3}']


def test_what_is_missing_is_named(done, house):
    run = house / "outputs" / "smoke"
    for name in ("tables/01_toy_x.csv", "html/01_toy.html", "runtime/01_toy.json"):
        (run / name).unlink()
    (house / "data.csv").unlink()
    assert sorted(done()) == [
        "data.csv is missing",
        *(f"outputs/smoke/{name} is missing" for name in ("html/01_toy.html", "runtime/01_toy.json")),
        "outputs/smoke/tables/01_toy_x.csv is missing",
    ]


def test_a_file_that_was_looked_for_counts_when_it_appears(house, kernel):
    kernel.reads = [house / "outputs" / "smoke" / "votes.csv"]
    notebook, profile = house / "notebooks" / "01_toy.ipynb", load_profile("smoke")
    execute.run_stale([notebook], "smoke")
    assert fresh.why(notebook, profile) == []
    kernel.reads[0].write_text("a vote")
    assert fresh.why(notebook, profile) == ["outputs/smoke/votes.csv is new"]


def test_what_it_reads_and_leaves_itself_counts_as_it_left_it(house, kernel):
    kernel.reads, kernel.leaves = [house / "outputs" / "smoke" / "votes.csv"], ["votes.csv"]
    notebook, profile = house / "notebooks" / "01_toy.ipynb", load_profile("smoke")
    execute.run_stale([notebook], "smoke")
    assert fresh.why(notebook, profile) == []
    kernel.reads[0].write_text("people's votes")
    assert fresh.why(notebook, profile) == ["outputs/smoke/votes.csv has changed"]


def test_a_file_changed_while_the_notebook_ran_makes_it_run_again(house, kernel, monkeypatch):
    inner = execute.execute

    def run(*arguments):
        done = inner(*arguments)
        (house / "data.csv").write_text("changed meanwhile")
        return done

    monkeypatch.setattr(execute, "execute", run)
    execute.run_stale([house / "notebooks" / "01_toy.ipynb"], "smoke")
    reasons = fresh.why(house / "notebooks" / "01_toy.ipynb", load_profile("smoke"))
    assert reasons == ["data.csv has changed"]


def test_hidden_caches_are_left_to_their_keys(house, kernel):
    kept = house / "outputs" / ".pictures" / "a.parquet"
    kept.parent.mkdir(parents=True)
    kept.write_text("1")
    kernel.reads = [kept]
    execute.run_stale([house / "notebooks" / "01_toy.ipynb"], "smoke")
    kept.write_text("2")
    assert fresh.why(house / "notebooks" / "01_toy.ipynb", load_profile("smoke")) == []


def test_a_run_can_be_moved(done, house, monkeypatch):
    shutil.move(house / "outputs", house / "elsewhere")
    monkeypatch.setenv("D3S_OUTPUTS", str(house / "elsewhere"))
    assert done() == []


# Files and folders ----------------------------------------------------------------------------------------------------


def test_a_folder_is_its_names_and_contents(tmp_path):
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for name in ("a", "deep/b", ".hidden"):
        (folder / name).write_text(name)
    before = states.state_of(folder)
    later(folder / "a")
    (folder / ".hidden").write_text("other")
    assert states.is_same(states.state_of(folder, before), before)
    (folder / "deep" / "b").write_text("other")
    (folder / "c").touch()
    now = states.state_of(folder, before)
    assert not states.is_same(now, before) and states.changed_files(now, before) == ["c", "deep/b"]


def test_what_is_too_much_to_read_goes_by_size_and_time(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("abc")
    (tmp_path / "b").write_text("abc")
    for name, path in (("LARGE", tmp_path / "a"), ("LARGE", tmp_path), ("MANY", tmp_path)):
        with monkeypatch.context() as patch:
            patch.setattr(states, name, 1)
            before = states.state_of(path)
            assert states.is_same(states.state_of(path, before), before)
            later(tmp_path / "a")
            assert not states.is_same(states.state_of(path, before), before)


def test_a_file_is_read_only_where_size_or_time_differ(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("abc")
    before = states.state_of(tmp_path / "a")
    monkeypatch.setattr(states, "sha256", lambda path: pytest.fail("it was read"))
    assert states.state_of(tmp_path / "a", before) == before


# Running what is stale ------------------------------------------------------------------------------------------------


def test_it_runs_what_changed_and_then_nothing(house, kernel, capsys):
    notebooks = [write(house, *CELLS, name=f"0{n}_toy") for n in (1, 2)]
    for _ in range(2):
        execute.run_stale(notebooks, "smoke")
    assert kernel.ran[-2:] == ["01_toy", "02_toy"] and len(kernel.ran) == 2
    (house / "data.csv").write_text("y")
    capsys.readouterr()
    execute.run_stale(notebooks[1:], "smoke")
    assert kernel.ran[-1] == "02_toy"
    assert "02_toy: running under profile smoke, because data.csv has changed" in capsys.readouterr().out


def test_two_at_once_share_the_work(house, kernel):
    notebooks = [write(house, *CELLS, name=f"0{n}_toy") for n in (1, 2, 3)]
    both = [threading.Thread(target=execute.run_stale, args=(notebooks, "smoke")) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert kernel.ran == ["01_toy", "02_toy", "03_toy"]


def test_what_fails_is_stale_and_stops_what_follows(house, kernel):
    notebooks = [write(house, *CELLS, name=f"0{n}_toy") for n in (1, 2)]
    kernel.fails = True
    with pytest.raises(D3SError, match="it fails"):
        execute.run_stale(notebooks, "smoke")
    reasons = fresh.why(notebooks[0], load_profile("smoke"))
    assert reasons == ["its last run failed, see outputs/smoke/notebooks/01_toy.failed.ipynb"]
    kernel.fails = False
    execute.run_stale(notebooks, "smoke")
    assert kernel.ran == ["01_toy", "01_toy", "02_toy"]


def test_tables_and_figures_it_no_longer_leaves_are_removed(done, house, kernel):
    run = house / "outputs" / "smoke"
    for name in ("figures/02_other_y.png", "figures/01_toy_old.png", "claims/01_toy.csv"):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).touch()
    execute.run_notebook(house / "notebooks" / "01_toy.ipynb", "smoke")
    left = [
        path.relative_to(run).as_posix() for kind in ("tables", "figures", "claims") for path in (run / kind).iterdir()
    ]
    assert sorted(left) == ["figures/02_other_y.png", "tables/01_toy_x.csv"]


def test_prose_reaches_the_page_without_a_run(done, house, kernel, capsys):
    files = Files(house / "outputs" / "smoke", "01_toy")
    write(house, "# New prose", *CELLS[1:])
    execute.run_stale([house / "notebooks" / "01_toy.ipynb"], "smoke")
    assert kernel.ran == ["01_toy"] and "New prose" in files.page.read_text()
    assert "New prose" in files.finished.read_text()
    capsys.readouterr()
    execute.run_stale([house / "notebooks" / "01_toy.ipynb"], "smoke")
    assert capsys.readouterr().out == ""


def test_why_says_each_change_or_that_there_is_none(done, house, capsys):
    notebook = house / "notebooks" / "01_toy.ipynb"
    execute.tell_why([notebook], "smoke")
    (house / "data.csv").write_text("y")
    execute.tell_why([notebook], "smoke", "seed=3")
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "01_toy: nothing has changed since its last run",
        "01_toy: seed was 0 and is 3",
        "01_toy: data.csv has changed",
    ]


def test_the_page_of_a_run_is_drawn_when_something_it_shows_has_changed(done, house, monkeypatch):
    drawn, folder = [], house / "outputs" / "smoke"
    monkeypatch.setattr(report, "report", drawn.append)
    for _ in range(2):
        execute.report_stale(folder)
    assert drawn == [folder]
    (folder / "claims").mkdir()
    (folder / "claims" / "01_toy.csv").touch()
    execute.report_stale(folder)
    assert len(drawn) == 2


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_a_damaged_record_means_a_run(content, done, house):
    Files(house / "outputs" / "smoke", "01_toy").record.write_text(content)
    assert done() == ["nothing is known of its last run"]


def test_records_are_readable(done, house):
    record = json.loads(Files(house / "outputs" / "smoke", "01_toy").record.read_text())
    assert record["inputs"].keys() == {"repository:data.csv"} and record["outputs"] == ["run:tables/01_toy_x.csv"]
    assert set(record["modules"]) == {f"d3s_utils/{name}.py" for name in ("__init__", "room/a", "room/b")}
