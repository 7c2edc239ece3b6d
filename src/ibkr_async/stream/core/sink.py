"""Where the core puts what came for one consumer. The consumer's side is `feeds`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibkr_async.errors import IbkrError
    from ibkr_async.stream.core.events import Marker


class Sink(Protocol):
    """One consumer's bounded queue. Nothing here blocks, and nothing raises."""

    on_closed: Callable[[], None] | None
    """Called when the consumer has gone, or has taken the last item after the end."""

    @property
    def messages_waiting(self) -> int:
        """How many items the consumer has not taken."""
        ...

    def put(self, item: Any, source: str = "") -> None:
        """Take in one item; `source` is its topic, where the item does not say it itself."""
        ...

    def mark(self, marker: Marker) -> None:
        """Take in a marker, after everything that came before it."""
        ...

    def skip(self) -> None:
        """Count an item of the topic that had nothing of what this consumer asked for."""
        ...

    def end(self, error: IbkrError | None = None) -> None:
        """Say that nothing more comes. What waits can still be taken."""
        ...
