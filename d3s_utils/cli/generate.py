"""Make the images of a run without a notebook, alone or as one of several workers.

    python -m d3s_utils generate --profile paper                       every shard that is missing
    python -m d3s_utils generate --profile paper --shard 3 --of 16     the share of worker 3 of 0 .. 15

Workers need not know of each other: shards are files, a shard is written whole or not at all, and the same shard is the
same bytes whoever makes it. slurm/generate.sh starts an array of them. Notebook 01 then finds everything done.
"""

from __future__ import annotations

import argparse

from d3s_utils.ground.errors import D3SError, exit_status


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m d3s_utils generate", description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="pocket", help="a profile's name or a YAML file (default: pocket)")
    parser.add_argument("--set", default="", dest="overrides", help="single keys over the profile")
    parser.add_argument("--shard", type=int, default=0, metavar="I", help="which worker this is, from 0 (default: 0)")
    parser.add_argument("--of", type=int, default=1, metavar="N", help="how many workers there are (default: 1)")
    given = parser.parse_args(arguments)

    def command() -> None:
        if not 0 <= given.shard < given.of:
            raise D3SError(f"--shard {given.shard} --of {given.of}: workers are numbered 0 to {given.of - 1}; mend it.")
        from d3s_utils.generation.make import generate_dataset, is_complete
        from d3s_utils.generation.shards import shards
        from d3s_utils.ground.run import open_run

        run = open_run(given.profile, "01_generation", given.overrides)
        manifest = generate_dataset(run, worker=given.shard, of=given.of)
        folder = run.path("dataset")
        whole = is_complete(folder, shards(manifest, run.profile.dataset.shard_size))
        rest = "complete" if whole else "the shards of other workers are missing still"
        print(f"{folder}: {len(manifest)} images planned, {rest}")

    return exit_status(command)


if __name__ == "__main__":
    raise SystemExit(main())
