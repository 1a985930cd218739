"""Classifiers with published weights: the rows of zoo.csv, where each comes from, and how each is loaded.

`original` are the 34 models of the paper under today's names, `newer` what came after. A row says everything: the
loader, the source (a repository on the hub, a folder in the same layout, or an architecture), its revision and the
preprocessing. `evaluation.zoo` names a CSV with rows of your own; any model of timm works by its name, without a row.

Loaders: `timm`; `transformers`, for its image classifiers; `open_clip` and `flava`, zero-shot; `state_dict`, a timm
architecture whose weights lie in `evaluation.state_dicts`/<model>.safetensors (`python -m d3s_utils convert` makes that
file of what the authors published).
"""

from __future__ import annotations

import difflib
from dataclasses import asdict, fields
from pathlib import Path

import pandas as pd
import torch

from d3s_utils.evaluation.classifiers import Classifier, Preprocessing
from d3s_utils.evaluation.loaders import HEADS, HERE, LOADERS, ZERO_SHOT, PublishedRow, templates
from d3s_utils.ground import journal, paths
from d3s_utils.ground.cached import digest
from d3s_utils.ground.device import pick_device
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.settings import Evaluation
from d3s_utils.ground.sources import code_of

GROUPS = ("original", "newer")


def read_rows(path: Path = HERE / "zoo.csv") -> dict[str, PublishedRow]:
    """The published rows of a file by the name of their model.

    Raises:
        D3SError: the file is missing, lacks a column, names a model twice or says something nobody understands.
    """
    journal.note_input(path)
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise D3SError(
            f"evaluation.zoo: {path} cannot be read ({error}); give a CSV like d3s_utils/evaluation/zoo.csv."
        ) from error
    wanted = [f.name for f in fields(PublishedRow) if f.name != "preprocessing"] + [
        f.name for f in fields(Preprocessing)
    ]
    missing = [name for name in wanted if name not in table and name not in ("head", "origin")]
    if missing:
        raise D3SError(f"evaluation.zoo: {path} lacks the column {missing[0]}; see d3s_utils/evaluation/zoo.csv.")
    rows = {}
    for number, record in enumerate(table.to_dict("records"), 2):
        row = _row(record, f"{path}, line {number}")
        if row.model in rows or row.model in GROUPS:
            raise D3SError(f"{path}, line {number}: {row.model} is taken; choose another name.")
        rows[row.model] = row
    return rows


def _row(record: dict[str, str], where: str) -> PublishedRow:
    def numbers(text: str) -> tuple[float, ...]:
        values = tuple(float(value) for value in text.split())
        if len(values) != 3:
            raise ValueError(f"{text!r} should be three numbers")
        return values

    if record["loader"] not in LOADERS:
        raise D3SError(f"{where}: there is no loader {record['loader']!r}; choose one of {', '.join(LOADERS)}.")
    if record.get("head", "") not in HEADS:
        raise D3SError(f"{where}: there is no head {record['head']!r}; choose one of {', '.join(filter(None, HEADS))}.")
    try:
        preprocessing = Preprocessing(
            size=int(record["size"]),
            mean=numbers(record["mean"]),
            std=numbers(record["std"]),
            crop=float(record["crop"]),
            interpolation=record["interpolation"],
        )
    except ValueError as error:
        raise D3SError(f"{where}: {error}; see d3s_utils/evaluation/zoo.csv.") from error
    return PublishedRow(
        **{f.name: record.get(f.name, "") for f in fields(PublishedRow) if f.name != "preprocessing"},
        preprocessing=preprocessing,
    )


def known_rows(evaluation: Evaluation) -> dict[str, PublishedRow]:
    """The rows of this package, and those of the user's own file, which win."""
    own = read_rows(paths.resolve(evaluation.zoo)) if evaluation.zoo else {}
    return read_rows() | own


def find_row(name: str, evaluation: Evaluation) -> PublishedRow:
    """The row called `name`, or one for a model of timm that has none.

    Raises:
        D3SError: nobody knows it.
    """
    import timm

    rows = known_rows(evaluation)
    if name in rows:
        return rows[name]
    if timm.is_model(name):
        config = timm.get_pretrained_cfg(name)
        full = name if "." in name or config is None or not config.tag else f"{name}.{config.tag}"
        return PublishedRow(name, "", "timm", f"timm/{full}", "main", _timm_preprocessing(name))
    near = difflib.get_close_matches(name, [*rows, *timm.list_models(pretrained=True)], n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise D3SError(
        f"evaluation.models: neither the zoo nor timm {timm.__version__} knows a model {name!r}{hint}; choose another."
    )


def _timm_preprocessing(name: str) -> Preprocessing:
    import timm

    config = timm.get_pretrained_cfg(name)
    resolved = timm.data.resolve_data_config(pretrained_cfg=config.to_dict() if config else {})
    return Preprocessing(
        size=resolved["input_size"][-1],
        mean=tuple(resolved["mean"]),
        std=tuple(resolved["std"]),
        crop=resolved["crop_pct"],
        interpolation=resolved["interpolation"],
    )


def published_classifier(name: str, classes: pd.DataFrame, evaluation: Evaluation, device: str) -> Classifier:
    """A model with its published weights. Those with ImageNet's classes have their guesses limited to the run's.

    Args:
        classes: the run's class table, with class_name and imagenet_index.
        device: a profile's, see `pick_device`.

    Raises:
        D3SError: for a model nobody knows, weights that cannot be had, or a class that ImageNet's 1000 lack.
    """
    row = find_row(name, evaluation)
    closed = row.loader not in ZERO_SHOT
    foreign = classes.loc[classes["imagenet_index"] < 0, "class_name"]
    if closed and len(foreign):
        raise D3SError(
            f"classes: {foreign.iloc[0]} is no ImageNet class, so the published weights of {name} cannot name it; "
            "choose zero-shot models, or set evaluation.weights to train."
        )
    loaded = LOADERS[row.loader](row, list(classes["class_name"]), evaluation)
    columns = tuple(int(index) for index in classes["imagenet_index"]) if closed else None
    words = [] if closed else [list(classes["class_name"]), templates(evaluation)]
    key = digest(asdict(row), loaded.commit, columns, words, code_of(LOADERS[row.loader]))
    network = loaded.network.eval().to(pick_device(device), memory_format=torch.channels_last)
    return Classifier(name, network, key, row.preprocessing, columns, loaded.commit)
