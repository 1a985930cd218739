"""What is read and left is noted once, and only where a journal is asked for."""

import pandas as pd

from d3s_utils.ground import journal
from d3s_utils.ground.cached import cached
from d3s_utils.ground.files import read_table, write_table


def test_files_are_noted_as_they_are_read_and_left(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "_SEEN", set())
    table = write_table(tmp_path / "before.csv", pd.DataFrame({"x": [1]}))
    monkeypatch.setenv("D3S_JOURNAL", str(tmp_path / "journal"))
    for _ in range(2):
        read_table(table)
        cached(tmp_path / "kept.parquet", 1, lambda: pd.DataFrame({"x": [1]}))
    journal.note_setting("generator.strength")
    found = journal.read(tmp_path / "journal")
    about = table.stat()
    assert found.inputs == {str(table): [about.st_size, about.st_mtime_ns]}
    assert found.outputs == {str(tmp_path / "kept.parquet")} and found.settings == {"generator.strength"}
    assert len((tmp_path / "journal").read_text().splitlines()) == 3


def test_a_half_written_line_is_left_out(tmp_path):
    (tmp_path / "journal").write_text('["input", "a", null]\n["inp')
    assert journal.read(tmp_path / "journal").inputs == {"a": None}
    assert journal.read(tmp_path / "none") == journal.Notes()
