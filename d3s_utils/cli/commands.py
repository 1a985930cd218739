"""What each command does, one function each. The work is done elsewhere; here it is called and what came of it is said.

Whatever a command needs is imported when it runs, so that no command waits for the libraries of another.
"""

from __future__ import annotations

from pathlib import Path

from d3s_utils.ground import paths
from d3s_utils.ground.errors import D3SError


def run(notebooks: list[str], profile: str, overrides: str, **how: bool) -> None:
    """Run notebooks; with `if_changed` only those that must, with `why` none, and then the page (`page`)."""
    from d3s_utils.notebook import execute

    chosen = [execute.find_notebook(name) for name in notebooks]
    if how["why"]:
        execute.tell_why(chosen, profile, overrides)
    elif how["if_changed"]:
        folder = execute.run_stale(chosen, profile, overrides)
        last = execute.report_stale(folder) if how["page"] else execute.Files(folder, chosen[-1].stem).finished
        execute.say(f"{execute.shown(last)} is up to date")
    else:
        for notebook in chosen:
            execute.run_notebook(notebook, profile, overrides)


def report(profile: str, overrides: str) -> None:
    from d3s_utils.ground.profile import load_profile
    from d3s_utils.notebook.report import report

    print(f"report: {report(paths.outputs() / load_profile(profile, overrides).name)}")


def pdf(profile: str, overrides: str) -> None:
    from d3s_utils.ground.profile import load_profile
    from d3s_utils.notebook.pdf import print_pages

    for path in print_pages(paths.outputs() / load_profile(profile, overrides).name):
        print(path)


def check(profile: str, overrides: str, update: bool, spread: list[Path] | None) -> int:
    from d3s_utils.ground.profile import load_profile
    from d3s_utils.notebook import check
    from d3s_utils.notebook.spread import record

    name = load_profile(profile, overrides).name
    run, reference = paths.outputs() / name, paths.REFERENCE / name
    if spread:
        table = record(spread, reference)
        print(f"{reference / 'spread.csv'} now holds the spread of {len(table)} numbers over {len(spread)} runs")
    elif update:
        left_out = check.update(run, reference)
        print(f"{reference} now holds this run" + (f"; too large: {', '.join(left_out)}" if left_out else ""))
    else:
        found = check.compare(run, reference)
        print("\n".join(found.lines()))
        return int(found.failed)
    return 0


def seeds(profile: str, overrides: str, seeds: list[int]) -> None:
    """Twins of the finished run, one for each training seed, and the spread of all of them beside the reference."""
    from d3s_utils.notebook.seeds import run_seeds
    from d3s_utils.notebook.spread import record

    runs = run_seeds(profile, overrides, seeds)
    reference = paths.REFERENCE / runs[0].name
    table = record(runs, reference)
    print(f"{reference / 'spread.csv'} now holds the spread of {len(table)} numbers over {len(runs)} runs")


def clean(profile: str, overrides: str) -> None:
    from d3s_utils.cli.clean import clean

    print("\n".join(clean(profile)))


def generate(profile: str, overrides: str, shard: int, of: int) -> None:
    """Make the images of a run without a notebook, alone or as one of several workers.

    Workers need not know of each other: shards are files, a shard is written whole or not at all, and the same shard is
    the same bytes whoever makes it. slurm/generate.sh starts an array of them. Notebook 01 then finds everything done.
    """
    if not 0 <= shard < of:
        raise D3SError(f"--shard {shard} --of {of}: workers are numbered 0 to {of - 1}; give one of these numbers.")
    from d3s_utils.generation.make import generate_dataset, is_complete
    from d3s_utils.generation.shards import shards
    from d3s_utils.generation.world import open_world
    from d3s_utils.ground.run import open_run

    run = open_run(profile, "01_generation", overrides)
    manifest = generate_dataset(run, open_world(run.profile), worker=shard, of=of)
    folder = run.path("dataset")
    whole = is_complete(folder, shards(manifest, run.profile.dataset.shard_size))
    rest = "complete" if whole else "the shards of other workers are missing still"
    print(f"{folder}: {len(manifest)} images planned, {rest}")


def regenerate(image_id: str, profile: str, overrides: str, out: Path | None) -> int:
    from PIL import Image

    from d3s_utils.generation.regenerate import regenerate, verdict
    from d3s_utils.ground.files import write_atomically
    from d3s_utils.ground.run import open_run

    run = open_run(profile, "01_generation", overrides)
    again = regenerate(run.profile, image_id)
    path = out or run.path("regenerated", f"{image_id}.png")
    write_atomically(path, lambda part: Image.fromarray(again.image).save(part, format="PNG"))
    print(f"{verdict(again)}\n{path}")
    return int(not again.matches)


def annotate(profile: str, overrides: str, host: str, port: int, token: str | None, export: bool) -> None:
    from d3s_utils.ground.run import open_run
    from d3s_utils.verification.asking.desk import open_desk
    from d3s_utils.verification.asking.page import serve_until_stopped

    run = open_run(profile, "02_human_verification", overrides)
    desk = open_desk(run)
    if not export:
        print(f"Images of {run.profile.name}. Stop with Ctrl-C; votes.csv is written then. Open:")
        serve_until_stopped(desk, run.profile.name, host, port, token)
    votes = desk.store.export(run.folder)
    how_far = desk.store.progress(run.profile.verification.votes_per_image)
    written = f"Written to {run.folder / 'votes.csv'}." if len(votes) else "Nothing to write yet."
    print(
        f"{len(votes)} votes of {how_far['workers']} annotators; {how_far['full']} of {how_far['images']} images "
        f"have all of theirs. {written}"
    )


def export_tasks(profile: str, overrides: str, url: str, per_task: int | None, no_pictures: bool) -> None:
    from d3s_utils.ground.run import open_run
    from d3s_utils.verification.asking.desk import open_desk
    from d3s_utils.verification.asking.mturk import PER_TASK, export

    run = open_run(profile, "02_human_verification", overrides)
    folder, settings = run.path("annotation", "mturk", "batch.csv").parent, run.profile.verification
    per_task = PER_TASK if per_task is None else per_task
    batch = export(open_desk(run), folder, url, run.profile.seed, per_task, not no_pictures)
    print(f"{len(batch)} tasks in {folder}; ask for {settings.votes_per_image} assignments of each.")


def import_answers(profile: str, overrides: str, files: list[str], names: str | None, keep_worker_ids: bool) -> None:
    from d3s_utils.ground.run import open_run
    from d3s_utils.verification.asking.desk import open_desk
    from d3s_utils.verification.asking.mturk_results import import_results

    run = open_run(profile, "02_human_verification", overrides)
    new, rejected = import_results(run, open_desk(run), files, names, keep_worker_ids)
    for row in rejected.itertuples():
        print(f"{row.file}, row {row.row}{f', {row.image}' if row.image else ''}: {row.reason}")
    print(f"{new} new votes; {len(rejected)} things rejected, listed in {run.folder}/annotation/mturk_rejected.csv.")


def import_dataset(root: Path, out: Path, shift: str) -> None:
    from d3s_utils.cli.authors import import_original

    manifest, skipped = import_original(root, out, shift)
    print(f"{out}: {len(manifest)} images, {len(skipped)} left out")
    for row in skipped.head(10).itertuples(index=False):
        print(f"  {row.split} {row.image}: {row.reason}")


def verify(folder: str) -> int:
    from d3s_utils.generation.sums import problems, read_sums

    path = paths.resolve(folder, Path.cwd())
    found = problems(path)
    print("\n".join(found) or f"{path}: whole, {len(read_sums(path))} files")
    return int(bool(found))


def convert(model: str, files: list[Path], profile: str, overrides: str) -> None:
    from d3s_utils.cli.convert import convert
    from d3s_utils.ground.profile import load_profile

    print(convert(model, files, load_profile(profile, overrides).evaluation))


def doctor(profile: str, overrides: str) -> int:
    from d3s_utils.cli.doctor import examine

    findings = examine(profile, overrides)
    for finding in findings:
        print(f"{'FIX ' if finding.fix else 'ok  '}  {finding.thing:18} {finding.value}")
        if finding.fix:
            print(f"{'':24} -> {finding.fix}")
    return int(any(finding.fix for finding in findings))


def train_pocket(stages: list[str], **changed: float) -> None:
    from d3s_utils.pocket.training.setup import Setup
    from d3s_utils.pocket.training.stages import train

    train(stages, Setup(**changed))
