"""Steps depend on a key and their number alone, so that a killed training ends as if nothing had happened."""

import subprocess
import sys
from itertools import islice

import pytest
import torch
from torch import nn

from d3s_utils.ground import paths
from d3s_utils.ground.training import Descent, Hardware, Progress, Rows, Training, has_dropout, train


def squares(model, batch, hardware):
    """How far a network is from giving back its inputs' sum."""
    loss = (model(batch) - batch.sum(1, keepdim=True)).square().mean()
    return loss, {"loss": loss.item()}


def small(steps=6, drops=False):
    """A tiny network that learns from noise drawn step by step, with dropout."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5 if drops else 0.0), nn.Linear(8, 1))
    learner = Descent(network, squares, steps, 0.01, Hardware())
    return Training(learner, lambda step, rng, hardware: torch.randn(4, 3, generator=rng), steps, ("key",), drops)


def weights(training):
    return torch.cat([p.detach().flatten() for p in training.learner.model.parameters()])


@pytest.mark.parametrize("drops", [False, True])
def test_a_killed_training_goes_on_and_ends_with_the_same_weights(drops, tmp_path):
    whole = small(drops=drops)
    records = list(train(whole))
    progress = Progress(tmp_path / "notes.pt", "key", every=2)
    list(islice(train(small(drops=drops), progress), 5))  # killed in the sixth step, noted after the fourth
    assert len(progress.read()["records"]) == 4
    torch.manual_seed(123)  # another process
    resumed = small(drops=drops)
    assert list(train(resumed, progress)) == records
    assert torch.equal(weights(whole), weights(resumed))
    assert len(progress.read()["records"]) == 6


def test_notes_under_another_key_and_broken_ones_are_not_taken_up(tmp_path):
    progress = Progress(tmp_path / "notes.pt", "one")
    progress.write(small(), [{"step": 0}])
    assert progress.read()["records"] == [{"step": 0}]
    assert Progress(progress.path, "another").read() is None
    progress.path.write_bytes(progress.path.read_bytes()[:50])
    assert progress.read() is None
    assert Progress(tmp_path / "nothing.pt", "one").read() is None


def test_without_progress_nothing_is_written_and_the_global_generator_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    training, before = small(drops=True), torch.random.get_rng_state()
    list(train(training))
    assert not list(tmp_path.iterdir()) and torch.equal(before, torch.random.get_rng_state())


class Share:
    """One of two workers."""

    def __init__(self, rank):
        self.rank, self.workers = rank, 2


def test_every_row_comes_once_before_any_comes_twice_and_workers_share_each_step():
    rows, alone = Rows(23, 5, ("rows",)), Hardware()
    epoch = [rows.at(step, alone) for step in range(rows.steps)]
    assert rows.steps == 4 and len(set(torch.cat(epoch).tolist())) == 20
    assert rows.at(4, alone).tolist() != epoch[0].tolist()
    assert rows.at(2, alone).tolist() == epoch[2].tolist(), "a step may come at any time"
    shares = [rows.at(2, Share(rank)).tolist() for rank in range(2)]
    assert sorted(shares[0] + shares[1]) == sorted(epoch[2].tolist()) and len(shares[0]) == 3
    assert len(Rows(3, 5, ("few",)).at(7, alone)) == 3


AVERAGED = """
import sys
import torch.distributed
from torch import nn
from d3s_utils.ground import paths
from d3s_utils.ground.training import Hardware

rank = int(sys.argv[1])
torch.distributed.init_process_group("gloo", f"file://{sys.argv[2]}", rank=rank, world_size=2)
layer = nn.Linear(3, 1)
nn.init.ones_(layer.weight)
hardware = Hardware()
hardware.backward((layer(torch.full((1, 3), float(rank))) * (rank + 1)).sum(), list(layer.parameters()))
print(hardware.rank, layer.weight.grad.tolist(), layer.bias.grad.tolist())
torch.distributed.destroy_process_group()
"""


def test_workers_take_the_mean_of_their_gradients(tmp_path):
    commands = [[sys.executable, "-c", AVERAGED, str(rank), str(tmp_path / "meeting")] for rank in range(2)]
    workers = [subprocess.Popen(command, cwd=paths.ROOT, stdout=subprocess.PIPE, text=True) for command in commands]
    found = [worker.communicate(timeout=400)[0].strip() for worker in workers]
    assert found == [f"{rank} [[1.0, 1.0, 1.0]] [1.5]" for rank in range(2)]  # of 0 x 1 and 1 x 2; of 1 and 2


def test_layers_that_draw_are_found_whatever_they_are_called():
    import timm

    assert not has_dropout(small().learner.model) and has_dropout(small(drops=True).learner.model)
    assert not has_dropout(timm.create_model("resnet10t"))
    for name, options in (("resnet10t", {"drop_rate": 0.1}), ("vit_tiny_patch16_224", {"drop_path_rate": 0.1})):
        assert has_dropout(timm.create_model(name, **options)), name
