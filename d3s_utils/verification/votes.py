"""Human verification: votes on the labels of images, and which images they accept.

Every image is shown to a few annotators who answer three questions: is the asked foreground there, is the asked
background there, is it adult content. Votes say in `source` whose they are, and so does everything made of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from d3s_utils.ground import journal, paths
from d3s_utils.ground.columns import COLUMNS, require_columns
from d3s_utils.ground.errors import D3SError

QUESTIONS = ("foreground", "background", "adult")
ANSWERS = ("yes", "no")
ANNOTATORS = {"mturk": "MTurk workers", "local": "local annotators", "simulated": "simulated annotators"}


def read_votes(path: str | Path, image_ids: Sequence[str], hashes: pd.Series | None = None) -> pd.DataFrame:
    """Votes from a CSV file with the columns of votes.csv, checked row by row.

    Args:
        image_ids: the images that can be voted on. Some may have no votes; a vote on any other image is an error.
        hashes: the images' hashes (column recipe_hash) by image_id. Where the file has the hash of the picture that was
            voted on, as the annotation page writes it, a vote on another picture is an error.

    Returns:
        The contract's columns, and `seconds` where the file has them.

    Raises:
        D3SError: no such file, a missing column, a value outside the contract, an unknown image or a second answer of
            one worker to one question. It names the line of the file and what to do.
    """
    path = paths.resolve(path)
    table = require_columns(read_text(path), "votes", path)
    votes = table[COLUMNS["votes"]]
    if not len(votes):
        raise D3SError(f"{path} holds no votes; add one line per image, worker and question.")
    _check_values(votes, path, image_ids)
    _check_once(votes, path)
    if hashes is not None and "recipe_hash" in table:
        _check_hashes(table, path, hashes)
    if "seconds" in table:
        votes = votes.assign(seconds=pd.to_numeric(table["seconds"], errors="coerce"))
    return votes.reset_index(drop=True)


def _check_hashes(table: pd.DataFrame, path: Path, hashes: pd.Series) -> None:
    """No vote was given on an image that has been made anew since."""
    stale = table["recipe_hash"].ne("") & table["recipe_hash"].ne(table["image_id"].map(hashes))
    if stale.any():
        raise D3SError(
            f"{path}, line {_line(table[stale])}: this vote was given on another picture of "
            f"{table.loc[stale, 'image_id'].iloc[0]!r}, which has been made anew since ({stale.sum()} such votes); go "
            "back to those settings, or move the file and the folder annotation away and ask again."
        )


def people_voted(path: Path) -> bool:
    """Whether the file holds votes of people, which are never written over; one that cannot be read may hold some."""
    journal.note_input(path)
    if not path.is_file():
        return False
    try:
        kinds = pd.read_csv(path, usecols=["source"], dtype=str, keep_default_na=False)["source"]
    except ValueError:
        return True
    return bool(kinds.ne("simulated").any())


def no_gold_votes() -> pd.DataFrame:
    return pd.DataFrame(columns=[*COLUMNS["votes"], "truth"])


def read_gold_votes(folder: Path) -> pd.DataFrame:
    """People's votes on pictures with known answers, from <folder>/gold_votes.csv: as votes.csv, and `truth`."""
    path = folder / "gold_votes.csv"
    journal.note_input(path)
    if not path.is_file():
        return no_gold_votes()
    gold = require_columns(read_text(path), "votes", path)
    if "truth" not in gold:
        raise D3SError(f"{path} lacks the column truth; delete the file and write it again with annotate --export.")
    return gold.loc[gold["source"] != "simulated", [*COLUMNS["votes"], "truth"]].reset_index(drop=True)


def read_text(path: Path) -> pd.DataFrame:
    """All fields as text, without blank lines; the index of a row is its line in the file, less two."""
    journal.note_input(path)
    if not path.is_file():
        raise D3SError(
            f"There is no file of votes at {path}; set verification.votes to a CSV with the columns "
            f"{', '.join(COLUMNS['votes'])}, or verification.source to simulated."
        )
    try:
        table = pd.read_csv(
            path, dtype=str, keep_default_na=False, skip_blank_lines=False, index_col=False, encoding="utf-8-sig"
        ).fillna("")
    except (ValueError, OSError) as error:
        raise D3SError(f"{path} cannot be read as CSV ({error}); write it as UTF-8 text with a header line.") from error
    return table[(table != "").any(axis=1)]


def _check_values(votes: pd.DataFrame, path: Path, image_ids: Sequence[str]) -> None:
    """Every value is one of those allowed, and every image is known."""
    check_words(votes, path, {"question": QUESTIONS, "answer": ANSWERS, "source": tuple(ANNOTATORS)})
    nameless = votes.loc[votes["worker_id"].str.strip() == "", "worker_id"]
    if len(nameless):
        raise D3SError(f"{path}, line {_line(nameless)}: worker_id is empty; give every annotator a name.")
    unknown = votes.loc[~votes["image_id"].isin(image_ids), "image_id"]
    if len(unknown):
        raise D3SError(
            f"{path}, line {_line(unknown)}: this run has no validation image {unknown.iloc[0]!r}; "
            "delete the line, or open the run the votes were given for."
        )


def check_words(table: pd.DataFrame, path: Path, allowed: Mapping[str, Sequence[str]]) -> None:
    """Raise D3SError, naming the line, unless every value of these columns is one of those allowed."""
    for column, words in allowed.items():
        wrong = table.loc[~table[column].isin(words), column]
        if len(wrong):
            raise D3SError(f"{path}, line {_line(wrong)}: {column} is {wrong.iloc[0]!r}; write {' or '.join(words)}.")


def _check_once(votes: pd.DataFrame, path: Path) -> None:
    """No worker answers a question twice."""
    key = ["image_id", "worker_id", "question"]
    again = votes.loc[votes.duplicated(key), key]
    if len(again):
        image_id, worker_id, question = again.iloc[0]
        first = votes.index[(votes[key] == again.iloc[0]).all(axis=1)][0] + 2
        raise D3SError(
            f"{path}, line {_line(again)}: {worker_id!r} answers the {question} question on {image_id!r} again, "
            f"first on line {first}; keep one of the two lines."
        )


def _line(rows: pd.DataFrame | pd.Series) -> int:
    """The line of the first of `rows` in the file it was read from; the header is line 1."""
    return int(rows.index[0]) + 2


def sources(table: pd.DataFrame) -> str:
    """Whose votes `table` rests on, as one word for its column `source`: "simulated", or "local+mturk"."""
    return "+".join(sorted({kind for text in table["source"].unique() for kind in str(text).split("+")}))


def voters(table: pd.DataFrame) -> str:
    """The same in words, for titles: "simulated annotators", "local annotators and MTurk workers"."""
    return " and ".join(ANNOTATORS.get(kind, kind) for kind in sources(table).split("+"))
