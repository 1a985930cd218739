"""What votes say about images, about rules and about the people who voted: acceptance, agreement, quality.

Percent are 0-100 with 95 % Wilson intervals; every table carries the `source` of its votes.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from d3s_utils.seeds import rng_for
from d3s_utils.stats import cluster_mean_ci, wilson
from d3s_utils.votes import ANSWERS, QUESTIONS, sources, verify


def acceptance(verified: pd.DataFrame, *by: str) -> pd.DataFrame:
    """Share of images accepted, in percent with Wilson intervals, per rule and question.

    Args:
        by: further columns of `verified` to split by, such as "class_name" (merge the manifest first).

    Returns:
        `rule`, `question` in {foreground, background, both}, `by`, `accepted`, `low`, `high`, `n`, `source`. "both" is
        what `verified["accepted"]` says: both labels, and not adult content.
    """
    columns = {"accepted_foreground": "foreground", "accepted_background": "background", "accepted": "both"}
    keys = ["rule", *by, "source"]
    long = verified.melt(keys, list(columns), "question", "hit").replace({"question": columns})
    groups = long.assign(hit=long["hit"].astype(float)).groupby(["rule", "question", *by, "source"], sort=False)["hit"]
    table = groups.agg(hits="sum", n="size").reset_index()
    return _percent(table, "accepted")[["rule", "question", *by, "accepted", "low", "high", "n", "source"]]


def _percent(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """`hits` of `n` as percent in column `name`, with `low` and `high`; of nothing the share is NaN."""
    low, high = wilson(table["hits"], table["n"])
    return table.assign(**{name: 100 * table["hits"] / table["n"].where(table["n"] > 0), "low": low, "high": high})


def acceptance_by_votes(votes: pd.DataFrame) -> pd.DataFrame:
    """How acceptance falls as more yes votes are asked for: `question`, `at_least`, `accepted`, `low`, `high`, `n`.

    "both" takes the smaller of an image's two counts. An image's votes are all those it got.
    """
    yes = votes.assign(yes=votes["answer"].eq("yes")).pivot_table("yes", "image_id", "question", aggfunc="sum")
    yes = yes.reindex(columns=["foreground", "background"]).dropna(axis=1, how="all")
    yes["both"] = yes.min(axis=1)
    most = int(votes.groupby("image_id")["worker_id"].nunique().max())
    rows = [(question, k, int((yes[question] >= k).sum())) for question in yes for k in range(1, most + 1)]
    table = pd.DataFrame(rows, columns=["question", "at_least", "hits"]).assign(n=len(yes), source=sources(votes))
    return _percent(table, "accepted")[["question", "at_least", "accepted", "low", "high", "n", "source"]]


VERDICTS = ("accepted by all", "refused by unanimity alone", "refused by majority")


def verdicts(verified: pd.DataFrame) -> pd.Series:
    """One of `VERDICTS` by image_id, from the rules unanimity and majority."""
    said = verified.pivot(index="image_id", columns="rule", values="accepted").astype(bool)
    number = np.select([said["unanimity"], said["majority"]], [0, 1], default=2)
    return pd.Series(pd.Categorical.from_codes(number, VERDICTS, ordered=True), said.index, name="verdict")


def pick_examples(verified: pd.DataFrame, key: tuple, columns: int = 6) -> pd.DataFrame:
    """Up to `columns` images of each verdict, drawn by `key`: rows of `verified` under unanimity, with `verdict`."""
    rows = verified[verified["rule"] == "unanimity"].merge(verdicts(verified).reset_index(), on="image_id")
    order = rng_for(*key, "examples").permutation(len(rows))
    groups = rows.iloc[order].groupby("verdict", observed=True)
    return groups.head(columns).sort_values("verdict", kind="stable").reset_index(drop=True)


def rule_errors(verified: pd.DataFrame, seen: pd.DataFrame) -> pd.DataFrame:
    """Where each rule goes wrong, known because the annotators are simulated: the truth is what the judge sees.

    Returns:
        per rule: `kind` in {refused though there, accepted though not there}, `share` of those images (percent), `low`,
        `high`, `n`. A label is there where the judge gives it at least one half; "there" means both labels.
    """
    truth = seen.set_index("image_id")[["foreground", "background"]].ge(0.5).all(axis=1)
    there = verified["image_id"].map(truth).astype(bool)
    said = verified["accepted"].astype(bool)
    kinds = {"refused though there": (there, ~said), "accepted though not there": (~there, said)}
    rows = [
        (rule, kind, int((of & wrong)[rows].sum()), int(of[rows].sum()))
        for rule, rows in verified.groupby("rule", sort=False).groups.items()
        for kind, (of, wrong) in kinds.items()
    ]
    table = pd.DataFrame(rows, columns=["rule", "kind", "hits", "n"]).assign(source=sources(verified))
    return _percent(table, "share")[["rule", "kind", "share", "low", "high", "n", "source"]]


def label_errors(verified: pd.DataFrame, seen: pd.DataFrame, key: tuple = (0,)) -> pd.DataFrame:
    """Share of labels, foreground and background together, that each rule decides wrongly; truth as in `rule_errors`.

    Returns:
        `rule`, `error`, `low`, `high` (percent, bootstrap over images), `n` (labels), `gain`, `gain_low`, `gain_high`
        (points by which the rule is better than the row before, image by image; NaN in the first), `source`.
    """
    truth, labels = seen.set_index("image_id"), ("foreground", "background")
    wrong = {}
    for rule, rows in verified[verified["asked"]].groupby("rule", sort=False):
        there = truth.reindex(rows["image_id"])
        said = rows[[f"accepted_{label}" for label in labels]].to_numpy(bool)
        wrong[rule] = 100.0 * (said != there[list(labels)].ge(0.5).to_numpy()).mean(axis=1)
    rows, before = [], None
    for rule, errors in wrong.items():
        images = np.arange(len(errors))
        low, high = cluster_mean_ci(errors, images, (*key, "label error", rule))
        gain = (np.nan,) * 3
        if before is not None:
            bounds = cluster_mean_ci(wrong[before] - errors, images, (*key, "gain", rule))
            gain = ((wrong[before] - errors).mean(), *bounds)
        rows.append((rule, errors.mean(), low, high, 2 * len(errors), *gain))
        before = rule
    columns = ["rule", "error", "low", "high", "n", "gain", "gain_low", "gain_high"]
    return pd.DataFrame(rows, columns=columns).assign(source=sources(verified))


def by_workers(votes: pd.DataFrame, gold: pd.DataFrame | None = None, key: tuple = (0,)) -> pd.DataFrame:
    """Size of the verified split by rule and number of annotators per image: what fewer votes would have accepted.

    Odd numbers, so that no majority ties; of each image's annotators the first in a random order are kept.

    Returns:
        `rule`, `workers` (per image), `accepted`, `low`, `high` (percent of images, both labels), `n`, `source`.
    """
    seats = _seats(votes, rng_for(*key, "seats"))
    parts = []
    for number in range(1, int(seats.max()) + 1, 2):
        verified = verify(votes[seats <= number], gold=gold)
        shares = acceptance(verified)
        parts.append(shares[shares["question"] == "both"].assign(workers=number))
    table = pd.concat(parts, ignore_index=True)
    return table[["rule", "workers", "accepted", "low", "high", "n", "source"]]


def _seats(votes: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Of each vote, whether its worker is the first, second, ... (1, 2, ...) of the image, in a random order."""
    pairs = votes[["image_id", "worker_id"]].drop_duplicates().sort_values(["image_id", "worker_id"])
    pairs = pairs.iloc[rng.permutation(len(pairs))]
    pairs = pairs.assign(seat=pairs.groupby("image_id").cumcount() + 1)
    return votes[["image_id", "worker_id"]].merge(pairs, "left")["seat"].to_numpy()


STOPS = {
    "all votes": "every vote is asked for",
    "certain": "no later vote could change the majority",
    "lead of two": "one answer is two votes ahead",
}


def early_stopping(votes: pd.DataFrame, key: tuple = (0,)) -> pd.DataFrame:
    """How many votes would have been enough, had one stopped asking about an image (sequential majority).

    Annotators come in a random order, and each answers all questions: an image is done when all its questions are.

    Returns:
        `stop` (a key of `STOPS`), `used` (annotators per image), `saved` (percent), `changed` (percent of images whose
        verdict by majority differs from that of all votes), `low`, `high` (95 % Wilson), `n` (images), `source`.
    """
    seats = _seats(votes, rng_for(*key, "seats"))
    signs = votes.assign(sign=np.where(votes["answer"] == "yes", 1, -1), seat=seats)
    table = signs.pivot_table("sign", ["image_id", "question"], "seat", fill_value=0, sort=True)
    counts = table.to_numpy(int)  # (images x questions, annotators): 1 yes, -1 no, 0 not asked
    lead, size = counts.cumsum(axis=1), np.abs(counts).sum(axis=1)
    left = size[:, None] - np.abs(counts).cumsum(axis=1)
    enough = {
        "all votes": np.zeros_like(lead, bool),
        "certain": np.abs(lead) > left,
        "lead of two": np.abs(lead) >= 2,
    }
    whole, rows = None, []
    for stop, done in enough.items():
        seat = np.where(done.any(axis=1), done.argmax(axis=1) + 1, size)
        image = pd.Series(seat, table.index).groupby("image_id").max()
        last = image.reindex(table.index.get_level_values("image_id")).to_numpy() - 1
        yes = pd.Series(lead[np.arange(len(lead)), last] > 0, table.index)
        yes = yes.unstack("question", fill_value=False)  # a question that nobody answered yet has no yes
        verdict = yes.get("foreground", True) & yes.get("background", True) & ~yes.get("adult", False)
        whole = verdict if whole is None else whole
        full = pd.Series(size, table.index).groupby("image_id").max()
        rows.append(
            (stop, image.mean(), 100 * (1 - image.sum() / full.sum()), int((verdict != whole).sum()), len(image))
        )
    out = pd.DataFrame(rows, columns=["stop", "used", "saved", "hits", "n"]).assign(source=sources(votes))
    return _percent(out, "changed")[["stop", "used", "saved", "changed", "low", "high", "n", "source"]]


def cost(votes: pd.DataFrame) -> pd.DataFrame:
    """What the votes cost: `images`, `workers`, `visits` (image x worker), `votes`, `hours` and `seconds_per_image`.

    Hours are the sum of the answers' seconds; where they are not known, as of simulated annotators, they are NaN.
    """
    visits = votes.groupby(["image_id", "worker_id"])
    seconds = visits["seconds"].sum(min_count=1) if "seconds" in votes else pd.Series(np.nan, range(visits.ngroups))
    row = {
        "images": votes["image_id"].nunique(),
        "workers": votes["worker_id"].nunique(),
        "visits": visits.ngroups,
        "votes": len(votes),
        "hours": seconds.sum(min_count=1) / 3600,
        "seconds_per_image": seconds.median(),
        "source": sources(votes),
    }
    return pd.DataFrame([row])


def audit(verified: pd.DataFrame, why: pd.Series, rule: str = "dawid_skene") -> pd.DataFrame:
    """What an audit of a random part of the unasked says about their labels.

    Args:
        why: by image_id, "candidate", "audit" or "presumed" (see `annotation.plan.choose`).

    Returns:
        `part`, `error` (percent of images that `rule` refuses), `low`, `high`, `n`, `share` (percent of all images),
        `rule`, `source`. The audit's error, with its interval, is the estimate for what is presumed. Where the presumed
        were asked about all the same, they have a row to compare it with.
    """
    rows = verified[verified["rule"] == rule].assign(part=lambda table: table["image_id"].map(why))
    rows = rows[rows["asked"] & rows["n_votes"].gt(0)]
    groups = rows.assign(hit=~rows["accepted"].astype(bool)).groupby("part")["hit"].agg(hits="sum", n="size")
    table = groups.reindex([part for part in ("candidate", "audit", "presumed") if part in groups.index]).reset_index()
    table["share"] = 100 * table["part"].map(why.value_counts()) / len(why)
    table = _percent(table.assign(rule=rule, source=sources(verified)), "error")
    return table[["part", "error", "low", "high", "n", "share", "rule", "source"]]


def agreement(votes: pd.DataFrame, key: tuple = (0,), n: int = 200) -> pd.DataFrame:
    """Krippendorff's alpha per question: 1 is perfect agreement, 0 what chance gives. Missing votes are allowed.

    Alpha is NaN where it has no meaning: all votes alike, or no image with two votes. It is low for a rare answer even
    when nearly all pairs of votes agree, which is why `pairs_agree` stands beside it.

    Returns:
        `question`, `alpha`, `low`, `high` (95 %, bootstrap over images), `kappa` (Fleiss', of the images with as many
        votes as most have), `pairs_agree` (percent of pairs of votes on one image), `yes` (percent of votes), `n`
        (images), `workers`, `source`.
    """
    rows = []
    for question in [question for question in QUESTIONS if question in set(votes["question"])]:
        asked = votes[votes["question"] == question]
        counts = pd.crosstab(asked["image_id"], asked["answer"]).reindex(columns=ANSWERS, fill_value=0).to_numpy()
        low, high = _alpha_interval(counts, rng_for(*key, "alpha", question), n)
        size = counts.sum(axis=1)
        alike, pairs = (counts * (counts - 1)).sum(), (size * (size - 1)).sum()
        rows.append(
            {
                "question": question,
                "alpha": krippendorff_alpha(counts),
                "low": low,
                "high": high,
                "kappa": fleiss_kappa(counts),
                "pairs_agree": 100 * alike / pairs if pairs else np.nan,
                "yes": 100 * counts[:, 0].sum() / size.sum(),
                "n": len(counts),
                "workers": asked["worker_id"].nunique(),
                "source": sources(votes),
            }
        )
    return pd.DataFrame(rows)


def krippendorff_alpha(counts: np.ndarray) -> float:
    """Nominal alpha of (images, answers) counts of votes; NaN where all votes are alike or no image has two."""
    counts = counts[counts.sum(axis=1) >= 2]
    if (counts.sum(axis=0) > 0).sum() < 2:
        return float("nan")
    import krippendorff

    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))


def fleiss_kappa(counts: np.ndarray) -> float:
    """Fleiss' kappa (1971) of (images, answers) counts of votes; NaN where all votes are alike.

    It asks for as many votes on each image, so images with another number of votes than most are left out.
    """
    size = counts.sum(axis=1)
    raters = np.bincount(size).argmax() if len(size) else 0
    counts = counts[size == raters]
    if raters < 2 or (counts.sum(axis=0) > 0).sum() < 2:
        return float("nan")
    agree = (counts * (counts - 1)).sum(axis=1).mean() / (raters * (raters - 1))
    chance = np.square(counts.sum(axis=0) / counts.sum()).sum()
    return float((agree - chance) / (1 - chance))


def _alpha_interval(counts: np.ndarray, rng: np.random.Generator, n: int) -> tuple[float, float]:
    """95 % of alphas of `n` resamples of the images."""
    alphas = [krippendorff_alpha(counts[rng.integers(0, len(counts), len(counts))]) for _ in range(n)]
    alphas = [alpha for alpha in alphas if not np.isnan(alpha)]
    return tuple(np.percentile(alphas, [2.5, 97.5])) if alphas else (np.nan, np.nan)


def worker_quality(
    votes: pd.DataFrame, verified: pd.DataFrame, planted: pd.DataFrame | None = None, rule: str = "dawid_skene"
) -> pd.DataFrame:
    """How often each worker differs from what `rule` makes of all votes.

    Args:
        planted: see `simulated_workers`; joins the true rate of slips as `planted`, and the `kind`.

    Returns:
        `worker_id`, `question`, `error` (percent), `low`, `high`, `n` (votes), `planted` (percent; NaN where it is not
        known, or the annotator did not look), `kind` ("" of people), `source`.
    """
    beliefs = verified[verified["rule"] == rule].set_index("image_id")
    believed = {question: beliefs[f"p_{question}"].dropna() > 0.5 for question in QUESTIONS}
    consensus = pd.concat(believed, names=["question"]).rename("consensus")
    told = votes.merge(consensus.reset_index(), on=["question", "image_id"])
    told["slip"] = told["answer"].eq("yes") != told["consensus"]
    groups = told.groupby(["worker_id", "question"])["slip"].agg(hits="sum", n="size")
    table = _percent(groups.reset_index(), "error").assign(planted=np.nan, kind="", source=sources(votes))
    if planted is not None:
        who = pd.MultiIndex.from_frame(table[["worker_id", "question"]])
        known = planted.set_index(["worker_id", "question"])[["error", "kind"]].reindex(who)
        table[["planted", "kind"]] = known.to_numpy()
        table["planted"] = table["planted"].astype(float)
    return table[["worker_id", "question", "error", "low", "high", "n", "planted", "kind", "source"]]


def gold_quality(gold: pd.DataFrame, least: float) -> pd.DataFrame:
    """How each annotator does on pictures whose answers are known.

    Who always says yes is right on every picture that is as asked; so accuracy is the mean of that on answers that are
    yes and that on answers that are no, and not looking gives 50 %.

    Args:
        gold: the columns of votes.csv and `truth`.
        least: the accuracy, 0-1, below which an annotator is reported.

    Returns:
        `worker_id`, `accuracy`, `low`, `high` (percent; 95 %, from the two Wilson intervals), `on_yes`, `on_no`
        (percent), `n` (answers), `reported`, `source`; the worst first. Nobody is reported who met no "no".
    """
    right = gold.assign(right=gold["answer"].eq(gold["truth"]))
    counts = right.pivot_table("right", "worker_id", "truth", aggfunc=["sum", "size"], fill_value=0)
    counts = counts.reindex(columns=pd.MultiIndex.from_product([["sum", "size"], ANSWERS]), fill_value=0)
    hits, n = counts["sum"].to_numpy(float), counts["size"].to_numpy(float)
    share = np.divide(hits, n, out=np.full_like(hits, np.nan), where=n > 0)  # (workers, 2)
    low, high = (bound / 100 for bound in wilson(hits, n))
    middle, wide = share.mean(axis=1), (np.hypot(*(share - low).T) / 2, np.hypot(*(high - share).T) / 2)
    table = pd.DataFrame(
        {
            "worker_id": counts.index,
            "accuracy": 100 * middle,
            "low": 100 * (middle - wide[0]),
            "high": 100 * (middle + wide[1]),
            "on_yes": 100 * share[:, 0],
            "on_no": 100 * share[:, 1],
            "n": n.sum(axis=1).astype(int),
            "reported": middle < least,
            "source": sources(gold) if len(gold) else "",
        }
    )
    return table.sort_values(["accuracy", "worker_id"], ignore_index=True)


def headline(verified: pd.DataFrame, agreed: pd.DataFrame, paper: float) -> pd.DataFrame:
    """The numbers of this stage for the ledger.

    Args:
        agreed: see `agreement`.
        paper: the share of images that the paper's annotators accepted, in percent.

    Returns:
        `id`, `text` (empty where the paper's own number says it), `measured`, `ci_low`, `ci_high`, `n`, `chance`,
        `unit`, and `met`: the interval reaches the paper's share, or an alpha's whole interval lies above chance.
    """
    unanimous = verified[verified["rule"] == "unanimity"]
    by_paper = unanimous["accepted_foreground"] & ~unanimous["flagged_adult"]
    asked_both = "share of the validation images accepted, foreground and background"
    shares = pd.DataFrame({"id": ["accepted_share", "accepted_share/both"], "text": ["", asked_both], "unit": "%"})
    shares["hits"] = [by_paper.sum(), unanimous["accepted"].sum()]
    shares = _percent(shares.assign(n=len(unanimous)), "measured")
    labels = agreed[agreed["question"] != "adult"]
    alphas = labels.rename(columns={"alpha": "measured"}).assign(
        id="alpha_" + labels["question"],
        text="annotators agree on the " + labels["question"] + " beyond chance (Krippendorff's alpha)",
        chance=0.0,
        unit="alpha",
    )
    rows = pd.concat([shares.assign(met=shares["high"] >= paper), alphas.assign(met=alphas["low"] > 0)])
    rows = rows.rename(columns={"low": "ci_low", "high": "ci_high"})
    return rows[["id", "text", "measured", "ci_low", "ci_high", "n", "chance", "unit", "met"]]
