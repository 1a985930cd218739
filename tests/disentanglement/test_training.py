"""The loop takes turns as the paper says; a penalty takes away what it should; training again changes no byte."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pandas as pd
import pytest
import torch

from d3s_utils.disentanglement import images, models, streams, training
from d3s_utils.disentanglement.features import features_path, read_features
from d3s_utils.disentanglement.heads import encode, head_accuracy, save_features
from d3s_utils.disentanglement.images import Data
from d3s_utils.disentanglement.models import Backbone, Projectors, SplitModel, part_sizes
from d3s_utils.disentanglement.penalties.kernels import Hsic
from d3s_utils.disentanglement.penalties.table import build_penalty
from d3s_utils.disentanglement.stages import (
    BACKBONE,
    cache_views,
    checkpoint_path,
    fit_backbone,
    fit_split,
    load_method,
)
from d3s_utils.disentanglement.streams import Batch, Stream, batches, rows_in_turn, varied
from d3s_utils.disentanglement.training import train, turns
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import read_table
from d3s_utils.ground.seeds import seeded, torch_rng_for
from d3s_utils.ground.settings import Disentanglement, Profile

TINY = Disentanglement(
    penalties=("none", "hsic"), width=8, views=2, backbone_epochs=1, backbone_batch_size=8, warmup=2, steps=3,
    batch_size=16, critic_steps=2,
)  # fmt: skip
PROFILE = Profile("test", disentanglement=TINY)
CLASSES, PLACES = 3, 2


def coloured(n=36, side=32, seed=0):
    """Pictures whose left half shows the class (a colour) and whose right half shows the background (a grey)."""
    label, place = np.arange(n) % CLASSES, (np.arange(n) // CLASSES) % PLACES
    pixels = np.random.default_rng(seed).integers(0, 60, (n, side, side, 3)).astype(np.uint8)
    pixels[np.arange(n), :, : side // 2, label] += 180
    pixels[:, :, side // 2 :] += (120 * place).astype(np.uint8)[:, None, None, None]
    return pixels, label, place


def tiny_data():
    pixels, label, place = coloured()
    split = np.where(np.arange(36) < 24, "train", "val")
    ids = [f"image-{i}" for i in range(36)]
    images = pd.DataFrame({"image_id": ids, "split": split, "label": label, "background_index": place})
    natural, natural_label, _ = coloured(18, seed=1)
    return Data(images, torch.from_numpy(pixels), torch.from_numpy(natural), torch.from_numpy(natural_label), "hash")


def planted_streams(n=400):
    """Features of which the first three coordinates name the class and the next four the background."""
    rng = torch.Generator().manual_seed(0)
    label, place = torch.arange(n) % 3, (torch.arange(n) // 3) % 4
    x = torch.cat([3 * torch.eye(3)[label], 3 * torch.eye(4)[place], torch.randn(n, 5, generator=rng)], dim=1)
    x = x + 0.3 * torch.randn(x.shape, generator=rng)
    draw = lambda rows, rng: x[rows]  # noqa: E731
    return x, Stream(draw, label, place), Stream(draw, label)


def fit_planted(method, steps=150, weight=10.0):
    """A split of planted features under a penalty, its history, and how much each part knows of the other's label."""
    x, d3s, natural = planted_streams()
    settings = replace(TINY, warmup=10, steps=steps, batch_size=100, lr=0.005)
    with seeded("planted"):
        model = SplitModel(Projectors(x.shape[1], 6, 6, hidden=32), 6, 6, 3, 4)
        penalty = build_penalty(method, 6, 6, 3, 4)
    rng = torch_rng_for("planted")
    history = pd.DataFrame(train(model, penalty, batches(d3s, natural, 100, rng), settings, weight, rng))
    with torch.no_grad():
        split = model.eval()(x)
        leaks = Hsic(6, 4)(split.fg, d3s.background, rng), Hsic(6, 3)(split.bg, d3s.label, rng)
    right = float((split.label_logits.argmax(1) == d3s.label).float().mean())
    return history, [float(leak) for leak in leaks], right


def test_a_penalty_takes_the_other_label_out_and_leaves_the_own_one_in():
    _, free, free_right = fit_planted("none")
    _, held, held_right = fit_planted("hsic")
    assert max(held) < 0.5 * min(free)
    assert free_right == held_right == 1.0


def test_critics_take_their_turns_after_the_warm_up_and_only_where_there_are_any():
    settings = replace(TINY, warmup=2, steps=2, critic_steps=3)
    critic, none = build_penalty("wasserstein", 4, 4, 3, 2), build_penalty("hsic", 4, 4, 3, 2)
    assert list(turns(critic, settings)) == ["warm-up"] * 2 + (["critic"] * 3 + ["encoder"]) * 2
    assert list(turns(none, settings)) == ["warm-up"] * 2 + ["encoder"] * 2


def test_a_critics_turn_leaves_the_encoder_alone_and_the_encoders_turn_the_critic():
    x, d3s, natural = planted_streams(60)
    with seeded("turns"):
        model = SplitModel(Projectors(x.shape[1], 4, 4, hidden=8), 4, 4, 3, 4)
        penalty = build_penalty("wasserstein", 4, 4, 3, 4)
    settings = replace(TINY, warmup=0, steps=1, critic_steps=1)
    rng = torch_rng_for("turns")
    weights = lambda module: torch.cat([p.detach().flatten().clone() for p in module.parameters()])  # noqa: E731
    seen = [(weights(model), weights(penalty))]
    for _ in train(model, penalty, batches(d3s, natural, 20, rng), settings, 1.0, rng):
        seen.append((weights(model), weights(penalty)))
    (start, critic, encoder) = seen
    assert torch.equal(start[0], critic[0]) and not torch.equal(start[1], critic[1])
    assert not torch.equal(critic[0], encoder[0]) and torch.equal(critic[1], encoder[1])


def test_every_step_reports_one_flat_dict_of_numbers():
    history, _, _ = fit_planted("wasserstein", steps=3, weight=1.0)
    assert history["step"].tolist() == list(range(10 + 3 * 3))
    assert history.dtypes.map(lambda dtype: dtype.kind in "fi").all()
    assert history["fg_critic"].notna().sum() == 6 and history["fg_penalty"].notna().sum() == 3


def test_d3s_images_come_first_and_alone_have_a_background_label():
    _, d3s, natural = planted_streams(40)
    batch = next(batches(d3s, natural, 8, torch_rng_for("batch")))
    assert isinstance(batch, Batch) and len(batch.inputs) == len(batch.label) == 16 and len(batch.background) == 8


def test_every_row_comes_once_before_any_comes_twice():
    stream = Stream(lambda rows, rng: rows, torch.arange(20))
    epoch = torch.cat(list(islice(rows_in_turn(stream, 5, torch_rng_for("rows")), 4)))
    assert sorted(epoch.tolist()) == list(range(20))


@pytest.mark.parametrize(
    "width, share, sizes", [(2048, 0.122, (1798, 250)), (128, 0.5, (64, 64)), (8, 0.0, (7, 1)), (8, 1.0, (1, 7))]
)
def test_the_last_features_are_the_backgrounds(width, share, sizes):
    assert part_sizes(width, share) == sizes


def test_views_keep_size_and_range_and_a_mirror_keeps_the_mean():
    pixels = torch.from_numpy(coloured()[0])
    views = varied(pixels, torch_rng_for("views"))
    assert views.shape == (36, 3, 32, 32) and views.min() >= 0 and views.max() <= 1
    still = varied(pixels, torch_rng_for("still"), shift=0.0, jitter=0.0)
    assert torch.allclose(still.mean((1, 2, 3)), pixels.float().mean((1, 2, 3)) / 255, atol=1e-5)


def test_the_stages_run_on_pictures_and_the_second_time_nothing_is_trained(tmp_path):
    data = tiny_data()
    backbone = fit_backbone(tmp_path, PROFILE, data)
    views = cache_views(backbone.model, data, PROFILE)
    assert [view.shape for view in views] == [
        (2, 24, backbone.model.encoder.width),
        (2, 18, backbone.model.encoder.width),
    ]
    first = fit_split(tmp_path, PROFILE, data, backbone, "hsic", views)
    features = save_features(tmp_path, first, data)
    assert features.fg.shape == (36, 4) and features.bg.shape == (36, 4)
    written = [path.read_bytes() for path in (features_path(tmp_path, "hsic"), checkpoint_path(tmp_path, "hsic"))]

    unused = lambda records: pytest.fail("a finished training was started again")  # noqa: E731
    again = fit_split(tmp_path, PROFILE, data, fit_backbone(tmp_path, PROFILE, data, unused), "hsic", views, unused)
    pd.testing.assert_frame_equal(again.history, read_table(checkpoint_path(tmp_path, "hsic").with_suffix(".csv")))
    checkpoint_path(tmp_path, "hsic").unlink()
    save_features(tmp_path, fit_split(tmp_path, PROFILE, data, backbone, "hsic", views), data)
    assert written == [
        path.read_bytes() for path in (features_path(tmp_path, "hsic"), checkpoint_path(tmp_path, "hsic"))
    ]


def test_a_method_loaded_later_reads_images_as_it_did_when_trained(tmp_path):
    data = tiny_data()
    backbone = fit_backbone(tmp_path, PROFILE, data)
    trained = fit_split(tmp_path, PROFILE, data, backbone, "none", cache_views(backbone.model, data, PROFILE))
    written = save_features(tmp_path, trained, data)
    for method, model in (("none", trained.model), (BACKBONE, backbone.model)):
        later = encode(load_method(tmp_path, PROFILE, method), data.d3s, written.image_id)
        assert np.allclose(later.fg, encode(model, data.d3s, written.image_id).fg, atol=1e-6)
    assert np.array_equal(read_features(features_path(tmp_path, "none")).fg, written.fg)


def test_the_papers_way_trains_a_copy_of_the_backbone_itself(tmp_path):
    data, profile = tiny_data(), replace(PROFILE, disentanglement=replace(TINY, trains="backbone", warmup=1, steps=1))
    backbone = fit_backbone(tmp_path, profile, data)
    before = encode(backbone.model, data.d3s, data.images["image_id"].to_numpy())
    trained = fit_split(tmp_path, profile, data, backbone, "wasserstein")
    after = encode(trained.model, data.d3s, data.images["image_id"].to_numpy())
    assert after.fg.shape == before.fg.shape and not np.allclose(after.fg, before.fg)
    assert np.array_equal(encode(backbone.model, data.d3s, before.image_id).fg, before.fg), (
        "the original must stay as it was"
    )


def test_head_accuracy_counts_validation_images_alone():
    data = tiny_data()
    model = SplitModel(Backbone("resnet"), 64, 64, CLASSES, PLACES)
    features = encode(model, data.d3s, data.images["image_id"].to_numpy())
    right = replace(features, fg_guess=data.images["label"].to_numpy(), bg_guess=np.full(36, PLACES))
    table = head_accuracy({"all right": right}, data.images).set_index("head")
    assert (
        table.loc["label", "accuracy"] == 100 and table.loc["background", "accuracy"] == 0 and set(table["n"]) == {12}
    )


def test_torch_goes_on_as_if_nothing_had_been_drawn():
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    with seeded("inside"):
        one = torch.rand(3)
    assert torch.equal(torch.rand(2), expected)
    with seeded("inside"):
        assert torch.equal(torch.rand(3), one)


def test_another_training_seed_draws_everything_that_is_trained_anew(tmp_path):
    data, other = tiny_data(), replace(PROFILE, training_seed=1)
    kept, drawn = (fit_backbone(tmp_path / str(p.training_seed), p, data) for p in (PROFILE, other))
    assert not torch.equal(kept.model.label_head.weight, drawn.model.label_head.weight)
    histories = [
        fit_split(tmp_path / "0", profile, data, kept, "hsic", cache_views(kept.model, data, profile)).history
        for profile in (PROFILE, other)  # in one folder: the recipe tells them apart
    ]
    assert not histories[0].equals(histories[1])


def test_without_a_training_seed_recipes_are_those_of_the_seed_alone():
    settings = ("backbone", "pretrained", "background_share", "backbone_epochs", "backbone_batch_size")
    own = {name: getattr(TINY, name) for name in settings}
    assert disentangle.backbone_recipe(replace(PROFILE, seed=3)) == [3, PROFILE.threads, own]
    assert disentangle.backbone_recipe(replace(PROFILE, seed=3, training_seed=2)) == [5, PROFILE.threads, own]


def test_an_unknown_network_is_one_clear_sentence():
    with pytest.raises(D3SError, match="disentanglement.backbone.*'resnot'"):
        Backbone("resnot")


# Long training --------------------------------------------------------------------------------------------------------

LASTING = replace(PROFILE, disentanglement=replace(TINY, trains="backbone", save_every=2, steps=4), device="cpu")


class Killed(Exception):
    pass


def share(folder, method, profile=LASTING, after=None, monkeypatch=None):
    """The weights that `train_share` leaves; killed after so many steps where `after` says so."""
    model = models.new_backbone_model(profile, CLASSES, PLACES)
    kind = training.BackboneTraining if method == BACKBONE else training.SplitTraining
    if after is not None:
        step = kind.step

        def dying(self, number, *rest):
            if number == after:
                raise Killed
            return step(self, number, *rest)

        monkeypatch.setattr(kind, "step", dying)
    steps = 7 if method == BACKBONE else None
    records = training.train_share(folder, profile, method, "recipe", model, steps)
    return records, torch.cat([p.detach().flatten() for p in model.state_dict().values()])


@pytest.mark.parametrize("method", [BACKBONE, "hsic", "wasserstein"])
def test_a_killed_training_goes_on_and_ends_with_the_same_weights(method, tmp_path, monkeypatch):
    monkeypatch.setattr("d3s_utils.disentanglement.training.load_data", lambda folder, profile: tiny_data())
    records, whole = share(tmp_path / "whole", method)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        share(tmp_path / "killed", method, after=5, monkeypatch=patch)
    left = training.read_progress(training.progress_path(tmp_path / "killed", method), "recipe")
    assert len(left["records"]) == 4
    again, resumed = share(tmp_path / "killed", method)
    assert torch.equal(whole, resumed) and pd.DataFrame(again).equals(pd.DataFrame(records))


def test_a_checkpoint_of_another_recipe_or_a_broken_one_is_not_taken_up(tmp_path):
    path = training.progress_path(tmp_path, "hsic")
    training.write_progress(path, {"recipe": "one", "records": [{"step": 0}]})
    assert training.read_progress(path, "one")["records"] == [{"step": 0}]
    assert training.read_progress(path, "another") is None
    path.write_bytes(path.read_bytes()[:50])
    assert training.read_progress(path, "one") is None
    assert training.read_progress(tmp_path / "nothing.pt", "one") is None


def test_the_stages_train_lastingly_and_leave_no_checkpoint_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("d3s_utils.disentanglement.training.load_data", lambda folder, profile: tiny_data())
    data = tiny_data()
    backbone = fit_backbone(tmp_path, LASTING, data)
    trained = fit_split(tmp_path, LASTING, data, backbone, "hsic")
    assert len(trained.history) == 2 + 4 and not list((tmp_path / "cache").glob("training-*"))
    again = fit_split(tmp_path, LASTING, data, backbone, "hsic", watch=lambda records: pytest.fail("trained again"))
    pd.testing.assert_frame_equal(again.history, read_table(checkpoint_path(tmp_path, "hsic").with_suffix(".csv")))


def test_keyed_batches_begin_anywhere_and_workers_share_each_step():
    _, d3s, natural = planted_streams(40)
    whole = list(islice(streams.keyed_batches(d3s, natural, 8, ("key",)), 6))
    late = next(streams.keyed_batches(d3s, natural, 8, ("key",), start=5))
    assert torch.equal(whole[5].inputs, late.inputs) and torch.equal(whole[5].label, late.label)
    shares = [next(streams.keyed_batches(d3s, natural, 8, ("key",), 5, rank, 2)) for rank in range(2)]
    assert sorted(torch.cat([part.inputs for part in shares])[:, 11].tolist()) == sorted(late.inputs[:, 11].tolist())
    rows = torch.cat([streams.rows_at(d3s, 8, ("key",), step) for step in range(5)])
    assert sorted(rows.tolist()) == list(range(40))


def test_bfloat16_computes_the_network_and_leaves_weights_and_penalties_in_float32(tmp_path, monkeypatch):
    monkeypatch.setattr("d3s_utils.disentanglement.training.load_data", lambda folder, profile: tiny_data())
    seen = []
    measure = Hsic.forward

    def watched(self, features, labels, rng):
        seen.append(features.dtype)
        return measure(self, features, labels, rng)

    monkeypatch.setattr(Hsic, "forward", watched)
    profile = replace(LASTING, disentanglement=replace(LASTING.disentanglement, precision="bfloat16"))
    records, narrow = share(tmp_path / "narrow", "hsic", profile)
    _, wide = share(tmp_path / "wide", "hsic")
    assert set(seen) == {torch.float32} and narrow.dtype == torch.float32
    assert 0 < (narrow - wide).abs().mean() < 0.05
    assert np.isfinite(pd.DataFrame(records)["label_loss"]).all()


def test_stored_images_are_resized_once_and_stay_on_disk(tmp_path):
    pixels, asked = coloured(5)[0], []

    def load(ids):
        asked.extend(ids)
        return pixels[[int(name) for name in ids]]

    first = images.stored_images(tmp_path, list("01234"), load, 16, "recipe")
    again = images.stored_images(tmp_path, list("01234"), load, 16, "recipe")
    assert asked == list("01234") and first.shape == (5, 16, 16, 3) and torch.equal(first, again)
    wanted = torch.from_numpy(pixels).float().reshape(5, 16, 2, 16, 2, 3).mean((2, 4))
    assert (first.float() - wanted).abs().mean() < 8  # antialiased, so nearly the mean of four pixels
    assert len(images.stored_images(tmp_path, list("0123"), load, 16, "recipe")) == 4


def _averaged(rank, port, results):
    import torch.distributed

    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    layer = torch.nn.Linear(3, 1)
    torch.nn.init.ones_(layer.weight)
    hardware = training.Hardware(layer)
    hardware.backward((layer(torch.full((1, 3), float(rank))) * (rank + 1)).sum(), list(layer.parameters()))
    results.put((layer.weight.grad.tolist(), layer.bias.grad.tolist()))
    torch.distributed.destroy_process_group()


def test_workers_take_the_mean_of_their_gradients():
    import multiprocessing
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    workers = [context.Process(target=_averaged, args=(rank, port, results)) for rank in range(2)]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join()
    assert found == [([[1.0, 1.0, 1.0]], [1.5])] * 2  # of 0 x 1 and 1 x 2; of 1 and 2
