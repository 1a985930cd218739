"""When, where and from what a run was made, in one line."""

from __future__ import annotations

import json
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from d3s_utils.ground import paths
from d3s_utils.notebook.summary.numbers import duration


def circumstances() -> dict[str, str]:
    """What is written down of a notebook that ends now: finished (UTC), commit ("" outside git) and machine."""
    return {
        "finished": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "commit": commit(),
        "machine": machine(),
    }


def commit() -> str:
    """Twelve digits of the commit that is checked out, "+" after them where tracked files differ from it."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        return f"{head}+" if _git("status", "--porcelain", "--untracked-files=no") else head
    except (OSError, subprocess.SubprocessError):
        return ""


def machine() -> str:
    """The processor's own name where the system tells it, else its kind."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), platform.processor() or platform.machine())


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


def _git(*words: str) -> str:
    command = ["git", "-C", str(paths.ROOT), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout.strip()
