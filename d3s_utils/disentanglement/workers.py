"""Training that several processes share, by Ray's TorchTrainer (`disentanglement.workers`)."""

from __future__ import annotations

from pathlib import Path

from d3s_utils.disentanglement.backbone import backbone_training
from d3s_utils.disentanglement.images import load_data
from d3s_utils.disentanglement.methods import method_of
from d3s_utils.disentanglement.models import BACKBONE, checkpoint_path, new_backbone_model
from d3s_utils.disentanglement.training import split_training
from d3s_utils.ground.cluster import RETRIES, open_ray
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import read_tensors
from d3s_utils.ground.settings import Profile
from d3s_utils.ground.training import Progress, Training, train


def train_on_workers(profile: Profile, folder: Path, method: str, progress: Progress) -> None:
    """Train a method on `disentanglement.workers` processes that share the images of each step, by Ray's TorchTrainer.

    The end of the training is the last of its notes in `progress`. When a worker dies all of them begin again from the
    notes before, at most `RETRIES` times.

    Raises:
        D3SError: Ray is not installed, or training failed.
    """
    ray = open_ray()
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    asked = {"profile": profile, "folder": str(folder.resolve()), "method": method, "progress": progress}
    gpu = profile.device != "cpu" and bool(ray.cluster_resources().get("GPU"))
    scaling = ScalingConfig(num_workers=profile.disentanglement.workers, use_gpu=gpu)
    kept = RunConfig(
        name=f"d3s-{method}-{progress.key}",  # Ray takes up a run of the same name
        storage_path=str((folder / "cache" / "ray").resolve()),
        failure_config=FailureConfig(max_failures=RETRIES),
    )
    try:
        TorchTrainer(train_worker, train_loop_config=asked, scaling_config=scaling, run_config=kept).fit()
    except Exception as error:  # Ray wraps what its workers raise in several kinds of its own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise D3SError(
            f"Training {method} on {scaling.num_workers} workers failed ({reason}); mend it and run again."
        ) from error


def train_worker(asked: dict) -> None:
    """What each worker does."""
    import torch
    from ray.train.torch import get_device

    profile = asked["profile"]
    torch.set_num_threads(max(1, profile.threads // profile.disentanglement.workers))
    if get_device().type == "cuda":
        torch.cuda.set_device(get_device())  # its own, where the workers of a machine see all of its GPUs
    for _ in train(training_of(Path(asked["folder"]), profile, asked["method"]), asked["progress"]):
        pass


def training_of(folder: Path, profile: Profile, method: str) -> Training:
    """The training of `method`, on any process that sees the run's folder."""
    data = load_data(folder, profile)
    model = new_backbone_model(profile, data.n_classes, data.n_backgrounds)
    if method == BACKBONE:
        return backbone_training(profile, model, data)
    start = method_of(method, profile).start
    if start == BACKBONE or not profile.disentanglement.pretrained:
        model.load_state_dict(read_tensors(checkpoint_path(folder, start)))
    return split_training(profile, model, data, method)
