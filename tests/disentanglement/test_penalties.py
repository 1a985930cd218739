"""Each measure sees dependence where it was planted, and none where there is none."""

import pytest
import torch

from d3s_utils.disentanglement import penalties
from d3s_utils.disentanglement.penalties.distance_correlation import DistanceCorrelation
from d3s_utils.disentanglement.penalties.hsic import Hsic, whitened
from d3s_utils.disentanglement.penalties.kernels import centred
from d3s_utils.disentanglement.penalties.measure import Parts
from d3s_utils.disentanglement.penalties.table import build_penalty, penalty_files, penalty_module, penalty_row
from d3s_utils.disentanglement.penalties.wasserstein import Wasserstein, critic
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.seeds import seeded

N, CLASSES, WIDTH = 200, 4, 12
PENALTIES = list(penalty_files())


def planted(strength, seed=0):
    """Features (N, WIDTH) whose first coordinates name one of four labels (N,), the louder the stronger."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.arange(N) % CLASSES
    noise = torch.randn(N, WIDTH, generator=rng)
    return noise + strength * torch.eye(CLASSES, WIDTH)[labels], labels


def measured(name, strength, critic_steps=150):
    """What the measure `name` says of planted dependence, its critic trained first."""
    with seeded("measure", name):
        measure = penalty_row(name).measure(WIDTH, CLASSES)
    rng = torch.Generator().manual_seed(1)
    features, labels = planted(strength)
    if measure.learns:
        optimizer = torch.optim.Adam(measure.parameters(), lr=0.005)
        for _ in range(critic_steps):
            optimizer.zero_grad()
            measure.critic_loss(features, labels, rng).backward()
            optimizer.step()
    with torch.no_grad():
        return float(measure(*planted(strength, seed=2), rng))


@pytest.mark.parametrize("name", [name for name in PENALTIES if name != "none"])
def test_measure_grows_with_the_dependence_that_was_planted(name):
    nothing, some, much = (measured(name, strength) for strength in (0.0, 2.0, 6.0))
    assert nothing < some < much
    assert much > 0.05


def test_the_control_never_sees_anything():
    assert measured("none", 6.0) == 0


@pytest.mark.parametrize("measure", [Hsic, DistanceCorrelation])
def test_kernel_measures_ignore_scale_shift_and_the_names_of_labels(measure):
    features, labels = planted(2.0)
    value = measure(WIDTH, CLASSES)(features, labels, None)
    assert torch.allclose(measure(WIDTH, CLASSES)(7 * features + 3, labels, None), value, atol=1e-4)
    assert torch.allclose(measure(WIDTH, CLASSES)(features, (labels + 1) % CLASSES, None), value, atol=1e-6)


def test_kernel_measure_sees_dependence_that_no_linear_reader_can():
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(N) % 2
    direction = torch.nn.functional.normalize(torch.randn(N, 3, generator=rng), dim=1)
    shells = direction * (1 + 2 * labels[:, None])  # same mean, another radius
    assert Hsic(3, 2)(shells, labels, rng) > 5 * Hsic(3, 2)(shells, labels[torch.randperm(N, generator=rng)], rng)


def test_a_whisper_escapes_the_plain_kernel_and_not_the_whitened_one():
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(N) % CLASSES
    loud = 100 * torch.randn(N, 4, generator=rng)
    whisper = torch.eye(CLASSES)[labels] + 0.1 * torch.randn(N, CLASSES, generator=rng)
    features, shuffled = torch.cat([loud, whisper], dim=1), labels[torch.randperm(N, generator=rng)]

    def above_chance(whiten):
        measure = Hsic(8, CLASSES, whiten=whiten)
        return float(measure(features, labels, rng) / measure(features, shuffled, rng))

    assert above_chance(whiten=False) < 1.5 and above_chance(whiten=True) < 2.5  # the ridge still muffles it
    features[:, :4] /= 20
    assert above_chance(whiten=False) < 2 and above_chance(whiten=True) > 3


def test_whitened_features_have_mean_zero_and_unit_covariance():
    x = torch.randn(500, 6, generator=torch.Generator().manual_seed(0)) @ torch.diag(torch.arange(1.0, 7)) + 3
    z = whitened(x, ridge=1e-6)
    assert z.mean(0).abs().max() < 1e-4 and (z.T @ z / 500 - torch.eye(6)).abs().max() < 1e-3


def test_centred_kernel_has_no_row_or_column_mean():
    kernel = centred(torch.rand(9, 9))
    assert kernel.mean(0).abs().max() < 1e-6 and kernel.mean(1).abs().max() < 1e-6


def test_critic_halves_down_to_one_with_leaky_steps_between():
    widths = [layer.out_features for layer in critic(2157) if isinstance(layer, torch.nn.Linear)]
    assert widths == [1078, 539, 269, 134, 67, 33, 16, 8, 4, 2, 1]
    assert [layer.out_features for layer in critic(300) if isinstance(layer, torch.nn.Linear)][:2] == [150, 75]
    slopes = {layer.negative_slope for layer in critic(300) if isinstance(layer, torch.nn.LeakyReLU)}
    assert slopes == {0.1} and isinstance(critic(300)[-1], torch.nn.Linear)


def test_a_critic_of_few_features_is_not_starved():
    assert [layer.out_features for layer in critic(19) if isinstance(layer, torch.nn.Linear)] == [128, 128, 1]


def test_label_vectors_are_fixed_gaussian_rows_a_fifth_of_the_features():
    measure = Wasserstein(100, 10)
    assert measure.label_vectors.shape == (10, 20)
    assert not any(parameter is measure.label_vectors for parameter in measure.parameters())


def test_gradient_penalty_vanishes_for_a_critic_of_slope_one_and_is_one_for_a_flat_critic():
    measure = Wasserstein(4, 2)
    rng = torch.Generator().manual_seed(0)
    joint, shuffled = torch.randn(2, 50, 5, generator=rng)
    measure.critic = torch.nn.Linear(5, 1)
    measure.critic.weight.data = torch.nn.functional.normalize(torch.ones(1, 5), dim=1)
    assert measure.gradient_penalty(joint, shuffled, rng) < 1e-6
    measure.critic.weight.data.zero_()
    assert abs(measure.gradient_penalty(joint, shuffled, rng) - 1) < 1e-6


@pytest.mark.parametrize("interpolation, on_the_segment", [("sample", True), ("element", False)])
def test_interpolation_stays_on_the_segment_only_when_drawn_per_sample(interpolation, on_the_segment):
    measure = Wasserstein(4, 2, interpolation=interpolation)
    seen = []
    measure.critic = torch.nn.Linear(4, 1)
    measure.critic.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))
    measure.gradient_penalty(torch.zeros(20, 4), torch.ones(20, 4), torch.Generator().manual_seed(0))
    assert bool((seen[0].std(dim=1) < 1e-6).all()) is on_the_segment


@pytest.mark.parametrize("name", PENALTIES)
def test_every_penalty_keeps_the_one_contract(name):
    penalty = build_penalty(name, (6, 4), CLASSES, 3)
    rng = torch.Generator().manual_seed(0)
    fg, bg = torch.randn(20, 6, requires_grad=True), torch.randn(20, 4, requires_grad=True)
    parts = Parts(fg, bg, torch.arange(20) % CLASSES, torch.arange(12) % 3)  # the last eight have no background label
    loss, report = penalty.loss(parts, rng)
    assert loss.shape == () and {type(value) for value in report.values()} == {float}
    assert set(report) == {"fg_penalty", "bg_penalty"}
    if penalty.learns:
        critic_loss, critic_report = penalty.critic_loss(parts, rng)
        critic_loss.backward()
        assert fg.grad is None and bg.grad is None, "a critic's turn must not reach the encoder"
        assert set(critic_report) == {"fg_critic", "bg_critic"}


@pytest.mark.parametrize("name, reached", [("hsic", False), ("gradient_reversal", False), ("wasserstein", True)])
def test_natural_images_reach_the_penalty_only_in_the_papers_way(name, reached):
    with seeded("reach"):
        penalty = build_penalty(name, (40, 40), CLASSES, 3)
        fg, bg = (torch.randn(90, 40, requires_grad=True) for _ in range(2))
    parts = Parts(fg, bg, torch.arange(90) % CLASSES, torch.arange(45) % 3)  # the second half has no background label
    penalty.loss(parts, torch.Generator().manual_seed(0))[0].backward()
    assert fg.grad[:45].abs().sum() > 0 and bg.grad[:45].abs().sum() > 0
    assert fg.grad[45:].abs().sum() == 0
    assert bool(bg.grad[45:].abs().sum() > 0) is reached


def test_an_unknown_penalty_is_named_with_those_there_are():
    with pytest.raises(D3SError, match="'hisc'.*wasserstein"):
        penalty_row("hisc")


def test_every_row_is_found_in_its_own_file_and_says_whether_it_has_a_critic():
    assert {"none", "wasserstein", "wasserstein_normalised", "club", "hsic_whitened"} <= set(PENALTIES)
    assert penalty_module("hsic_whitened") == penalty_module("hsic") != penalty_module("club")
    assert all(penalty_row(name).learns == build_penalty(name, (4, 4), 2, 2).learns for name in PENALTIES)


def test_a_new_file_is_all_that_a_new_penalty_takes(tmp_path, monkeypatch):
    (tmp_path / "extra.py").write_text(
        "from d3s_utils.disentanglement.penalties.measure import PenaltyRow\n"
        "from d3s_utils.disentanglement.penalties.nothing import Nothing\n"
        "ROWS = {'extra': PenaltyRow(Nothing, 2.0, 'one more')}\n"
    )
    monkeypatch.setattr(penalties, "__path__", [*penalties.__path__, str(tmp_path)])
    penalty_files.cache_clear()
    try:
        assert penalty_row("extra").weight == 2.0 and penalty_module("extra").endswith(".extra")
    finally:
        penalty_files.cache_clear()


# --- small batches of many classes ---


def known_class(batch, seed, classes=1000, width=1798, strength=30.0):
    """Features (batch, width) that name their class in one direction each, and its label; or another's label."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (batch,), generator=rng)
    noise = torch.randn(batch, width, generator=rng)
    noise[torch.arange(batch), labels] += strength
    return noise, labels


def test_thirty_two_images_of_a_thousand_classes_say_nothing_and_recent_ones_beside_them_do():
    """n = 32, D = 1798: alone the batch reads the same of its own labels and of others; with the queue it does not."""
    features, labels = known_class(32, seed=2)
    alone = penalty_row("hsic_whitened").measure(1798, 1000)
    assert abs(float(alone(features, labels, None) - alone(features, labels.roll(1), None))) < 1e-3

    def read(*keys):
        """With a queue of the same kind; its labels, and the batch's, shuffled by a key."""
        recent, (queue, known) = penalty_row("hsic_recent").measure(1798, 1000), known_class(3596, seed=1)
        own = torch.cat([labels, known])
        for key in keys:
            own = own[torch.randperm(len(own), generator=torch.Generator().manual_seed(key))]
        recent.remember(queue, own[32:])
        return float(recent(features, own[:32], None))

    there, nothing, nothing_either = read(), read(3), read(4)
    assert abs(nothing - nothing_either) < 0.01
    assert there > max(nothing, nothing_either) + 0.05


def test_the_queue_drops_the_oldest_and_is_part_of_the_state():
    measure = penalty_row("hsic_recent").measure(3, 4)
    rows = len(measure.recent)
    for step in range(rows // 100 + 2):
        features = torch.full((100, 3), float(step), requires_grad=True) + torch.randn(100, 3)
        measure(features, torch.arange(100) % 4, None)
    assert measure.recent[:, 0].mean() > 1 and (measure.recent_labels >= 0).all()
    again = penalty_row("hsic_recent").measure(3, 4)
    again.load_state_dict(measure.state_dict())
    assert torch.equal(again.recent, measure.recent)
    before = measure.recent.clone()
    with torch.no_grad():
        measure(torch.randn(10, 3), torch.arange(10) % 4, None)
    assert torch.equal(measure.recent, before), "what is only measured is not remembered"
