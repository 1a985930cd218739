"""What the files of one run hold: claims by id, tables by name, counts of the manifest, settings of the profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import yaml

from d3s_utils.ground.files import read_table

POCKET = "pocket"  # the profile's word for the rendered world


@dataclass(frozen=True)
class Measured:
    """The files of one run, finished or not; what is missing is empty.

    Attributes:
        folder: of the run.
        ledger: rows of claims.csv, one per id.
    """

    folder: Path
    ledger: pd.DataFrame

    @cached_property
    def claims(self) -> dict[str, dict]:
        return {row["id"]: row for row in self.ledger.to_dict("records")}

    def claim(self, id: str) -> dict:
        """The ledger's row `id`; {} where nothing was measured."""
        row = self.claims.get(id, {})
        return row if pd.notna(row.get("measured")) else {}

    def why_not(self, id: str) -> str:
        """Why nothing was measured for `id`, as the end of a sentence."""
        why = text(self.claims.get(id, {}).get("why"))
        return f": {why.rstrip('.')}." if why else "."

    def table(self, name: str) -> pd.DataFrame:
        """tables/<name>.csv; without rows and columns where there is none."""
        path = self.folder / "tables" / f"{name}.csv"
        return read_table(path) if path.is_file() else pd.DataFrame()

    @cached_property
    def manifest(self) -> pd.DataFrame:
        """split, class_name, background and generator of every planned image."""
        import pyarrow.parquet

        path, columns = self.folder / "manifest.parquet", ["split", "class_name", "background", "generator"]
        if not path.is_file():
            return pd.DataFrame(columns=columns)
        there = [name for name in columns if name in pyarrow.parquet.read_schema(path).names]
        if there:
            return pd.read_parquet(path, columns=there).reindex(columns=columns)
        return pd.DataFrame(index=range(pyarrow.parquet.read_metadata(path).num_rows), columns=columns)

    @cached_property
    def settings(self) -> Mapping:
        """The resolved profile that lies beside the run's tables; {} where there is none."""
        for path in (self.folder / "profile.yaml", self.folder / "claims" / "profile.yaml"):
            if path.is_file():
                return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return {}

    @property
    def is_rendered(self) -> bool:
        """Whether natural images are renders of the pocket world, no photographs."""
        return self.settings.get("foregrounds") == POCKET

    @cached_property
    def has_simulated_votes(self) -> bool | None:
        """Whether annotators were simulated; None where nobody has voted yet."""
        found = self.table("02_human_verification_acceptance")
        return None if "source" not in found or not len(found) else bool(found["source"].eq("simulated").any())


def text(value: object) -> str:
    """A cell of a table as text, "" where it is missing."""
    return "" if value is None or pd.isna(value) else str(value)
