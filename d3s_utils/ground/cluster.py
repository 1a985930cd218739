"""Ray, where it is installed: a laptop's cores, a Slurm allocation or machines in a cloud.

A cluster is joined where the environment variable RAY_ADDRESS names it ("auto" for the one on this machine); else one
is started here for the run alone. docs/cluster.md tells how.
"""

from __future__ import annotations

import os

from d3s_utils.ground import paths
from d3s_utils.ground.errors import D3SError

RETRIES = 5  # times a task is made again after its node or process died


def open_ray():
    """Ray, connected. Workers find this package and write where this process does."""
    try:
        import ray
    except ImportError as error:
        raise D3SError("dataset.engine ray needs Ray; run pip install -e .[cluster], or set it to serial.") from error
    if ray.is_initialized():
        return ray
    variables = {"PYTHONPATH": os.pathsep.join([str(paths.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])}
    variables |= {name: os.environ[name] for name in ("D3S_OUTPUTS", "HF_HOME", "HF_HUB_OFFLINE") if name in os.environ}
    options = {"runtime_env": {"env_vars": variables}, "log_to_driver": False, "logging_level": "ERROR"}
    if "RAY_ADDRESS" not in os.environ:  # a cluster of this run alone, not another user's
        options |= {"address": "local", "include_dashboard": False, "object_store_memory": 100 * 2**20}
    ray.init(**options)
    return ray
