"""Where the frames of one socket go, and in which of the recorded spellings.

Responsible for the quirks that any topic can have: `args` as an object or an array, frames that
come more than once, topics that have fallen silent. It must never know what a topic means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ibkr_async.simulator.wire import frame, topic_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ibkr_async.simulator.sockets.floor import Floor


class Outlet:
    """Sends the frames of one socket's streams."""

    def __init__(self, floor: Floor, emit: Callable[[str], None]) -> None:
        self._floor = floor
        self._emit = emit

    def send(self, content: Mapping[str, Any]) -> None:
        """Send a frame whose keys stand in the order of the wire."""
        self.send_text(str(content.get("topic", "")), frame(content))

    def send_args(self, topic: str, args: Any) -> None:
        """Send a frame of the `{"topic":…,"args":…}` shape.

        With the switch `args_shape` at `object`, several rows become several frames.
        """
        shape = self._floor.settings.args_shape
        if shape == "array" and not isinstance(args, list):
            args = [args]
        if shape == "object" and isinstance(args, list) and args:
            for row in args:
                self.send_text(topic, topic_frame(topic, row))
            return
        self.send_text(topic, topic_frame(topic, args))

    def send_text(self, topic: str, text: str) -> None:
        """Send a frame that is already written."""
        if self._floor.is_muted(topic):
            return
        for _ in range(self._floor.settings.frame_copies):
            self._emit(text)
