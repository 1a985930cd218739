"""How fast is a vote stored while many people vote, and how long does it take to make verdicts of votes?

python benchmarks/verification.py      half a minute on an otherwise idle machine

The page's server, in a process of its own, takes the votes of 50 annotators who never think: each sends the next
answer as soon as the last one is acknowledged, which is when it is on the disk. The baseline is the same traffic asking
for what is shown and storing nothing. The verdicts are those of 20 000 images, five annotators and three questions
each, by all rules; their baseline is the majority alone.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd

import d3s_utils  # noqa: F401  before torch

ANNOTATORS, VOTES, PER_IMAGE = 50, 100, 20
IMAGES, WORKERS, SEATS = 20_000, 60, 5


def write_run(folder: Path) -> Path:
    """A run of 200 validation images that show noise; its profile."""
    from d3s_utils.generation import shards
    from d3s_utils.generation.plan import build_manifest
    from d3s_utils.generation.world import open_world
    from d3s_utils.ground.files import write_table
    from d3s_utils.ground.profile import load_profile

    profile = folder / "votes.yaml"
    votes = f"{{votes_per_image: {PER_IMAGE}, workers: {PER_IMAGE}}}"
    profile.write_text(f"extends: smoke\ndataset: {{train_per_cell: 0, val_per_cell: 2}}\nverification: {votes}\n")
    settings = load_profile(profile)
    manifest, run = build_manifest(settings, open_world(settings)), folder / "outputs" / settings.name
    for shard in shards.shards(manifest, settings.dataset.shard_size):
        images = np.random.default_rng(0).integers(0, 256, (len(shard.rows), 64, 64, 3), np.uint8)
        shards.write_shard(run / "dataset", shard, images, images)
    write_table(run / "manifest.parquet", manifest)
    return profile


class Client:
    def __init__(self, port: int, name: str):
        self.http, self.cookie = http.client.HTTPConnection("127.0.0.1", port), ""
        self.view = self.ask("POST", "join", {"name": name})

    def ask(self, method: str, action: str, body: dict | None = None) -> dict:
        headers = {"Cookie": self.cookie, "Content-Type": "application/json"}
        self.http.request(method, f"/api/{action}", None if body is None else json.dumps(body), headers)
        response = self.http.getresponse()
        self.cookie = (response.headers.get("Set-Cookie") or self.cookie).partition(";")[0]
        view = json.loads(response.read())
        assert response.status == 200, view
        return view


def traffic(port: int, store: bool) -> list[float]:
    """Seconds of each answer, or of as many looks at what is shown."""
    seconds: list[float] = []

    def annotate(name: str) -> None:
        client = Client(port, name)
        for _ in range(VOTES):
            if client.view["item"] is None:
                client.view = client.ask("POST", "more", {})
            vote = {"item": client.view["item"], "question": client.view["open"], "answer": "yes"}
            begun = time.perf_counter()
            client.view = client.ask("POST", "answer", vote) if store else client.ask("GET", "state")
            seconds.append(time.perf_counter() - begun)

    threads = [threading.Thread(target=annotate, args=(f"annotator {i}",)) for i in range(ANNOTATORS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seconds


def serve_and_vote() -> dict:
    with tempfile.TemporaryDirectory() as folder:
        profile = write_run(Path(folder))
        environment = {**os.environ, "D3S_OUTPUTS": str(Path(folder) / "outputs")}
        command = [sys.executable, "-m", "d3s_utils", "annotate", "--profile", str(profile), "--port", "0"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        server.stdout.readline()
        port = int(server.stdout.readline().strip().rstrip("/").rpartition(":")[2])
        looks, votes = traffic(port, store=False), traffic(port, store=True)
        server.send_signal(signal.SIGINT)
        server.communicate()
    median, slow = statistics.median(votes), float(np.percentile(votes, 95))
    return {
        "votes": len(votes),
        "median_ms": 1000 * median,
        "95th_ms": 1000 * slow,
        "over_looking": median / statistics.median(looks),
    }


def some_votes() -> pd.DataFrame:
    """`IMAGES` x `SEATS` x 3 votes of workers with rates of their own."""
    rng = np.random.default_rng(0)
    panels = rng.permuted(np.tile(np.arange(WORKERS), (IMAGES, 1)), axis=1)[:, :SEATS]
    truth, error = rng.random((IMAGES, 1, 3)) < [0.9, 0.95, 0.02], rng.uniform(0.01, 0.2, (WORKERS, 3))
    yes = truth ^ (rng.random((IMAGES, SEATS, 3)) < error[panels])
    names = [f"val-{number:05d}" for number in range(IMAGES)]
    index = pd.MultiIndex.from_product([names, range(SEATS), ["foreground", "background", "adult"]])
    votes = index.set_names(["image_id", "seat", "question"]).to_frame(index=False)
    workers = np.repeat([f"worker-{number:02d}" for number in panels.ravel()], 3)
    return votes.assign(worker_id=workers, answer=np.where(yes.ravel(), "yes", "no"), source="simulated")


def aggregate() -> dict:
    from d3s_utils.verification.rules import verify

    votes, seconds = some_votes(), {}
    for name, rules in {"majority": ["majority"], "all": ["unanimity", "majority", "dawid_skene"]}.items():
        begun = time.perf_counter()
        verify(votes, rules=rules)
        seconds[name] = time.perf_counter() - begun
    return {
        "rows": len(votes),
        "all_rules_seconds": seconds["all"],
        "over_majority": seconds["all"] / seconds["majority"],
    }


if __name__ == "__main__":
    result = {"page": serve_and_vote(), "verdicts": aggregate()}
    rounded = {part: {name: round(value, 3) for name, value in numbers.items()} for part, numbers in result.items()}
    print(json.dumps(rounded, indent=1))
