"""What workers answered on Mechanical Turk: batch results, in our form and in that of the paper's authors, as votes.

What cannot be used is listed by row, and the rest goes where all votes go.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from d3s_utils.ground import paths
from d3s_utils.ground.columns import COLUMNS
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import read_table, write_table
from d3s_utils.ground.run import Run
from d3s_utils.verification.asking.desk import Desk

REJECTED = ["file", "row", "worker", "image", "reason"]
YES_NO = {"yes": "yes", "y": "yes", "true": "yes", "1": "yes", "no": "no", "n": "no", "false": "no", "0": "no"}
THEIR_QUESTIONS = {"nsfw": "adult"}  # as the paper's authors call one of ours


@dataclass
class Import:
    """What was read from a file of results.

    Attributes:
        votes: the columns of votes.csv, `seconds` and `answered_at`.
        rejected: `REJECTED`; `row` counts as a spreadsheet does, the header being 1.
    """

    votes: list[tuple] = field(default_factory=list)
    rejected: list[tuple] = field(default_factory=list)


def read_results(path: str | Path, known: dict[str, str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Votes from a file of batch results, and the rows of it that could not be used.

    Answers are looked for in `Answer.taskAnswers` (a JSON list of one object whose "annotations" are a JSON string), as
    the form of Mechanical Turk writes it for our template and wrote it for the paper's authors, or in
    `Answer.annotations`. They are {image: {"foreground": "Yes", "background": "No", "nsfw" or "adult": "No"}}; an image
    is named by its id, or by a path that ends in it.

    Args:
        known: item_id by the names that an image can have: the id itself, and the picture's path.

    Returns:
        votes (columns of votes.csv, `seconds`, `answered_at`; worker_id as Mechanical Turk has it), and the rejected
        rows: file, row, worker, image, reason.

    Raises:
        D3SError: there is no such file, or it has no column of answers.
    """
    path, found, given = Path(path), Import(), {}
    for number, row in _rows(path):
        worker = (row.get("WorkerId") or "").strip()

        def reject(reason: str, image: str = "", number: int = number, worker: str = worker) -> None:
            found.rejected.append((path.name, number, worker, image, reason))

        try:
            answers = _answers(row, worker)
        except ValueError as error:
            reject(str(error))
            continue
        seconds = _seconds(row, answers)
        for image, said in answers.items():
            item_id = known.get(image) or known.get(PurePosixPath(image).stem)
            if item_id is None:
                reject("no image of this run has that name", image)
            elif not isinstance(said, dict):
                reject(f"answers are {said!r}, not one per question", image)
            elif (worker, item_id) in given:
                reject(f"the same worker answered it before, in row {given[worker, item_id]}", image)
            else:
                given[worker, item_id] = number
                for reason in _take(found, item_id, worker, said, seconds, row.get("SubmitTime") or ""):
                    reject(reason, image)
    columns = [*COLUMNS["votes"], "seconds", "answered_at"]
    return pd.DataFrame(found.votes, columns=columns), pd.DataFrame(found.rejected, columns=REJECTED)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with their numbers, whatever its line ends, with or without a byte order mark."""
    if not path.is_file():
        raise D3SError(f"There is no file {path}; give the batch results as Mechanical Turk's page saves them.")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise D3SError(f"{path} is not UTF-8 text ({error}); save it as CSV UTF-8.") from error
    csv.field_size_limit(10**8)
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=False)
    columns = rows.fieldnames or []
    if not {"Answer.taskAnswers", "Answer.annotations"} & set(columns):
        raise D3SError(f"{path} has no column Answer.taskAnswers (or Answer.annotations); it has {', '.join(columns)}.")
    if "WorkerId" not in columns:
        raise D3SError(f"{path} has no column WorkerId; whose answers these are cannot be told.")
    for number, row in enumerate(rows, start=2):
        if any(value for value in row.values()):
            yield number, row


def _answers(row: dict[str, str], worker: str) -> dict:
    """image -> answers of one row.

    Raises:
        ValueError: saying what is wrong with the row.
    """
    if not worker:
        raise ValueError("WorkerId is empty")
    if (row.get("AssignmentStatus") or "").strip().lower() == "rejected":
        raise ValueError("the assignment was rejected on Mechanical Turk")
    text = (row.get("Answer.taskAnswers") or "").strip()
    try:
        annotations = row.get("Answer.annotations") or ""
        if text:
            tasks = json.loads(text)
            annotations = (tasks[0] if isinstance(tasks, list) else tasks)["annotations"]
        answers = json.loads(annotations) if isinstance(annotations, str) else annotations
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ValueError(f"the answers cannot be read ({type(error).__name__}: {error})") from error
    if not isinstance(answers, dict) or not answers:
        raise ValueError("there are no answers")
    return answers


def _seconds(row: dict[str, str], answers: dict) -> float | None:
    """Seconds of the assignment for each of its answers."""
    try:
        count = sum(len(said) for said in answers.values() if isinstance(said, dict))
        return float(row.get("WorkTimeInSeconds") or "nan") / count if count else None
    except ValueError:
        return None


def _take(found: Import, item_id: str, worker: str, said: dict, seconds: float | None, when: str) -> Iterator[str]:
    """Add the votes on one image, and say what is wrong with those that cannot be added."""
    answers = {THEIR_QUESTIONS.get(name, name): answer for name, answer in said.items()}
    for question in ("foreground", "background", "adult"):
        answer = answers.pop(question, None)
        if answer in (None, "") and question == "background":
            continue  # the paper never asked for it
        word = YES_NO.get(str(answer).strip().lower())
        if answer in (None, ""):
            yield f"no answer about {question}"
        elif word is None:
            yield f"the answer about {question} is {answer!r}, neither yes nor no"
        else:
            found.votes.append((item_id, worker, question, word, "mturk", seconds, when))
    if answers:
        yield f"nobody asked about {', '.join(map(str, answers))}"


def import_results(
    run: Run, desk: Desk, files: list[str], names: str | None = None, keep_names: bool = False
) -> tuple[int, pd.DataFrame]:
    """Add the votes of some files of results to all votes; say how many were new, and what was rejected.

    Workers' names are replaced by pseudonyms, the same for the same worker as long as the file of votes is the same.

    Args:
        names: a CSV with the columns name and image_id, where the results call images otherwise.
        keep_names: store worker ids as Mechanical Turk has them; they can be traced to people.
    """
    items = desk.store.items()
    known = {name: name for name in items["item_id"]}
    manifest = read_table(run.folder / "manifest.parquet")
    known |= {name: name for name in manifest.loc[manifest["split"] == "val", "image_id"]}
    if names is not None:
        known |= _read_names(paths.resolve(names))
    new, rejected = 0, []
    for file in files:
        votes, bad = read_results(file, known)
        if not keep_names:
            votes["worker_id"] = [desk.store.pseudonym(worker, "mturk") for worker in votes["worker_id"]]
        new += desk.store.add(votes)
        rejected.append(bad)
    rejected = pd.concat(rejected, ignore_index=True)
    write_table(run.path("annotation", "mturk_rejected.csv"), rejected)
    desk.store.export(run.folder)
    return new, rejected


def _read_names(path: Path) -> dict[str, str]:
    table = read_table(path)
    if not {"name", "image_id"} <= set(table):
        raise D3SError(f"{path} lacks the column name or image_id; it says which image of the run each name means.")
    return dict(zip(table["name"].astype(str), table["image_id"].astype(str), strict=True))
