"""Training that several processes share, by Ray's TorchTrainer (`disentanglement.workers`)."""

from __future__ import annotations

from pathlib import Path

from d3s_utils.disentanglement.models import fresh_model
from d3s_utils.disentanglement.training import train_share
from d3s_utils.ground.cluster import RETRIES, open_ray
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.settings import Profile


def train_on_workers(profile: Profile, folder: Path, method: str, recipe: str, n_steps: int | None) -> None:
    """Train a split on `disentanglement.workers` processes that share the images of each step, by Ray's TorchTrainer.

    The last checkpoint lies where `training.progress_path` says. When a worker dies all of them begin again from the
    last checkpoint, at most `RETRIES` times.

    Raises:
        D3SError: Ray is not installed, or training failed.
    """
    ray = open_ray()
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    asked = {
        "profile": profile,
        "folder": str(folder.resolve()),
        "method": method,
        "recipe": recipe,
        "n_steps": n_steps,
    }
    gpu = profile.device != "cpu" and bool(ray.cluster_resources().get("GPU"))
    scaling = ScalingConfig(num_workers=profile.disentanglement.workers, use_gpu=gpu)
    kept = RunConfig(
        name=f"d3s-{method}-{recipe}",  # Ray takes up a run of the same name
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
    from ray.train import get_context

    profile, folder, method = asked["profile"], Path(asked["folder"]), asked["method"]
    torch.set_num_threads(max(1, profile.threads // profile.disentanglement.workers))
    rank, of = get_context().get_world_rank(), get_context().get_world_size()
    model = fresh_model(folder, profile, method)
    train_share(folder, profile, method, asked["recipe"], model, asked["n_steps"], rank, of)
