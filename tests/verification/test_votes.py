"""What a file of people's votes may say, and how a table says whose votes it rests on."""

import pandas as pd
import pytest
from ballots import SLIPPERY, ballot, seen_images

from d3s_utils.ground.errors import D3SError
from d3s_utils.verification.acceptance import acceptance_table
from d3s_utils.verification.agreement import agreement_table
from d3s_utils.verification.annotators import worker_quality
from d3s_utils.verification.rules import verify
from d3s_utils.verification.simulated import simulate_votes
from d3s_utils.verification.votes import read_votes, voters

GOOD = "image_id,worker_id,question,answer,source\na,w1,foreground,yes,mturk\na,w2,foreground,no,mturk\n"


def test_a_file_of_votes_comes_back_as_written(tmp_path):
    (tmp_path / "votes.csv").write_text(GOOD + "\n")
    votes = read_votes(tmp_path / "votes.csv", ["a", "b"])
    assert votes["answer"].tolist() == ["yes", "no"] and voters(votes) == "MTurk workers"


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("a,w3,foreground,Yes,mturk", "line 4: answer is 'Yes'; write yes or no"),
        ("a,w3,forground,yes,mturk", "line 4: question is 'forground'"),
        ("a,w3,adult,no,robot", "line 4: source is 'robot'"),
        ("a,,adult,no,mturk", "line 4: worker_id is empty"),
        ("z,w3,adult,no,mturk", "line 4: this run has no validation image 'z'"),
        ("a,w1,foreground,no,mturk", "line 4: 'w1' answers the foreground question on 'a' again, first on line 2"),
        ("a,w3", "line 4: question is ''"),
        ("\na,w3,foreground,maybe,mturk", "line 5: answer is 'maybe'"),
    ],
)
def test_a_bad_line_is_named_with_its_number_and_the_mend(tmp_path, bad, says):
    (tmp_path / "votes.csv").write_text(GOOD + bad + "\n")
    with pytest.raises(D3SError) as error:
        read_votes(tmp_path / "votes.csv", ["a", "b"])
    assert says in str(error.value) and "votes.csv" in str(error.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no file of votes"),
        (b"", "cannot be read as CSV"),
        (b"\xff\xfe\x00\x01", "cannot be read as CSV"),
        (b"image_id,worker_id,question,answer\n", "source"),
        (GOOD.splitlines()[0].encode(), "holds no votes"),
    ],
)
def test_a_file_that_holds_no_votes_is_an_error_that_names_it(tmp_path, content, says):
    path = tmp_path / "mine.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(D3SError, match=says) as error:
        read_votes(path, ["a"])
    assert "mine.csv" in str(error.value)


def test_seconds_of_a_file_are_kept_and_what_is_no_number_is_not(tmp_path):
    path = tmp_path / "votes.csv"
    votes = ballot(("a", "x", "y", "y", "n")).assign(seconds=["1.5", "", "long"])
    votes.to_csv(path, index=False)
    assert (
        read_votes(path, ["a"])["seconds"].tolist()[0] == 1.5 and read_votes(path, ["a"])["seconds"].isna().sum() == 2
    )


def test_every_table_and_title_says_who_voted():
    votes = simulate_votes(seen_images(0.9, 0.9, n=6), SLIPPERY, seed=0)
    verified = verify(votes)
    for table in (verified, acceptance_table(verified), agreement_table(votes), worker_quality(votes, verified)):
        assert set(table["source"]) == {"simulated"} and voters(table) == "simulated annotators"
    mixed = pd.concat([votes, ballot(("val-000", "me", "y", "y", "n"))])
    assert voters(verify(mixed)) == "local annotators and simulated annotators"
