"""The game takes turns as the paper says, and a penalty takes away what it should."""

from dataclasses import replace
from itertools import islice

import pandas as pd
import pytest
import torch

from d3s_utils.disentanglement.models import Projectors, SplitModel
from d3s_utils.disentanglement.penalties.hsic import Hsic
from d3s_utils.disentanglement.penalties.table import build_penalty
from d3s_utils.disentanglement.streams import Streams
from d3s_utils.disentanglement.training import SplitTraining, turns
from d3s_utils.ground.seeds import seeded
from d3s_utils.ground.settings import Disentanglement
from d3s_utils.ground.training import Hardware, Progress, Training, train

SETTINGS = Disentanglement(warmup=2, steps=3, critic_steps=2, batch_size=100, lr=0.005)


def planted(n=400):
    """Features of which the first three coordinates name the class and the next four the background, as streams."""
    rng = torch.Generator().manual_seed(0)
    label, background = torch.arange(n) % 3, (torch.arange(n) // 3) % 4
    x = torch.cat([3 * torch.eye(3)[label], 3 * torch.eye(4)[background], torch.randn(n, 5, generator=rng)], dim=1)
    x = x + 0.3 * torch.randn(x.shape, generator=rng)
    return x, Streams(lambda ours, theirs, rng: torch.cat([x[ours], x[theirs]]), label, background, label)


def game(method, settings):
    """The training of a penalty on planted features."""
    x, streams = planted()
    with seeded("planted"):
        model = SplitModel(Projectors(x.shape[1], 6, 6, hidden=32), 6, 6, 3, 4)
        penalty = build_penalty(method, (6, 6), 3, 4)
    learner = SplitTraining(model, penalty, settings, Hardware())
    return Training(learner, streams.batches(settings.batch_size, ("planted",)), len(learner.turns), ("planted",))


def fit(method, steps=150, weight=1.0):
    """A history, how much each part knows of the other's label, and how often the class head is right."""
    training = game(method, replace(SETTINGS, warmup=10, steps=steps, weight=weight))
    history = pd.DataFrame(train(training))
    x, streams = planted()
    with torch.no_grad():
        split = training.learner.model.eval()(x)
        leaks = Hsic(6, 4)(split.fg, streams.background, None), Hsic(6, 3)(split.bg, streams.label, None)
    right = float((split.label_logits.argmax(1) == streams.label).float().mean())
    return history, [float(leak) for leak in leaks], right


def test_a_penalty_takes_the_other_label_out_and_leaves_the_own_one_in():
    _, free, free_right = fit("none")
    _, held, held_right = fit("hsic")
    assert max(held) < 0.5 * min(free)
    assert free_right == held_right == 1.0


def test_critics_take_their_turns_after_the_warm_up_and_only_where_there_are_any():
    settings = replace(SETTINGS, warmup=2, steps=2, critic_steps=3)
    critic, none = (build_penalty(name, (4, 4), 3, 2) for name in ("wasserstein", "hsic"))
    assert list(turns(critic, settings)) == ["warm-up"] * 2 + (["critic"] * 3 + ["encoder"]) * 2
    assert list(turns(none, settings)) == ["warm-up"] * 2 + ["encoder"] * 2


def test_a_critics_turn_leaves_the_encoder_alone_and_the_encoders_turn_the_critic():
    training = game("wasserstein", replace(SETTINGS, warmup=0, steps=1, critic_steps=1))
    weights = lambda module: torch.cat([p.detach().flatten().clone() for p in module.parameters()])  # noqa: E731
    both = lambda: (weights(training.learner.model), weights(training.learner.penalty))  # noqa: E731
    start, critic, encoder = both(), *(both() for _ in train(training))
    assert torch.equal(start[0], critic[0]) and not torch.equal(start[1], critic[1])
    assert not torch.equal(critic[0], encoder[0]) and torch.equal(critic[1], encoder[1])


def test_with_a_memory_critics_learn_inside_the_encoders_turn_from_recent_batches():
    settings = replace(SETTINGS, warmup=1, steps=4, critic_steps=3, critic_memory=2)
    training = game("wasserstein", settings)
    learner = training.learner
    assert learner.turns == ["warm-up"] + ["encoder"] * 4
    before = learner.penalty.fg.critic[0].weight.detach().clone()
    history = pd.DataFrame(train(training))
    assert history["fg_critic"].notna().sum() == history["fg_penalty"].notna().sum() == 4
    assert not torch.equal(before, learner.penalty.fg.critic[0].weight)
    assert len(learner.memory) == 2 and not learner.memory[0].fg.requires_grad
    assert game("hsic", settings).learner.turns == learner.turns


def test_a_killed_training_with_a_memory_goes_on_with_it(tmp_path):
    settings = replace(SETTINGS, warmup=1, steps=6, critic_memory=3)
    whole = list(train(game("wasserstein", settings)))
    progress = Progress(tmp_path / "notes.pt", "key", every=1)
    list(islice(train(game("wasserstein", settings), progress), 4))
    assert list(train(game("wasserstein", settings), progress)) == whole


def test_every_step_reports_one_flat_dict_of_numbers():
    history, _, _ = fit("wasserstein", steps=3)
    assert history["step"].tolist() == list(range(10 + 3 * 3))
    assert history.dtypes.map(lambda dtype: dtype.kind in "fi").all()
    assert history["fg_critic"].notna().sum() == 6 and history["fg_penalty"].notna().sum() == 3


@pytest.mark.parametrize("method", ["hsic", "wasserstein"])
def test_a_killed_game_goes_on_and_ends_with_the_same_weights(method, tmp_path):
    whole, resumed = game(method, SETTINGS), game(method, SETTINGS)
    records = list(train(whole))
    progress = Progress(tmp_path / "notes.pt", "key", every=2)
    list(islice(train(game(method, SETTINGS), progress), 4))
    assert list(train(resumed, progress)) == records
    ends = (own.learner.state_dict() for own in (whole, resumed))
    assert all(torch.equal(*pair) for pair in zip(*(end["model"].values() for end in ends), strict=True))


def test_bfloat16_computes_the_network_and_leaves_weights_and_penalties_in_float32(monkeypatch):
    seen, measure = [], Hsic.forward

    def watched(self, features, labels, rng):
        seen.append(features.dtype)
        return measure(self, features, labels, rng)

    monkeypatch.setattr(Hsic, "forward", watched)
    narrow, wide = game("hsic", SETTINGS), game("hsic", SETTINGS)
    narrow.learner.hardware.dtype = torch.bfloat16
    for training in (narrow, wide):
        assert pd.DataFrame(train(training))["label_loss"].notna().all()
    pairs = zip(*(own.learner.model.parameters() for own in (narrow, wide)), strict=True)
    differences = [(a - b).abs().mean() for a, b in pairs if a.dtype == b.dtype == torch.float32]
    assert set(seen) == {torch.float32} and 0 < max(differences) < 0.05
