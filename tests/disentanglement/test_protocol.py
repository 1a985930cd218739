"""The turns that docs/protocol.md lists: who moves when, and by which step size; and critics that see what there is."""

from dataclasses import replace

import pytest
import torch

from d3s_utils.disentanglement.models import new_backbone_model
from d3s_utils.disentanglement.penalties.table import build_penalty
from d3s_utils.disentanglement.penalties.wasserstein import Wasserstein, critic
from d3s_utils.disentanglement.training import split_training
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.seeds import seeded
from d3s_utils.ground.training import train


def cosine(step, high=5e-3, low=5e-4, half=100):
    """The step size of the authors' schedule after so many steps of its player."""
    turn = torch.tensor(torch.pi * step / half)
    return float(low + (high - low) * (1 + torch.cos(turn)) / 2)


@pytest.mark.parametrize("name, warmup, steps", [("paper", 2000, 19_600), ("lab", 2000, 2000)])
def test_the_profiles_take_the_papers_turns(name, warmup, steps):
    profile = load_profile(name)
    turns, settings = profile.whole_backbone, profile.disentanglement
    assert (turns.start, turns.warmup, turns.warmup_lr, turns.steps) == ("plain", warmup, 1e-3, steps)
    assert (turns.critic_steps, turns.batch_size) == (4, 32)
    assert (turns.lr, turns.lr_low, turns.lr_wave) == (5e-3, 5e-4, 100)
    assert settings.backbone == "resnet50.tv2_in1k" and settings.pretrained
    assert (settings.augment, settings.image_size, settings.background_share) == ("crop", 224, 0.122)
    assert settings.paper_method == "wasserstein_element@backbone" in settings.penalties


def test_the_paper_profile_has_the_authors_hundred_thousand_iterations():
    turns = load_profile("paper").whole_backbone
    assert turns.warmup + turns.steps * (turns.critic_steps + 1) == 100_000


def test_ten_turns_on_a_small_resnet_move_whom_the_table_says_by_the_step_it_says(data):
    """The authors' order: a warm-up by SGD, then four steps of the critics and one of the encoder, over and over."""
    paper = load_profile("paper")
    small = replace(paper.disentanglement, backbone="resnet", pretrained=False, image_size=32, precision="float32")
    profile = replace(paper, device="cpu", disentanglement=small)
    profile = replace(profile, whole_backbone=replace(paper.whole_backbone, warmup=3, steps=10, batch_size=8))
    model = new_backbone_model(profile, data.n_classes, data.n_backgrounds)
    training = split_training(profile, model, data, "wasserstein_element@backbone")
    learner, moved, steps = training.learner, [], {"encoder": 0, "critic": 0}
    weights = lambda part: torch.cat([p.detach().flatten().clone() for p in part.parameters()])  # noqa: E731
    before = {"encoder": weights(learner.model), "critic": weights(learner.penalty)}
    for record in train(training):
        player = learner.turns[record["step"]]
        after = {"encoder": weights(learner.model), "critic": weights(learner.penalty)}
        moved.append([name for name in after if not torch.equal(after[name], before[name])])
        before = after
        if player != "warm-up":
            optimizer = {"encoder": learner.encoder, "critic": learner.critic}[player]
            steps[player] += 1
            assert optimizer.param_groups[0]["lr"] == pytest.approx(cosine(steps[player]), rel=1e-5)
            assert optimizer.param_groups[0]["betas"] == (0.0, 0.9)
    assert moved == [["encoder"]] * 3 + ([["critic"]] * 4 + [["encoder"]]) * 10
    sgd = learner.warm_up.param_groups[0]
    assert isinstance(learner.warm_up, torch.optim.SGD) and (sgd["lr"], sgd["momentum"]) == (1e-3, 0.9)


def test_the_step_size_comes_back_up_after_a_hundred_steps():
    assert cosine(0) == cosine(200) == pytest.approx(5e-3) and cosine(100) == pytest.approx(5e-4)


def test_the_foreground_critic_sees_d3s_alone_and_the_background_critic_both_streams():
    with seeded("streams"):
        penalty = build_penalty("wasserstein_element", (1798, 250), 1000, 10)
    assert penalty.both_streams and penalty.weight == 1.0
    assert penalty.fg.label_vectors.shape == (10, 359) and penalty.bg.label_vectors.shape == (1000, 50)
    inputs = [next(part.critic.parameters()).shape[1] for part in (penalty.fg, penalty.bg)]
    assert inputs == [2157, 300]


def distance(narrowest, steps=500, n=600, width=16, labels=10):
    """What a critic makes of features in which a label is planted, after so many steps."""
    rng = torch.Generator().manual_seed(0)
    label = torch.arange(n) % labels
    x = torch.randn(n, width, generator=rng) + 2 * torch.eye(labels, width)[label]
    with seeded("critic", narrowest):
        measure = Wasserstein(width, labels)
        measure.critic = critic(width + measure.label_vectors.shape[1], narrowest)
    optimizer = torch.optim.Adam(measure.parameters(), lr=0.002, betas=(0.0, 0.9))
    for _ in range(steps):
        rows = torch.randint(n, (128,), generator=rng)
        optimizer.zero_grad()
        measure.critic_loss(x[rows], label[rows], rng).backward()
        optimizer.step()
    with torch.no_grad():
        return float(measure(x, label, rng))


def test_the_critic_sees_what_a_much_wider_one_sees_and_the_halving_one_next_to_nothing():
    halving, ours, reference = (distance(narrowest) for narrowest in (0, 128, 512))
    assert halving < 0.2 * reference and ours > 0.75 * reference > 0.05
