"""How a probe is put to features: what it learns from, what it is asked, and the four kinds that there are.

Linear probes and MLPs of many methods are trained at once, as one batched matrix product; the support vector machine
and the forest are scikit-learn's. Features are whitened first, so that a label in a faint direction counts as much as
one in a loud direction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from d3s_utils.disentanglement.features import Features
from d3s_utils.ground.device import pick_device
from d3s_utils.ground.parallel import side_by_side
from d3s_utils.ground.settings import Probes
from d3s_utils.probes.directions import DIRECTIONS, Direction, by_width, tidy
from d3s_utils.probes.estimators import fit_forest, fit_svm, sampled
from d3s_utils.probes.readers import Schedule, fit_readers, whitened

Question = tuple[str, Direction, str]  # method, direction, kind of probe


@dataclass(frozen=True)
class Lesson:
    """What probes learn from and what they are asked about.

    Attributes:
        rows: for each repetition the images it learns from, by row.
        scale: (N,) bool, the images on which features are whitened.
        asked: (N,) bool, the images that are asked about.
        whole: how many images the profile's steps are meant for; with fewer to learn from there are fewer steps, and
            each image is seen as often.
    """

    rows: Sequence[np.ndarray]
    scale: np.ndarray
    asked: np.ndarray
    whole: int = 0

    def steps(self, settings: Probes) -> int:
        share = max(map(len, self.rows)) / self.whole if self.whole else 1.0
        return max(1, round(settings.steps * min(share, 1.0)))


def linear(settings: Probes, steps: int) -> Schedule:
    return Schedule(lr=0.1, steps=steps)


def mlp(settings: Probes, steps: int) -> Schedule:
    return Schedule(lr=0.03, steps=steps, hidden=settings.hidden)


STACKED: dict[str, Callable[[Probes, int], Schedule]] = {"linear": linear, "mlp": mlp}
KINDS = ("linear", "mlp", "svm", "forest")


def ask(
    features: dict[str, Features],
    images: pd.DataFrame,
    questions: Iterable[Question],
    lesson: Lesson,
    settings: Probes,
    seed: int,
    device: str = "cpu",
) -> pd.DataFrame:
    """The guesses of all `questions` on the images asked about, as rows.

    An SVM has nothing random in it: where all repetitions learn from the same images there is one of it.

    Args:
        features: by method; row i of each is row i of `images`.
        images: image_id, label, background_index, foreground_source.

    Returns:
        One row per question, seed and image, questions in their order: method, seed, image_id, label (what was asked),
        guess, probe, direction.
    """
    questions = list(questions)
    context = (images, lesson, settings, seed, device)
    tasks = [(group, direction, kind, context) for group, direction, kind in groups(features, questions)]
    found = {key: rows for answers in side_by_side(_answer, tasks) for key, rows in answers.items()}
    return pd.concat([found[method, each.id, kind] for method, each, kind in questions], ignore_index=True)


def groups(features: dict[str, Features], questions: Iterable[Question]) -> list[tuple]:
    """The questions that one training answers: methods of one width for stacked readers, else one method each."""
    wanted: dict[tuple[str, str], dict[str, Features]] = {}
    for method, direction, kind in questions:
        wanted.setdefault((direction.id, kind), {})[method] = features[method]
    found = []
    for (id, kind), own in wanted.items():
        direction = next(each for each in DIRECTIONS if each.id == id)
        single = [{method: each} for method, each in own.items()]
        found += [(g, direction, kind) for g in (by_width(own, direction.features) if kind in STACKED else single)]
    return sorted(found, key=lambda task: task[2] != "mlp")  # the dearest first


def _answer(task: tuple) -> dict[tuple[str, str, str], pd.DataFrame]:
    group, direction, kind, (images, lesson, settings, seed, device) = task
    x = np.stack([whitened(getattr(own, direction.features), lesson.scale) for own in group.values()])
    labels, key = images[direction.target].to_numpy(), (seed, "probe", kind, direction.id)
    if kind in STACKED:
        schedule = STACKED[kind](settings, lesson.steps(settings))
        guesses = stacked_guesses(x, labels, lesson, schedule, key, device)
    else:
        guesses = _estimated(kind, x[0], labels, images["foreground_source"].to_numpy(), (lesson, settings, key))[None]
    named, asked = {"probe": kind, "direction": direction.id}, images[lesson.asked]
    return {
        (method, direction.id, kind): tidy(own[None], [method], asked, direction.target).assign(**named)
        for method, own in zip(group, guesses, strict=True)
    }


def stacked_guesses(
    x: np.ndarray, labels: np.ndarray, lesson: Lesson, schedule: Schedule, key: tuple, device: str
) -> np.ndarray:
    """What linear probes or MLPs of M methods guess, (M, R, n)."""
    values = torch.from_numpy(x).to(pick_device(device))
    rows = [torch.from_numpy(own) for own in lesson.rows]
    keys = [(*key, repetition) for repetition in range(len(rows))]
    readers = fit_readers(values, torch.tensor(labels, dtype=torch.long), rows, keys, schedule)
    return readers.guesses(values[:, torch.tensor(lesson.asked)]).numpy()


def _estimated(kind: str, x: np.ndarray, labels: np.ndarray, sources: np.ndarray, how: tuple) -> np.ndarray:
    """What scikit-learn's readers of one method guess, (R, n)."""
    lesson, settings, key = how
    same = all(len(own) == len(lesson.rows[0]) and (own == lesson.rows[0]).all() for own in lesson.rows)
    found = []
    for repetition, own in enumerate(lesson.rows[:1] if kind == "svm" and same else lesson.rows):
        rows = sampled(own, settings.sample, (*key, repetition))
        if kind == "svm":
            fitted = fit_svm(x[rows], labels[rows], sources[rows], (*key, repetition))
        else:
            fitted = fit_forest(x[rows], labels[rows], settings.trees, (*key, repetition))
        found.append(fitted.predict(x[lesson.asked]))
    return np.stack(found)
