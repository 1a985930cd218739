"""The widget that the notebook shows: HTML from the kernel, keys and clicks to it, one by one and in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock

from anywidget import AnyWidget
from traitlets import Dict, List, Unicode

HERE = Path(__file__).parent


class Panel(AnyWidget):
    """HTML in six parts; calls `act` with each key pressed and each button clicked.

    A key is {"key": its name}; a button is all of its data attributes.

    Attributes:
        progress, notice, picture, questions, side, instructions: HTML; only what changed is sent.
        keys_used: the keys it listens to, as browsers call them.
        heard: how much of what each browser page sent has been acted on.
    """

    _esm = HERE / "panel.js"
    _css = HERE / "panel.css"
    progress = Unicode().tag(sync=True)
    notice = Unicode().tag(sync=True)
    picture = Unicode().tag(sync=True)
    questions = Unicode().tag(sync=True)
    side = Unicode().tag(sync=True)
    instructions = Unicode().tag(sync=True)
    keys_used = List(Unicode()).tag(sync=True)
    heard = Dict().tag(sync=True)

    def __init__(self, keys: Iterable[str], act: Callable[[dict], None]):
        super().__init__(keys_used=list(keys))
        self._act, self._lock = act, Lock()  # a kernel may take messages in several threads
        self.on_msg(self._on_message)

    def _on_message(self, _, content: dict, buffers: list) -> None:
        """`content`: the browser's page, what it did that was not confirmed (`acts`), and the number of the last.

        A kernel may deliver messages in another order than they were sent in, so each repeats those before it.
        """
        with self._lock:
            page, acts = content["page"], content["acts"]
            for seq, act in enumerate(acts, start=content["seq"] - len(acts) + 1):
                if seq > self.heard.get(page, 0):
                    self._act(act)
                    self.heard = {**self.heard, page: seq}
