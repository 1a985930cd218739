"""Training the pocket generator: what the UNet is shown, what two threads make of it, and how a network grows."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from d3s_utils.ground.parallel import one_thread_workers
from d3s_utils.ground.words import BACKGROUNDS, CLASSES
from d3s_utils.pocket import captions
from d3s_utils.pocket.judge import load_judge
from d3s_utils.pocket.training import scenes
from d3s_utils.pocket.training import setup as recipes
from d3s_utils.pocket.training import unet as training
from d3s_utils.pocket.training.setup import Setup
from d3s_utils.pocket.training.widen import widen

SETUP = Setup(unet_channels=(16, 32, 48), unet_batch=8)
COUNT = 40


@pytest.fixture(scope="module")
def training_set() -> training.TrainingSet:
    generator = torch.Generator().manual_seed(0)
    said = captions.all_captions()
    return training.TrainingSet(
        latents=torch.randn(COUNT, 4, 16, 16, generator=generator).half(),
        clean=torch.randn(COUNT // 8, 4, 16, 16, generator=generator).half(),
        guide=torch.randn(COUNT, 4, 16, 16, generator=generator).half(),
        covered=torch.full((COUNT, 16, 16), 255, dtype=torch.uint8),
        label=torch.arange(COUNT) % len(CLASSES),
        background=torch.arange(COUNT) % len(BACKGROUNDS),
        chance=torch.ones(COUNT),
        tokens=torch.randint(0, 50, (len(said), 16), generator=generator),
        position={text: row for row, text in enumerate(said)},
    )


@pytest.fixture(scope="module")
def kept() -> torch.Tensor:
    return (1 - training.lifted_betas(SETUP)).cumprod(0).float()


def new_models() -> nn.ModuleDict:
    torch.manual_seed(0)
    tokenizer = type("Tokenizer", (), {"model_max_length": 16, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1})
    tokenizer.__len__ = lambda self: 50
    return nn.ModuleDict({"unet": training.new_unet(SETUP), "text": training.new_text_encoder(SETUP, tokenizer())})


def test_an_image_that_starts_from_its_guide_starts_from_the_noised_guide_itself(training_set, kept):
    """With everything remembered and the level that of the start, x = sqrt(a) guide + sqrt(1 - a) noise."""
    way = torch.full((64,), 0.9)
    always = replace(SETUP, guides=1.0)
    left = training.memory(way, kept, always, torch.Generator().manual_seed(0))
    most = (kept[900] / (1 - kept[900])).sqrt()
    assert left.max() <= most and left.min() >= (kept[999] / (1 - kept[999])).sqrt()
    scene, guide, noise = (torch.randn(4, generator=torch.Generator().manual_seed(seed)) for seed in range(3))
    started = kept[900].sqrt() * scene + (1 - kept[900]).sqrt() * (noise + most * (guide - scene))
    assert torch.allclose(started, kept[900].sqrt() * guide + (1 - kept[900]).sqrt() * noise, atol=1e-5)
    assert not training.memory(way, kept, replace(SETUP, guides=0.0), torch.Generator()).any()


def test_no_guide_is_remembered_from_below_the_least_strength(training_set, kept):
    always = replace(SETUP, guides=1.0)
    left = training.memory(torch.zeros(500), kept, always, torch.Generator().manual_seed(0))
    assert left.max() <= (kept[600] / (1 - kept[600])).sqrt()


def test_a_guide_shows_its_object_where_the_scene_has_it(tmp_path, monkeypatch):
    monkeypatch.setenv("D3S_OUTPUTS", str(tmp_path))
    setup = replace(SETUP, scenes=60, held_out=1)
    scenes.make_scenes(setup)
    scenes.make_guides(setup)
    data, guides = scenes.scenes("train"), load_file(recipes.workplace() / "guides.safetensors")["guide"]
    changed = (guides.int() - data["clean"].int()).abs().sum(-1)
    assert guides.shape == data["rgb"].shape and (changed > 0).any((1, 2)).all()
    found = load_judge().locate(guides.numpy(), data["label"])
    off = np.hypot(*(found - scenes.centres(data["mask"])).T)
    assert np.median(off) < 0.08  # an object near the edge is pasted as near as the square allows


def test_neighbours_are_others_of_the_same_group():
    groups = np.array([0, 1, 0, 1, 1, 0])
    other = scenes.neighbours(groups, np.random.default_rng(0))
    assert (groups[other] == groups).all() and (other != np.arange(6)).all() and sorted(other) == list(range(6))


def test_the_signal_and_the_wanted_v_give_back_the_latents(training_set, kept):
    batch = training.noised_batch(training_set, kept, SETUP, step=3)  # with and without a guide in the noise
    signal, noise = kept[batch.times].sqrt(), (1 - kept[batch.times]).sqrt()
    latents = signal[:, None, None, None] * batch.latents - noise[:, None, None, None] * batch.wanted
    gap = (
        (latents[:, None] - torch.cat([training_set.latents, training_set.clean]).float())
        .abs()
        .flatten(2)
        .amax(2)
        .amin(1)
    )
    assert gap.max() < 1e-3
    again = training.noised_batch(training_set, kept, SETUP, step=3)
    assert torch.equal(batch.latents, again.latents)
    assert not torch.equal(batch.latents, training.noised_batch(training_set, kept, SETUP, step=4).latents)


def test_an_error_on_the_object_costs_more(training_set, kept):
    bare = replace(training_set, covered=torch.zeros_like(training_set.covered))
    ratio = (
        training.noised_batch(training_set, kept, SETUP, 0).weight / training.noised_batch(bare, kept, SETUP, 0).weight
    )
    assert set(ratio.unique().tolist()) <= {1.0, 1.0 + SETUP.object_weight}
    assert ratio.max() == 1.0 + SETUP.object_weight


def test_hard_classes_are_drawn_more_often(training_set):
    hard = replace(training_set, chance=1.0 + (training_set.label == 2))
    drawn = torch.cat([hard.batch(64, torch.Generator().manual_seed(seed))[3] for seed in range(60)])
    goldfish = [row for text, row in training_set.position.items() if "goldfish" in text]
    share = torch.isin(drawn, torch.tensor(goldfish)).float().mean() / (1 - captions.EMPTY - 0.05)
    assert 0.15 < share < 0.21  # two in eleven


def test_two_threads_find_the_gradient_of_the_whole_batch(training_set, kept):
    models, batch = new_models(), training.noised_batch(training_set, kept, SETUP, 0)
    alone = copy.deepcopy(models)
    loss = training.unet_loss(alone, batch)
    loss.backward()
    with one_thread_workers(2) as workers:
        together = training.Team(models, workers, 2).backward(batch)
    assert together == pytest.approx(loss.item(), rel=0.01)
    wanted, found = (torch.cat([p.grad.flatten() for p in module.parameters()]) for module in (alone, models))
    assert (wanted - found).norm() < 0.05 * wanted.norm()  # bfloat16


def test_a_wider_network_computes_nearly_the_same():
    old = new_models()["unet"].eval()
    with torch.no_grad():  # an untrained output layer says little
        nn.init.normal_(old.conv_out.weight, std=0.1)
    wider = training.new_unet(replace(SETUP, unet_channels=(32, 64, 96))).eval()
    widen(old, wider)
    latents, text = torch.randn(4, 4, 16, 16), torch.randn(4, 16, SETUP.text_width)
    for time in (20, 500, 980):
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):  # weights that cancel would show here
            before, after = (unet(latents, torch.tensor(time), text).sample.float() for unet in (old, wider))
        assert (before - after).norm() < 0.1 * before.norm()
    assert max(weight.abs().max() for weight in wider.parameters()) < 10  # fits float16, in which weights are shipped


def test_only_channels_may_differ():
    deeper = training.new_unet(SETUP)
    deeper.mid_block.attentions[0].extra = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="only their channels may differ"):
        widen(training.new_unet(SETUP), deeper)


def test_the_stages_that_are_run_by_default_start_from_nothing():
    from d3s_utils.pocket.training.stages import STAGES

    assert list(STAGES) == ["adopt", "scenes", "guides", "judge", "locator", "vae", "latents", "unet", "export"]
