"""`python -m d3s_utils COMMAND`: the one command line. A command is one row of `COMMANDS` and one function.

python -m d3s_utils                        the table of commands
python -m d3s_utils COMMAND --help         its options
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from d3s_utils.cli import commands
from d3s_utils.ground.errors import D3SError


def option(*flags: str, **settings: object) -> tuple[tuple[str, ...], dict[str, object]]:
    """What `ArgumentParser.add_argument` takes."""
    return flags, settings


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: "generate", or "mturk export" for one of a group.
        function: takes its options by name; what it returns is the exit status, None counts as 0.
        profile: what --profile is by default; without it the command knows neither --profile nor --set.
    """

    name: str
    help: str
    function: Callable[..., int | None]
    options: Sequence[tuple[tuple[str, ...], dict[str, object]]] = ()
    profile: str | None = "pocket"


GROUPS = {"mturk": "send the same questions to Mechanical Turk, and read its answers"}

COMMANDS = [
    Command(
        "run",
        "execute notebooks under a profile, each with its page; or say why they would run",
        commands.run,
        [
            option("notebooks", nargs="+", help="numbers such as 03, or paths such as notebooks/03_name.ipynb"),
            option("--if-changed", action="store_true", help="only those whose code, settings or files changed"),
            option("--report", action="store_true", dest="page", help="then the page of the run, if anything changed"),
            option("--why", action="store_true", help="only say what has changed since they last ran"),
        ],
    ),
    Command("report", "join the ledger and the runtimes, and draw html/index.html", commands.report),
    Command("pdf", "print the pages of a run with a browser that is there", commands.pdf),
    Command(
        "check",
        "compare a run with the committed reference",
        commands.check,
        [
            option("--update", action="store_true", help="make this run the reference"),
            option("--spread", type=Path, nargs="+", metavar="RUN", help="folders of runs; measure their spread"),
        ],
    ),
    Command(
        "seeds",
        "train everything again under other training seeds, and measure the spread",
        commands.seeds,
        [option("seeds", type=int, nargs="+", help="training seeds other than the run's own")],
    ),
    Command(
        "generate",
        "make the images of a run, or this worker's share of them",
        commands.generate,
        [
            option("--shard", type=int, default=0, metavar="I", help="which worker this is, from 0 (default: 0)"),
            option("--of", type=int, default=1, metavar="N", help="how many workers there are (default: 1)"),
        ],
    ),
    Command(
        "regenerate",
        "make one image again and compare it with the stored one",
        commands.regenerate,
        [
            option("image_id", help="as in manifest.parquet: <split>-<wnid>-<background>-<number>"),
            option("--out", type=Path, help="the picture to write (default: <run>/regenerated/<image_id>.png)"),
        ],
    ),
    Command(
        "annotate",
        "serve the page on which people verify the images",
        commands.annotate,
        [
            option("--host", default="127.0.0.1", help="address to serve at (default: this machine alone)"),
            option("--port", type=int, default=8765, help="0 takes any free one (default: 8765)"),
            option("--token", help="what newcomers must know; made up where others than this machine may ask"),
            option("--export", action="store_true", help="write votes.csv and say how far things are; serve nothing"),
        ],
    ),
    Command(
        "mturk export",
        "write the batch, the template and the pictures",
        commands.export_tasks,
        [
            option("--url", required=True, help="where the pictures will be found: https://..."),
            option("--per-task", type=int, help="pictures in a task (default: as in the paper, 25)"),
            option("--no-pictures", action="store_true", help="write the batch and the template alone"),
        ],
    ),
    Command(
        "mturk import",
        "read batch results",
        commands.import_answers,
        [
            option("files", nargs="+", metavar="RESULTS", help="batch results as Mechanical Turk saves them"),
            option("--names", help="a CSV with columns name, image_id: what the results call the images of the run"),
            option("--keep-worker-ids", action="store_true", help="no pseudonyms: ids can be traced to people"),
        ],
    ),
    Command(
        "import",
        "write the dataset of the paper's authors as this package does",
        commands.import_dataset,
        [
            option("root", type=Path, help="the folder with train/metadata.json and val/metadata.json"),
            option("--out", type=Path, default=Path("outputs/original/dataset"), help="the dataset folder to write"),
            option("--shift", default="background-shift", help="which of their shifts (default: %(default)s)"),
        ],
        profile=None,
    ),
    Command(
        "verify",
        "say whether a dataset folder is whole",
        commands.verify,
        [option("folder", help="a dataset: the folder that holds README.md and data/")],
        profile=None,
    ),
    Command(
        "convert",
        "make of published weights the file that the zoo reads",
        commands.convert,
        [
            option("model", help="a state_dict row of the zoo"),
            option("files", nargs="+", type=Path, help="what its authors published: weights, and a linear head"),
        ],
        profile="paper",
    ),
    Command("clean", "remove what a run left, unless people's votes are in it", commands.clean),
    Command("doctor", "say what this machine has and what it lacks", commands.doctor),
    Command(
        "pocket-training",
        "train the pocket generator and its judge from nothing",
        commands.train_pocket,
        [
            option("stages", nargs="*", help="by default every stage but adopt"),
            option("--threads", type=int, default=argparse.SUPPRESS, help="CPU threads"),
            option("--vae-minutes", type=float, default=argparse.SUPPRESS, help="time of a round of the autoencoder"),
            option("--unet-minutes", type=float, default=argparse.SUPPRESS, help="time of the UNet"),
        ],
        profile=None,
    ),
]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; a D3SError becomes its sentence on stderr, and 1."""
    parser = make_parser()
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments:
        parser.print_help(sys.stderr)
        return 2
    given = vars(parser.parse_args(arguments))
    try:
        return given.pop("function")(**given) or 0
    except D3SError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m d3s_utils", description="Everything the Makefile calls, by name.")
    known = {"": parser.add_subparsers(metavar="COMMAND", required=True)}
    for command in COMMANDS:
        group, _, name = command.name.rpartition(" ")
        if group not in known:
            above = known[""].add_parser(group, help=GROUPS[group], description=GROUPS[group])
            known[group] = above.add_subparsers(metavar="COMMAND", required=True)
        one = known[group].add_parser(name, help=command.help, description=command.help)
        for flags, settings in command.options:
            one.add_argument(*flags, **settings)
        if command.profile:
            one.add_argument(
                "--profile",
                default=command.profile,
                help="a profile's name or a YAML file (default: %(default)s)",
            )
            one.add_argument("--set", default="", dest="overrides", help='single keys over the profile: "a.b=c d.e=f"')
        one.set_defaults(function=command.function)
    return parser
