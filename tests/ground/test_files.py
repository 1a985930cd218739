"""A file of a run is whole or absent, and the same bytes each time."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from d3s_utils.ground.columns import COLUMNS, require_columns
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import (
    read_metadata,
    read_table,
    read_tensors,
    write_atomically,
    write_figure,
    write_table,
    write_tensors,
    write_text,
)

TABLE = pd.DataFrame({"name": ["none", None, "NA"], "value": [0.1 + 0.2, np.nan, 1e9], "seed": [2**62 + 1, 0, -1]})


def write_drawing(stem):
    figure, ax = plt.subplots()
    ax.plot([1, 2, 3], label="line")
    ax.legend()
    return write_figure(stem, figure)


def test_a_csv_keeps_words_like_none_and_whole_numbers(tmp_path):
    again = read_table(write_table(tmp_path / "a" / "t.csv", TABLE))
    assert again["name"].tolist()[::2] == ["none", "NA"] and pd.isna(again["name"][1])
    assert again["seed"].tolist() == TABLE["seed"].tolist()
    assert again["value"][0] == 0.3
    assert b"\r" not in (tmp_path / "a" / "t.csv").read_bytes()


def test_parquet_keeps_everything(tmp_path):
    again = read_table(write_table(tmp_path / "t.parquet", TABLE))
    pd.testing.assert_frame_equal(again, TABLE)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_the_same_table_is_the_same_bytes(name, tmp_path):
    one, two = (write_table(tmp_path / folder / name, TABLE.copy()) for folder in "ab")
    assert one.read_bytes() == two.read_bytes()


def test_the_same_figure_is_the_same_bytes(tmp_path):
    for one, two in zip(write_drawing(tmp_path / "a"), write_drawing(tmp_path / "b"), strict=True):
        assert one.read_bytes() == two.read_bytes()
    assert b"<dc:date>" not in (tmp_path / "a.svg").read_bytes()
    assert not plt.get_fignums(), "written figures are closed"


def test_a_title_longer_than_its_figure_is_written_whole(tmp_path):
    widths = []
    for title in ("short", "a title that runs on and on " * 4):
        figure, ax = plt.subplots(figsize=(3, 2))
        figure.set_layout_engine("none")
        ax.set_title(title, loc="left")
        widths.append(plt.imread(write_figure(tmp_path / "t", figure)[0]).shape[1])
    assert widths[0] < 3.5 * 150 and widths[1] > 1.5 * widths[0]


def test_a_failed_write_leaves_the_old_file_and_no_part(tmp_path):
    path = write_text(tmp_path / "t.txt", "old")

    def fail(part):
        part.write_text("half")
        raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_tensors_and_their_metadata_come_back(tmp_path):
    path = write_tensors(
        tmp_path / "t.safetensors",
        {"b": np.arange(6, dtype=np.uint8).reshape(2, 3).T, "a": torch.ones(2)},
        {"ids": ["x"]},
    )
    tensors = read_tensors(path)
    assert tensors["b"].tolist() == [[0, 3], [1, 4], [2, 5]] and tensors["a"].tolist() == [1, 1]
    assert read_metadata(path) == {"ids": ["x"]}


def test_the_same_tensors_are_the_same_bytes(tmp_path):
    metadata = {name: name for name in "zyxwvu"}
    tensors = {"a": torch.ones(2), "b": torch.zeros(3)}
    one = write_tensors(tmp_path / "1", tensors, metadata).read_bytes()
    assert write_tensors(tmp_path / "2", dict(reversed(tensors.items())), metadata).read_bytes() == one


@pytest.mark.parametrize("read", [read_table, read_tensors])
def test_a_missing_or_damaged_file_is_named(read, tmp_path):
    with pytest.raises(D3SError, match="nowhere"):
        read(tmp_path / "nowhere.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"\x00\x01 not a table")
    with pytest.raises(D3SError, match=r"bad.parquet cannot be read"):
        read(tmp_path / "bad.parquet")


def test_a_table_without_its_columns_is_refused():
    with pytest.raises(D3SError, match="votes.csv lacks .*worker_id"):
        require_columns(pd.DataFrame({"image_id": []}), "votes", "votes.csv")
    whole = pd.DataFrame(columns=COLUMNS["votes"])
    assert require_columns(whole, "votes", "votes.csv") is whole
