"""Every tensor of a step and of inference is on the profile's device, in the routines of all notebooks.

The device here is one that no machine has. Its tensors keep their numbers on the CPU and say that they are elsewhere.
As on a GPU, no operation takes tensors of both places, but for single numbers and for the indices of rows, and a
generator of the CPU draws nothing there. Nor may what is dear be computed on the CPU meanwhile.
"""

import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import write_zoo
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map_only

from d3s_utils.diffusion import draw, load
from d3s_utils.diffusion.load import load_generator
from d3s_utils.disentanglement import stages
from d3s_utils.disentanglement.encoding import encode
from d3s_utils.disentanglement.images import Data
from d3s_utils.disentanglement.penalties.table import penalty_files
from d3s_utils.evaluation import published, small
from d3s_utils.generation import spaces, standard
from d3s_utils.generation.samples import Samples
from d3s_utils.ground.files import write_tensors
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.settings import Disentanglement, Evaluation, Probes, Profile, Realism, Spurious, WholeBackbone
from d3s_utils.ground.words import CLASSES
from d3s_utils.probes import protocol, readers
from d3s_utils.probes.strength import strength
from d3s_utils.spurious import task

ELSEWHERE = torch.device("lazy")
COPIES = ("aten::_to_copy", "aten::copy_")
ROWS = ("aten::index", "aten::index_put_", "aten::_index_put_impl_")
DEAR = ("convolution", "addmm", "aten::mm", "bmm", "native_batch_norm", "native_layer_norm", "grid_sampler")


class Moved(torch.Tensor):
    """A tensor that is elsewhere; `inner` holds its numbers."""

    @staticmethod
    def __new__(cls, inner):
        layout = {"strides": inner.stride(), "storage_offset": inner.storage_offset()}
        return torch.Tensor._make_wrapper_subclass(cls, inner.size(), dtype=inner.dtype, device=ELSEWHERE, **layout)

    def __init__(self, inner):
        self.inner = inner

    def __tensor_flatten__(self):
        return ["inner"], None

    def __repr__(self, **_):
        return f"Moved({self.inner})"

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return operate(function, args, kwargs or {})


class Elsewhere(TorchDispatchMode):
    """While it lasts, tensors can be elsewhere; `dear` counts the costly operations there."""

    def __init__(self):
        super().__init__()
        self.dear = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        there = any(isinstance(value, Moved) for value in tree_flatten((args, kwargs or {}))[0])
        if any(word in function._schema.name for word in DEAR):
            assert there, f"{function._schema.name} was computed on the CPU"
            self.dear += 1
        return operate(function, args, kwargs or {})


def operate(function, args, kwargs):
    """An operation on tensors that are either all here or all elsewhere."""
    name, tensors = function._schema.name, tree_flatten((args, kwargs))[0]
    here = [t for t in tensors if isinstance(t, torch.Tensor) and not isinstance(t, Moved)]
    there = any(isinstance(t, Moved) for t in tensors)
    if there and name not in COPIES + ROWS:
        assert not any(t.dim() for t in here), f"{name}: a tensor {[tuple(t.shape) for t in here]} stayed on the CPU"
    goes = there if kwargs.get("device") is None else torch.device(kwargs["device"]) == ELSEWHERE
    goes = isinstance(args[0], Moved) if name == "aten::copy_" else goes
    assert not (goes and kwargs.get("generator")), f"{name}: a generator of the CPU cannot draw elsewhere"
    inner_args, inner_kwargs = tree_map_only(Moved, lambda t: t.inner, (args, kwargs))
    if kwargs.get("device") is not None:
        inner_kwargs = inner_kwargs | {"device": torch.device("cpu")}
    out = function(*inner_args, **inner_kwargs)
    if not goes:
        return out
    if not there:
        return tree_map_only(torch.Tensor, Moved, out)
    return return_and_correct_aliasing(function, args, kwargs, tree_map_only(torch.Tensor, Moved, out))


@pytest.fixture
def elsewhere(monkeypatch):
    """A profile's "cuda" is elsewhere, everything else the CPU; what goes side by side goes in turn."""
    names = {
        "pick_device": lambda wanted: ELSEWHERE if str(wanted) in ("cuda", "lazy") else torch.device("cpu"),
        "side_by_side": lambda work, items, count=None: [work(item) for item in items],
        "ahead": lambda load, items: map(load, items),
    }
    for module in [module for name, module in sys.modules.items() if name.startswith("d3s_utils.")]:
        for name in names.keys() & vars(module).keys():
            monkeypatch.setattr(module, name, names[name])
    made = torch.tensor

    def tensor(numbers, device=None, **kind):
        there = device is not None and torch.device(device) == ELSEWHERE
        return made(numbers, **kind).to(device) if there else made(numbers, device=device, **kind)

    monkeypatch.setattr(torch, "tensor", tensor)
    monkeypatch.setattr(torch._C, "_InferenceMode", lambda mode: torch.no_grad())  # which has no room for other tensors
    with Elsewhere() as mode:
        yield mode
    assert mode.dear, "nothing was computed"


def pictures(n, side=32):
    return np.random.default_rng(n).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


def images(n=48):
    """The table of some images."""
    numbers = np.arange(n)
    table = {"image_id": [f"image-{i}" for i in numbers], "label": numbers % 3, "background_index": numbers // 3 % 2}
    own = {
        "split": np.where(numbers % 4 == 3, "val", "train"),
        "foreground_source": numbers // 2,
        "recipe_hash": "same",
    }
    return pd.DataFrame(table | own)


def data():
    arrays = (torch.from_numpy(array) for array in (pictures(48), pictures(18), np.arange(18) % 3))
    return Data(images(), *arrays, "natural")


def profile_of(**settings):
    turns = {"warmup": 1, "steps": 2, "batch_size": 16, "critic_steps": 1}
    tiny = {"width": 8, "views": 1, "backbone_epochs": 1, "backbone_batch_size": 16} | turns | settings
    return Profile(
        "test", device="cuda", disentanglement=Disentanglement(**tiny), whole_backbone=WholeBackbone(**turns)
    )


def starts_of(folder, profile):
    """What methods start from, by name."""
    return {
        "plain": stages.fit_plain(folder, profile, data()),
        "backbone": stages.fit_backbone(folder, profile, data()),
    }


def test_the_check_sees_what_stays_behind(elsewhere):
    layer, inputs = torch.nn.Linear(3, 2).to(ELSEWHERE), torch.ones(4, 3)
    with pytest.raises(AssertionError, match="stayed on the CPU"):
        layer(inputs)
    with pytest.raises(AssertionError, match="computed on the CPU"):
        torch.nn.Linear(3, 2)(inputs)
    with pytest.raises(AssertionError, match="cannot draw elsewhere"):
        torch.rand(3, generator=torch.Generator(), device=ELSEWHERE)
    layer(inputs.to(ELSEWHERE)).sum().backward()
    assert layer.weight.grad.device == ELSEWHERE and layer.weight.cpu().device.type == "cpu"


@pytest.mark.parametrize("methods", [[*penalty_files()], ["wasserstein@backbone"]])
def test_disentanglement(elsewhere, methods, tmp_path):
    profile = profile_of()
    trained = stages.fit_splits(tmp_path, profile, data(), starts_of(tmp_path, profile), methods)
    assert {next(one.model.parameters()).device for one in trained.values()} == {ELSEWHERE}
    for one in trained.values():
        stages.save_features(tmp_path, one, data())


def test_features_of_a_method_that_is_loaded(elsewhere, tmp_path):
    profile = profile_of()
    stages.fit_splits(tmp_path, profile, data(), starts_of(tmp_path, profile), ["none"])
    features = encode(stages.load_method(tmp_path, profile, "none"), pictures(5), np.arange(5))
    assert features.fg.shape == (5, 4)


def test_a_small_classifier(elsewhere, tmp_path):
    training_set = small.TrainingSet("key", lambda: (pictures(32, 64), np.arange(32) % 3), 3)
    settings = Evaluation(epochs=1, batch_size=16)
    path = tmp_path / "vit.safetensors"
    for _ in ("trained", "loaded"):
        classifier = small.fit_or_load(path, "vit", training_set, settings, ("key",), "cuda")
        assert classifier.logits(pictures(5, 64)).shape == (5, 3)


def test_a_published_classifier(elsewhere, tmp_path):
    import timm

    rows = write_zoo(tmp_path, ("mine", "state_dict", "resnet10t", ""))
    write_tensors(tmp_path / "mine.safetensors", timm.create_model("resnet10t", num_classes=1000).state_dict())
    settings = f"evaluation.weights=pretrained evaluation.zoo={rows} evaluation.state_dicts={tmp_path} device=cuda"
    profile = load_profile("pocket", settings)
    classifier = published.published_classifier("mine", CLASSES.head(2), profile.evaluation, profile.device)
    assert classifier.logits(pictures(3)).shape == (3, 2)


def features_of(table):
    from d3s_utils.disentanglement.features import Features

    x = np.random.default_rng(0).normal(size=(len(table), 6)).astype(np.float32)
    return Features(table["image_id"].to_numpy(), x, x, table["label"].to_numpy(), table["background_index"].to_numpy())


def test_probes(elsewhere):
    table, settings = images(144), Probes(seeds=1, hidden=8, steps=3, trees=2)
    features = {"planted": features_of(table)}
    guesses = protocol.probe(features, table, settings, 0, "cuda")
    chosen = protocol.strongest(guesses)
    assert len(protocol.probe_unseen(features, table, chosen, settings, 0, "cuda"))
    assert len(strength(features, table, guesses, settings, 0, "cuda"))


def test_the_spurious_task(elsewhere, monkeypatch):
    few = readers.mini_batches
    monkeypatch.setattr(readers, "mini_batches", lambda rows, size, steps, rngs: few(rows, size, 3, rngs))
    table, settings = images(144), Spurious(permutations=1, correlations=(1.0,))
    assert len(task.spurious_task({"planted": features_of(table)}, table, settings, 0, "cuda"))


@pytest.fixture
def read_before(tiny_checkpoint, monkeypatch):
    """The toy model's profile, its pipeline read from the disk already, as on any machine: onto the CPU."""
    profile = load_profile(
        "smoke", f"generator.model={tiny_checkpoint} generator.size=32 device=cuda generator.dtype=float32"
    )
    pipeline = load._read_pipeline(profile.generator)
    monkeypatch.setattr("d3s_utils.diffusion.load._read_pipeline", lambda wanted: pipeline)
    return profile


def test_generation(read_before, elsewhere):
    generator = load_generator(read_before)
    settings = replace(read_before.generator, steps=4, batch_size=2)
    assert draw.generate(generator, pictures(2), ["a", "b"], [1, 2], settings).shape == (2, 32, 32, 3)


def test_the_judge(elsewhere):
    judge = spaces.load_pocket_judge("cuda")
    assert judge.judge(pictures(3, 64)).features.shape == (3, 192)
    assert judge.locate(pictures(3, 64), np.arange(3)).shape == (3, 2)


def test_the_space_of_a_timm_model(elsewhere, monkeypatch):
    import timm

    made = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained, **options: made(name, **options))
    space = spaces.open_features(Realism(features="resnet10t"), "cuda")
    assert space.extract(pictures(2)).shape == (2, 512)


def test_lpips(elsewhere, tmp_path):
    import torchvision

    weights = tmp_path / standard.LPIPS["squeeze"]
    torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), weights)
    samples = Samples(
        pd.DataFrame({"class_name": ["teapot"] * 4, "recipe_hash": "same"}), pictures(4, 64), pictures(4, 64)
    )
    table = standard.lpips_table(tmp_path, Realism(lpips="squeeze", weights=str(tmp_path)), samples, 0, "cuda")
    assert table["pairs"].tolist() == [2, 2]
