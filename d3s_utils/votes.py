"""Human verification: votes on the labels of images, and which images they accept.

Every image is shown to a few annotators who answer three questions: is the asked foreground there, is the asked
background there, is it adult content. Votes say in `source` whose they are, and so does everything made of them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from d3s_utils import paths
from d3s_utils.errors import D3SError
from d3s_utils.tables import COLUMNS, require_columns

if TYPE_CHECKING:
    from d3s_utils.runs import Run

QUESTIONS = ("foreground", "background", "adult")
ANSWERS = ("yes", "no")
ANNOTATORS = {"mturk": "MTurk workers", "local": "local annotators", "simulated": "simulated annotators"}


def read_votes(path: str | Path, image_ids: Sequence[str], recipes: pd.Series | None = None) -> pd.DataFrame:
    """Votes from a CSV file with the columns of votes.csv, checked row by row.

    Args:
        image_ids: the images that can be voted on. Some may have no votes; a vote on any other image is an error.
        recipes: recipe_hash by image_id. Where the file says by which recipe the picture voted on was made, as the
            annotation page does, a vote on another picture is an error.

    Returns:
        The contract's columns, and `seconds` where the file has them.

    Raises:
        D3SError: no such file, a missing column, a value outside the contract, an unknown image or a second answer of
            one worker to one question. It names the line of the file and the mend.
    """
    path = paths.resolve(path)
    table = require_columns(read_text(path), "votes", path)
    votes = table[COLUMNS["votes"]]
    if not len(votes):
        raise D3SError(f"{path} holds no votes; add one line per image, worker and question.")
    _check_values(votes, path, image_ids)
    _check_once(votes, path)
    if recipes is not None and "recipe_hash" in table:
        _check_recipes(table, path, recipes)
    if "seconds" in table:
        votes = votes.assign(seconds=pd.to_numeric(table["seconds"], errors="coerce"))
    return votes.reset_index(drop=True)


def _check_recipes(table: pd.DataFrame, path: Path, recipes: pd.Series) -> None:
    """No vote was given on an image that has been made anew since."""
    stale = table["recipe_hash"].ne("") & table["recipe_hash"].ne(table["image_id"].map(recipes))
    if stale.any():
        raise D3SError(
            f"{path}, line {_line(table[stale])}: this vote was given on another picture of "
            f"{table.loc[stale, 'image_id'].iloc[0]!r}, which has been made anew since ({stale.sum()} such votes); go "
            "back to those settings, or move the file and the folder annotation away and ask again."
        )


def people_voted(path: Path) -> bool:
    """Whether the file holds votes of people: readable or not, those are never written over."""
    if not path.is_file():
        return False
    try:
        kinds = pd.read_csv(path, usecols=["source"], dtype=str, keep_default_na=False)["source"]
    except ValueError:
        return True
    return bool(kinds.ne("simulated").any())


def no_gold_votes() -> pd.DataFrame:
    return pd.DataFrame(columns=[*COLUMNS["votes"], "truth"])


def read_gold_votes(run: Run) -> pd.DataFrame:
    """People's votes on pictures with known answers: the columns of votes.csv and `truth`, from gold_votes.csv."""
    path = run.folder / "gold_votes.csv"
    if not path.is_file():
        return no_gold_votes()
    gold = require_columns(read_text(path), "votes", path)
    if "truth" not in gold:
        raise D3SError(f"{path} lacks the column truth; delete the file and write it again with annotate --export.")
    return gold.loc[gold["source"] != "simulated", [*COLUMNS["votes"], "truth"]].reset_index(drop=True)


def read_text(path: Path) -> pd.DataFrame:
    """All fields as text, each row numbered by its place in the file; blank lines left out."""
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


def yes_shares(votes: pd.DataFrame, gold: pd.DataFrame | None = None) -> pd.Series:
    """Share of yes, 0-1, by image_id. Gold tells it nothing."""
    return votes["answer"].eq("yes").groupby(votes["image_id"]).mean()


def dawid_skene(votes: pd.DataFrame, gold: pd.DataFrame | None = None) -> pd.Series:
    """Probability, 0-1, that yes is the true answer, by image_id; learns each worker's reliability with the answers.

    Dawid and Skene (1979), as in crowd-kit. Where all votes agree there is nothing to learn, and the answer is certain.
    Where nearly every image is right, there are hardly any to learn from what a justified no looks like, and the method
    may call common slips a class of their own; votes on gold keep it from that.

    Args:
        gold: the same workers' votes on pictures whose answer is known, in the column `truth`.
    """
    if votes["answer"].nunique() < 2:
        return yes_shares(votes)
    from crowdkit.aggregation import DawidSkene

    names, known = {"image_id": "task", "worker_id": "worker", "answer": "label"}, None
    data = votes
    if gold is not None and len(gold):
        gold = gold[~gold["image_id"].isin(votes["image_id"])]  # what is asked about is not told beforehand
        known = gold.drop_duplicates("image_id").set_index("image_id")["truth"]
        data = pd.concat([votes, gold])
    data = data.sort_values(["image_id", "worker_id"])[list(names)].rename(columns=names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # crowd-kit 1.4.2 uses calls that pandas 3 announces the end of
        posterior = DawidSkene(n_iter=100).fit_predict_proba(data, known)
    posterior = posterior["yes"].rename_axis("image_id").sort_index()
    return posterior if known is None else posterior.drop(known.index)


@dataclass(frozen=True)
class Rule:
    """How votes on one question become an answer."""

    title: str
    belief: Callable[..., pd.Series]  # votes on one question, and on its gold -> belief in yes, 0-1, by image_id
    accepts: Callable[[pd.Series], pd.Series]  # belief that the label is there -> accepted
    flags: Callable[[pd.Series], pd.Series]  # belief that it is adult content -> flagged


def _all(belief: pd.Series) -> pd.Series:
    return belief == 1.0


def _any(belief: pd.Series) -> pd.Series:
    return belief > 0.0


def _most(belief: pd.Series) -> pd.Series:
    return belief > 0.5


# Adding a row here is all it takes for a rule to reach every table and figure.
RULES: dict[str, Rule] = {
    "unanimity": Rule("unanimity (the paper's)", yes_shares, accepts=_all, flags=_any),
    "majority": Rule("majority", yes_shares, accepts=_most, flags=_most),
    "dawid_skene": Rule("Dawid-Skene", dawid_skene, accepts=_most, flags=_most),
}


def verify(
    votes: pd.DataFrame,
    image_ids: Sequence[str] | None = None,
    rules: Sequence[str] = tuple(RULES),
    presumed: Sequence[str] = (),
    gold: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Which images each rule accepts: both labels there, and not adult content.

    A question nobody was asked decides nothing (the paper never asked for the background). An image without votes on a
    question that others were asked is refused.

    Args:
        image_ids: one row each, in this order; by default the images that have votes, sorted.
        presumed: those of them that nobody was to be asked about: accepted on trust (column `asked` says no).
        gold: votes on pictures with known answers; a rule that learns about workers learns from them.

    Returns:
        verified.csv, one row per rule x image: `image_id`, `rule`, `accepted`, `p_foreground`, `p_background` (belief
        in the label, 0-1: share of yes, or Dawid-Skene's probability), `n_votes` (annotators who saw it), and further
        `accepted_foreground`, `accepted_background`, `flagged_adult`, `p_adult`, `asked`, `source`.
    """
    images = pd.Index(sorted(votes["image_id"].unique()) if image_ids is None else image_ids, name="image_id")
    n_votes = votes.groupby("image_id")["worker_id"].nunique().reindex(images, fill_value=0)
    parts = [
        _decide(votes, RULES[rule], images, gold).assign(rule=rule, n_votes=n_votes, source=sources(votes))
        for rule in rules
    ]
    columns = ["image_id", "rule", "accepted", "p_foreground", "p_background", "n_votes"]
    verified = pd.concat(parts).reset_index()
    verified["asked"] = ~verified["image_id"].isin(presumed) | verified["n_votes"].gt(0)
    labels = ["accepted", "accepted_foreground", "accepted_background"]
    verified.loc[~verified["asked"], labels] = True
    return verified[columns + [column for column in verified if column not in columns]]


def _decide(votes: pd.DataFrame, rule: Rule, images: pd.Index, gold: pd.DataFrame | None) -> pd.DataFrame:
    """One rule's beliefs and decisions, one row per image."""
    asked = dict(list(votes.groupby("question")))
    known = {} if gold is None else dict(list(gold.groupby("question")))
    belief = {
        question: rule.belief(asked[question], known.get(question)).reindex(images)
        if question in asked
        else pd.Series(np.nan, images)
        for question in QUESTIONS
    }
    there = {
        label: rule.accepts(belief[label]) if label in asked else pd.Series(True, images)
        for label in ("foreground", "background")
    }
    flagged = rule.flags(belief["adult"])
    return pd.DataFrame(
        {
            "accepted": there["foreground"] & there["background"] & ~flagged,
            **{f"accepted_{label}": accepted for label, accepted in there.items()},
            "flagged_adult": flagged,
            **{f"p_{question}": values for question, values in belief.items()},
        }
    )


def accepted(verified: pd.DataFrame, rule: str) -> pd.Index:
    """The image_ids that `rule` accepts, in the order of `verified`."""
    if rule not in set(verified["rule"]):
        raise D3SError(f"verified.csv holds no rule {rule!r}; it has {', '.join(verified['rule'].unique())}.")
    return pd.Index(verified.loc[(verified["rule"] == rule) & verified["accepted"].astype(bool), "image_id"])
