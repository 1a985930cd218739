"""What the explorer knows of each image: its row of the manifest, verdicts, votes, and every model's guess."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from d3s_utils.evaluation.sets import D3S
from d3s_utils.ground.files import read_table
from d3s_utils.ground.seeds import rng_for
from d3s_utils.verification.rules import RULES

MOST = 4000  # images that the explorer shows; of a larger run it shows a sample
CELL = ["split", "label", "background"]
QUESTIONS = ("foreground", "background", "adult")
NOBODY = -1  # no verdict, no vote, no guess


@dataclass(frozen=True)
class Names:
    """What numbers in the data stand for; `guesses` are the classes, and after them guesses that are no class here."""

    classes: list[str]
    guesses: list[str]
    number_of: dict[int, int]  # a label of the tables, as an index of `guesses`


def sample(manifest: pd.DataFrame, most: int = MOST) -> pd.DataFrame:
    """At most `most` rows, in the manifest's order: the first of each cell, then the second, cells in random order.

    Args:
        manifest: with `split`, `label` and `background`, which make a cell.
    """
    if len(manifest) <= most:
        return manifest.reset_index(drop=True)
    rank = manifest.groupby(CELL, sort=False).cumcount().to_numpy()
    luck = rng_for("explorer sample").permutation(len(manifest))
    chosen = np.sort(np.lexsort((luck, rank))[:most])
    return manifest.iloc[chosen].reset_index(drop=True)


def names_of(manifest: pd.DataFrame, guesses: Sequence[int] = ()) -> Names:
    """The classes in the order of their labels, and a name for each guess that is none of them."""
    by_label = manifest.drop_duplicates("label").sort_values("label").set_index("label")["class_name"]
    others = sorted({int(guess) for guess in guesses} - set(by_label.index))
    labels = [*by_label.index, *others]
    classes = [str(name) for name in by_label]
    numbers = {int(label): i for i, label in enumerate(labels)}
    return Names(classes, [*classes, *(f"class {label}" for label in others)], numbers)


def predictions(folder: Path) -> pd.DataFrame:
    """image_id, model, guess and p_guess of D3S images; without rows where no model was asked."""
    path, columns = folder / "predictions.parquet", ["image_id", "model", "guess", "p_guess"]
    if not path.is_file():
        return pd.DataFrame(columns=columns)
    found = pd.read_parquet(path, columns=[*columns, "dataset"], filters=[("dataset", "==", D3S)])
    return found[columns].drop_duplicates(["image_id", "model"])


def guesses(table: pd.DataFrame, image_ids: Sequence[str], names: Names) -> list[dict]:
    """One entry per model: name, `guess` (index of `names.guesses`) and `sure` (per mille) of each image, else -1.

    A model that was trained otherwise than the others, "resnet@uniform" for instance, stands `apart` from their mean.
    """
    ids, entries = pd.Index(image_ids), []
    for model, rows in table.groupby("model", sort=False):
        rows = rows.set_index("image_id").reindex(ids)
        number = rows["guess"].map(names.number_of, na_action="ignore").fillna(NOBODY).astype(int)
        sure = (1000 * rows["p_guess"]).round().fillna(NOBODY).astype(int)
        entries.append(
            {"name": str(model), "apart": "@" in str(model), "guess": number.tolist(), "sure": sure.tolist()}
        )
    return entries


def verdicts(folder: Path, image_ids: Sequence[str]) -> dict:
    """Who decided what of each image.

    Returns:
        `own`, the run's own rule; `rules`: name, title and verdict (1 accepted, 0 refused, -1 none); `asked`, 1 where
        annotators looked at the image and 0 where it was taken on trust; `source` of the votes.
    """
    path, ids = folder / "verified.csv", pd.Index(image_ids)
    if not path.is_file():
        return {"own": "", "rules": [], "asked": [NOBODY] * len(ids), "source": ""}
    table = read_table(path)
    rules, asked = [], [NOBODY] * len(ids)
    for rule, rows in table.groupby("rule", sort=False):
        rows = rows.drop_duplicates("image_id").set_index("image_id").reindex(ids)
        title = RULES[rule].title if rule in RULES else str(rule)
        rules.append({"name": str(rule), "title": title, "verdict": _flags(rows["accepted"])})
        asked = _flags(rows["asked"]) if "asked" in rows else asked
    sources = sorted(table["source"].dropna().unique()) if "source" in table else []
    own = own_rule(folder) or (rules[-1]["name"] if rules else "")
    return {"own": own, "rules": rules, "asked": asked, "source": " and ".join(map(str, sources))}


def own_rule(folder: Path) -> str:
    """The rule that the run's profile calls its own; "" where no profile lies beside its tables."""
    path = folder / "profile.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return (settings.get("evaluation") or {}).get("rule", "")


def votes(folder: Path, image_ids: Sequence[str], source: str) -> dict[str, list]:
    """For each question the votes of yes and all votes, [yes, all], of each image; without entries where nobody voted.

    Args:
        source: who voted behind the verdicts; votes of others are left out where there are such.
    """
    for name in ("votes.csv", "votes_simulated.csv"):
        if (folder / name).is_file():
            table = read_table(folder / name)
            table = table[table["source"].isin(source.split(" and "))] if source else table
            if len(table):
                return _count(table, pd.Index(image_ids))
    return {}


def _count(table: pd.DataFrame, ids: pd.Index) -> dict[str, list]:
    yes = table["answer"].eq("yes").groupby([table["question"], table["image_id"]]).agg(["sum", "size"])
    asked = set(table["question"])
    return {
        question: yes.loc[question].reindex(ids).fillna(0).astype(int).to_numpy().tolist()
        for question in QUESTIONS
        if question in asked
    }


def _flags(column: pd.Series) -> list[int]:
    """1, 0, and -1 where there is none."""
    words = column.astype(str).str.lower().map({"true": 1, "false": 0, "1.0": 1, "0.0": 0, "1": 1, "0": 0})
    return words.fillna(NOBODY).astype(int).tolist()
