"""The spurious task: heads that learn where class and background go together, tested where they part ways.

A pairing ties each class to one background, a dial says how often it holds, and features decide who falls for it.
"""

from d3s_utils.spurious.findings import (
    at_full,
    baseline_of,
    dial_readers,
    gains,
    headline,
    methods_of,
    steadiest,
)
from d3s_utils.spurious.parts import with_erased
from d3s_utils.spurious.superclasses import superclasses, tied_images
from d3s_utils.spurious.task import examples, loudness, pairing, spurious_task, summarise

__all__ = [
    "at_full",
    "baseline_of",
    "dial_readers",
    "examples",
    "gains",
    "headline",
    "loudness",
    "methods_of",
    "pairing",
    "spurious_task",
    "steadiest",
    "summarise",
    "superclasses",
    "tied_images",
    "with_erased",
]
