"""`python -m d3s_utils COMMAND`: everything the Makefile calls, by name."""

from __future__ import annotations

import importlib
import sys

COMMANDS = {
    "run": "execute notebooks under a profile, each with its page; or say why they would run",
    "report": "join the ledger and the runtimes, and draw html/index.html",
    "check": "compare a run with the committed reference",
    "generate": "make the images of a run, or this worker's share of them",
    "regenerate": "make one image again and compare it with the stored one",
    "annotate": "serve the page on which people verify the images",
    "mturk": "send the same questions to Mechanical Turk, and read its answers",
    "import": "write the dataset of the paper's authors as this package does",
    "verify": "say whether a dataset folder is whole",
    "convert": "make of published weights the file that the zoo reads",
    "clean": "remove what a run left, unless people's votes are in it",
    "doctor": "say what this machine has and what it lacks",
}

MODULES = {
    "run": "notebook.execute",
    "report": "notebook.report",
    "check": "notebook.check",
    "generate": "cli.generate",
    "regenerate": "generation.regenerate",
    "annotate": "verification.asking.page",
    "mturk": "verification.asking.mturk",
    "import": "cli.authors",
    "verify": "generation.sums",
    "convert": "cli.convert",
    "clean": "cli.clean",
    "doctor": "cli.doctor",
}


def main(arguments: list[str] | None = None) -> int:
    """Hand the arguments to the module of the command's name; its `main` returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] not in COMMANDS:
        print("usage: python -m d3s_utils COMMAND [--help]\n", file=sys.stderr)
        print("\n".join(f"  {name:10} {text}" for name, text in COMMANDS.items()), file=sys.stderr)
        return 0 if arguments in (["-h"], ["--help"]) else 2
    return importlib.import_module(f"d3s_utils.{MODULES[arguments[0]]}").main(arguments[1:])


if __name__ == "__main__":
    raise SystemExit(main())
