"""The small networks that a run can train, the rows of networks.yaml. A row that is read is noted as a setting is."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from d3s_utils.ground import journal, paths
from d3s_utils.ground.errors import D3SError

FILE = paths.PACKAGE / "evaluation" / "networks.yaml"


@dataclass(frozen=True)
class Network:
    """A function or class of `timm.models`, what makes it small, and the learning rate that suits it."""

    architecture: str
    sizes: dict
    lr: float = 0.01


class Networks(Mapping[str, Network]):
    """The rows by name. What rests on one row has to be made again when that row changes, and not when another does."""

    def __init__(self, rows: Mapping[str, Mapping]):
        self.rows = {name: Network(**row) for name, row in rows.items()}

    def __getitem__(self, name: str) -> Network:
        journal.note_setting(f"networks.{name}")
        return self.rows[name]

    def __iter__(self) -> Iterator[str]:
        journal.note_setting("networks")
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


NETWORKS = Networks(yaml.safe_load(FILE.read_text(encoding="utf-8")))


def find_network(name: str) -> Network:
    """The row of `NETWORKS` called `name`.

    Raises:
        D3SError: if there is none.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    near = difflib.get_close_matches(name, NETWORKS, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise D3SError(
        f"evaluation.models: there is no model {name!r} to train{hint}; known are {', '.join(NETWORKS)}. "
        "For a model of timm with its own weights set evaluation.weights to pretrained."
    )
