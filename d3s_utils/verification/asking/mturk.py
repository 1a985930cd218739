"""Mechanical Turk: the batch that is sent, and the page that workers see.

    python -m d3s_utils mturk export --profile paper --url https://example.org/d3s
    python -m d3s_utils mturk import Batch_123_results.csv --profile paper

`export` writes annotation/mturk: `batch.csv` (one task per row), `template.html` (paste it into the requester's editor)
and `pictures/`, to be uploaded so that they are found under the URL. `import` reads results (see `mturk_results`).
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
from PIL import Image

from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import write_bytes, write_table, write_text
from d3s_utils.ground.pages import render
from d3s_utils.ground.seeds import rng_for
from d3s_utils.verification.asking.desk import Desk, gold_in
from d3s_utils.verification.asking.task import INSTRUCTIONS, TEMPLATES, TITLE, Item, wording

PER_TASK = 25  # pictures in a task, as in the paper


def export(
    desk: Desk, folder: Path, url: str, seed: int, per_task: int = PER_TASK, pictures: bool = True
) -> pd.DataFrame:
    """Write batch.csv, template.html and the pictures to `folder`; hand the batch back.

    Ask Mechanical Turk for `verification.votes_per_image` assignments per task. Gold is mixed in at the profile's rate.

    Args:
        url: where the pictures will be found, https://... .
        per_task: pictures in a task, gold included; the last task may have fewer.

    Returns:
        `task` and `items`: JSON, a list of {id, class_name, definition, questions, picture, guide, examples}.
    """
    if not url.startswith(("https://", "http://")):
        raise D3SError(f"--url {url!r}: say where the pictures will be found, as https://... .")
    if per_task < 1:
        raise D3SError(f"--per-task {per_task}: a task has at least one picture.")
    items, url = desk.store.items(), url.rstrip("/")
    of_gold = min(per_task - 1, round(gold_in(desk.settings) / desk.settings.session * per_task))
    tasks = _tasks(items, desk.store.gold()["item_id"].unique(), per_task, of_gold, seed)
    shown = items.set_index("item_id")
    rows = [
        (f"task-{number:05d}", _json([_item(desk, shown.loc[name], name, url) for name in names]))
        for number, names in enumerate(tasks)
    ]
    batch = pd.DataFrame(rows, columns=["task", "items"])
    write_table(folder / "batch.csv", batch)
    words = {"title": TITLE, "instructions": INSTRUCTIONS, "examples": desk.examples, "per_task": per_task}
    write_text(folder / "template.html", render(TEMPLATES / "mturk.html", **words))
    if pictures:
        names = {name for task in tasks for name in task}
        needed = {name for item in names for name in _needed(desk, item)}
        for name in sorted(needed):
            write_bytes(folder / "pictures" / _file(name), _jpeg(desk.album.png(name)))
    return batch


def _tasks(items: pd.DataFrame, gold: np.ndarray, per_task: int, of_gold: int, seed: int) -> list[list[str]]:
    """The items cut into tasks, each with gold of its own, which is taken in turn and put at random positions."""
    asked = [name for name in items.loc[items["why"] != "gold", "item_id"] if name not in set(gold)]
    of_gold = min(of_gold, len(gold))
    size, tasks = per_task - of_gold, []
    for number, start in enumerate(range(0, len(asked), size)):
        known = [gold[(number * of_gold + turn) % len(gold)] for turn in range(of_gold)]
        names = [*asked[start : start + size], *known]
        tasks.append([names[position] for position in rng_for(seed, "mturk", number).permutation(len(names))])
    return tasks


def _item(desk: Desk, row: pd.Series, name: str, url: str) -> dict:
    item, names = Item(name, row["class_name"], row["definition"], row["background"]), desk.album.names(name)
    where = {kind: f"{url}/{quote(_file(names[kind]))}" for kind in ("picture", "guide")}
    examples = [f"{url}/{quote(_file(one))}" for one in names["examples"]]
    questions = [[question, wording(item, question)] for question in item.questions]
    return {"id": name, "class_name": item.class_name, "definition": item.definition, "questions": questions} | (
        where | {"examples": examples}
    )


def _needed(desk: Desk, item_id: str) -> list[str]:
    names = desk.album.names(item_id)
    return [names["picture"], names["guide"], *names["examples"]]


def _file(name: str) -> str:
    """The file of a picture called `name` in the album."""
    kind, _, key = name.partition("/")
    return f"{kind}/{key.replace('/', '_')}.jpg"


def _jpeg(png: bytes) -> bytes:
    data = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(data, "JPEG", quality=92)
    return data.getvalue()


def _json(value: object) -> str:
    """JSON that can stand inside a page: whatever is in it, no tag ends or begins there, and no ${...} is filled in."""
    text = json.dumps(value, ensure_ascii=True)
    for letter in "<>&$":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text
