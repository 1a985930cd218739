"""How far the making of a dataset has come: a line per shard."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


class Progress:
    """Counts images and tells how long the rest will take.

    Args:
        images: how many images each shard has to be drawn.
        report: gets one line per shard.
    """

    def __init__(self, images: Mapping[str, int], report: Callable[[str], None]):
        self._images, self._report = images, report
        self._done, self._total, self._begun = 0, sum(images.values()), time.monotonic()

    def finished(self, shard: str) -> None:
        self._done += self._images[shard]
        rate = self._done / max(time.monotonic() - self._begun, 1e-9)
        left = (self._total - self._done) / max(rate, 1e-9) / 60
        self._report(f"{shard}: {self._done} of {self._total} images, {rate:.1f} a second, {left:.1f} minutes to go")
