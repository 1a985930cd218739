"""A small run made of nothing: 18 images of one colour, votes, guesses, claims and tables, in a second.

Names hold what would be markup if anybody took it for such.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from d3s_utils.generation.shards import shards, write_shard
from d3s_utils.ground.claims import Mark, claim, claims_table, finding
from d3s_utils.ground.files import write_figure, write_json, write_table, write_text

SCRIPT = "<script>document.title='owned'</script>"
CLASSES = (SCRIPT, "$^$ \"a\" 'b' _c_ 100 %", "金魚 🐟 <b>& co</b>")
BACKGROUNDS = ("on <i>grass</i>", "in water")
SIDE = 16  # pixels
MODELS = ("resnet", "vit", "resnet@uniform")


def manifest() -> pd.DataFrame:
    """One train and two val images of each class on each background."""
    cells = [
        (split, label, background, number)
        for split, count in (("train", 1), ("val", 2))
        for label in range(len(CLASSES))
        for background in BACKGROUNDS
        for number in range(count)
    ]
    rows = pd.DataFrame(cells, columns=["split", "label", "background", "number"])
    place = rows["background"].map(BACKGROUNDS.index).astype(str)
    rows["image_id"] = (
        rows["split"] + "-n" + rows["label"].astype(str) + "-b" + place + "-" + rows["number"].astype(str)
    )
    rows["class_name"] = rows["label"].map(CLASSES.__getitem__)
    same = {
        "foreground_source": "natural/0", "background_source": "b", "left": 1, "top": 1, "scale": 0.4,
        "guide_kind": "paste", "strength": 0.9, "steps": 4, "guidance": 5.0, "generator": "toy",
        "generator_revision": "0",
    }  # fmt: skip
    text = "a photo of a " + rows["class_name"] + ", " + rows["background"]
    return rows.drop(columns="number").assign(
        prompt=text, seed=2**62 + rows.index, recipe_hash="h" + rows["image_id"], **same
    )


def colour(position: int) -> np.ndarray:
    """(S, S, 3) uint8, another colour for each of 18 images."""
    return np.broadcast_to(np.array([14 * position, 255 - 14 * position, 40], np.uint8), (SIDE, SIDE, 3))


def make_run(folder: Path, votes: bool = True, predictions: bool = True) -> Path:
    """Write the whole run; without votes or predictions where told so."""
    plan = manifest()
    write_table(folder / "manifest.parquet", plan)
    for shard in shards(plan, 5):
        positions = [plan.index[plan["image_id"] == name][0] for name in shard.rows["image_id"]]
        images = np.stack([colour(position) for position in positions])
        write_shard(folder / "dataset", shard, images, 255 - images)
    write_text(folder / "profile.yaml", "foregrounds: pocket\nevaluation: {rule: majority}\n"
               "disentanglement: {paper_method: ours@backbone}\n")  # fmt: skip
    val = plan[plan["split"] == "val"].reset_index(drop=True)
    if votes:
        write_votes(folder, val)
    if predictions:
        write_table(folder / "predictions.parquet", predicted(val))
    write_claims(folder)
    write_tables(folder)
    for name in ("01_generation_backgrounds", "01_generation_of_my_own", "03_classifier_evaluation_gap"):
        figure, axis = plt.subplots(figsize=(2, 1))
        axis.plot([0, 1])
        write_figure(folder / "figures" / name, figure)
    return folder


def write_votes(folder: Path, val: pd.DataFrame) -> None:
    """Three voters; every second image is refused by one of them in its foreground, the first by two."""
    rows = [
        (name, f"w{worker}", question, "no" if question == "adult" or refused(i, worker, question) else "yes")
        for i, name in enumerate(val["image_id"])
        for worker in range(3)
        for question in ("foreground", "background", "adult")
    ]
    table = pd.DataFrame(rows, columns=["image_id", "worker_id", "question", "answer"]).assign(source="simulated")
    write_table(folder / "votes.csv", table)
    verdicts = {"unanimity": [i % 2 == 1 for i in range(len(val))], "majority": [i > 0 for i in range(len(val))]}
    parts = [
        pd.DataFrame({"image_id": val["image_id"], "rule": rule, "accepted": accepted})
        for rule, accepted in verdicts.items()
    ]
    write_table(folder / "verified.csv", pd.concat(parts).assign(
        p_foreground=1.0, p_background=1.0, n_votes=3, source="simulated", asked=True))  # fmt: skip


def refused(i: int, worker: int, question: str) -> bool:
    return question == "foreground" and i % 2 == 0 and worker < (2 if i == 0 else 1)


def predicted(val: pd.DataFrame) -> pd.DataFrame:
    """resnet is always right; vit takes every image of the second background for the next class; the third is wrong."""
    next_one = (val["label"] + 1) % len(CLASSES)
    vit = val["label"].where(val["background"] == BACKGROUNDS[0], next_one)
    parts = [
        val[["image_id", "label", "background", "foreground_source"]].assign(
            model=model, dataset="d3s", guess=guess, top5=True, p_label=0.5, p_guess=sure
        )
        for model, guess, sure in (
            ("resnet", val["label"], 0.9), ("vit", vit, 0.2 + 0.01 * val.index), ("resnet@uniform", next_one, 0.6),
        )
    ]  # fmt: skip
    natural = parts[0].assign(dataset="natural", image_id="natural-" + val["image_id"])
    return pd.concat([*parts, natural], ignore_index=True)


def write_claims(folder: Path) -> None:
    """A claim of each status, the paper's among them, with hostile words in one."""
    drop = {"gap": 48.3, "low": 45.2, "high": 51.3}
    leak = {"accuracy": 44.5, "low": 41.5, "high": 47.7, "n": 943, "seeds": 2, "chance": 10.0}
    ledgers = {
        "01_generation": [claim("labels/both", f"images with both labels {SCRIPT}", measured=98.4, ci=(97.4, 99.0),
                                n=1000, met=True)],
        "02_human_verification": [claim("accepted_share", measured=84.8, ci=(82.4, 86.9), n=1000, simulated=True)],
        "03_classifier_evaluation": [
            finding("zoo_drop", "lost", drop, "gap", Mark("above", 0, "points")),
            claim("background_pull", "pull", measured=79.2, ci=(77.7, 80.5), chance=11.1, met=True),
            claim("control_drop", "without habit", measured=-0.5, ci=(-3.8, 2.7), met=True, unit="points"),
        ],
        "05_disentanglement_probe": [finding("fg_from_bg", "class leak", leak, "accuracy", Mark("at most", 12.1))],
        "06_spurious_correlation": [claim("spurious_gain", why="no test image disagrees")],
    }  # fmt: skip
    for number, (notebook, rows) in enumerate(ledgers.items()):
        write_table(folder / "claims" / f"{notebook}.csv", claims_table(rows))
        cost = {"notebook": notebook, "seconds": 60.0, "peak_memory_mb": 500.0, "device": "cpu", "host_cores": 2}
        more = {"finished": f"2026-01-0{number + 1}T00:00:00Z", "commit": "abc", "machine": "a <fast> one"}
        write_json(folder / "runtime" / f"{notebook}.json", {**cost, **more})


def write_tables(folder: Path) -> None:
    gap = pd.DataFrame(
        {"model": ["resnet", "vit", "zoo mean"], "natural": [88.0, 82.0, 85.0], "d3s": [40.0, 33.4, 36.7]}
    )
    write_table(folder / "tables" / "03_classifier_evaluation_gap.csv", gap.assign(gap=48.3, low=45.2, high=51.3))
    write_table(folder / "tables" / "02_human_verification_acceptance.csv", pd.DataFrame({"source": ["simulated"]}))
    directions = ("fg_from_fg", "bg_from_bg", "bg_from_fg", "fg_from_bg")
    rows = [(method, "linear", d, 50.0 + i, 10.0) for method in ("backbone", "ours@backbone", "ours@backbone + LEACE")
            for i, d in enumerate(directions)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["method", "probe", "direction", "accuracy", "chance"])
    write_table(folder / "tables" / "05_disentanglement_probe_directions.csv", table)
    leak = table.assign(probe="svm", accuracy=table["accuracy"] + 20)
    write_table(folder / "tables" / "05_disentanglement_probe_leak.csv", leak)
