"""When, where and from what a run was made, in one line."""

from __future__ import annotations

import json
from pathlib import Path

from d3s_utils.notebook.summary.numbers import duration


def run_facts(folder: Path) -> list[dict]:
    """name and value of what is known of the run: profile, date, commit, machine, time. What is not known says so."""
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((folder / "runtime").glob("*.json"))]
    facts = [("profile", folder.name)]
    if not rows:
        return [{"name": name, "value": value} for name, value in facts]
    dates = sorted(row["finished"][:10] for row in rows if row.get("finished"))
    known = {
        "date": " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else "",
        "commit": ", ".join(dict.fromkeys(row["commit"] for row in rows if row.get("commit"))),
        "machine": " and ".join(dict.fromkeys(row["machine"] for row in rows if row.get("machine"))),
    }
    missing = [name for name, value in known.items() if not value]
    devices = " and ".join(dict.fromkeys(str(row["device"]) for row in rows))
    facts += [(name, value) for name, value in known.items() if value]
    facts += [
        ("device", f"{devices}, {rows[-1]['host_cores']} cores"),
        ("time", f"{duration(sum(row['seconds'] for row in rows))} for {len(rows)} notebooks"),
        ("memory", f"at most {max(row['peak_memory_mb'] for row in rows) / 1000:.1f} GB"),
    ]
    facts += [("not recorded", ", ".join(missing))] if missing else []
    return [{"name": name, "value": value} for name, value in facts]
