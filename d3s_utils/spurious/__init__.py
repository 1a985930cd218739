"""The spurious task: heads that learn where class and background go together, tested where they part ways.

A pairing ties each class to one background, a dial says how often it holds, and features decide who falls for it.
"""

from d3s_utils.spurious.task import (
    dial_readers,
    examples,
    headline,
    pairing,
    spurious_task,
    steadiest,
    summarise,
)

__all__ = ["dial_readers", "examples", "headline", "pairing", "spurious_task", "steadiest", "summarise"]
