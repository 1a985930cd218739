"""torchvision's stock wheel beside a CPU-only torch.

The wheel on PyPI links CUDA libraries that a CPU-only torch does not bring. torchvision survives the failed load of its
extension but then describes operators nobody declared, and its import ends in "operator torchvision::nms does not
exist" (https://github.com/pytorch/vision/issues/9085). Declaring the two operators has the effect of the fix proposed
upstream (https://github.com/pytorch/vision/pull/9649): everything works but the detection operators, which nothing here
calls. Delete this module once that fix is released.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder

KEPT = []  # torch forgets operators when their Library is collected


class _TorchvisionFinder(MetaPathFinder):
    """Finds torchvision as Python would, and gives its import a second try with the operators declared."""

    def find_spec(self, name, path=None, target=None):
        if name != "torchvision":
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            run_module = spec.loader.exec_module

            def exec_module(module):
                try:
                    run_module(module)
                except RuntimeError as error:
                    if "torchvision::nms does not exist" not in str(error):
                        raise
                    declare_operators()
                    run_module(module)

            spec.loader.exec_module = exec_module
        return spec


def declare_operators() -> None:
    """Declare the operators that torchvision's Python code refers to at import, and forget its half-imported parts."""
    import torch

    for name in [name for name in sys.modules if name.startswith("torchvision.")]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    KEPT.append(library)


def mend_torchvision() -> None:
    """Make a later `import torchvision` succeed. Imports nothing now; a healthy installation is left as it is."""
    if not any(isinstance(finder, _TorchvisionFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _TorchvisionFinder())
