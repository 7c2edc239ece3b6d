"""`ib.ladder`: the whole price ladder of one contract, folded from its changed rows.

Responsible for folding, and for beginning anew after a gap. It adds nothing that was not sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ibkr_async.feeds.feed import Fold, Folded
from ibkr_async.feeds.subscription import LadderTarget, Subscription, split
from ibkr_async.models.streaming import LadderRow, PriceLadder
from ibkr_async.stream.core.channel import Wish
from ibkr_async.stream.wire.topics import TOPICS

if TYPE_CHECKING:
    from ibkr_async.feeds.subscription import Upstream
    from ibkr_async.stream.delivery.buffer import Buffer
    from ibkr_async.types import ContractLike


class Ladder(Folded[PriceLadder]):
    """The ladder after each change (a repeated row is none): `async with ib.ladder("AAPL") as ladder: async for state in …`.

    A slow consumer skips intermediate states, never the newest. When data may be missing an empty
    ladder is given; the next one has what was sent since. Errors: as `ib.stream.price_ladder`.
    """

    def __init__(
        self,
        upstream: Upstream,
        contract: ContractLike,
        *,
        account_id: str | None = None,
        exchange: str | None = None,
    ) -> None:
        pattern = Wish(TOPICS["sbd"])
        wishes, unknown = split(pattern, [LadderTarget(account_id, contract, exchange)])
        line = Subscription(upstream, pattern, wishes, unknown)
        self._rows = _Rows(line.buffer)
        super().__init__(line, self._rows)

    @property
    def latest(self) -> PriceLadder:
        """The ladder as far as the iteration has come."""
        return self._rows.latest


class _Rows(Fold[PriceLadder]):
    """The newest row of each index."""

    def __init__(self, buffer: Buffer[Any]) -> None:
        super().__init__(buffer)
        self.latest = self._shown = PriceLadder()

    def fold(self, row: LadderRow, /) -> PriceLadder | None:
        """Put a row in its place; show the ladder once the frame, and what came since, is in it."""
        self.latest = self.latest.apply(row)
        if self._buffer.data_is_next or self.latest is self._shown:
            return None
        self._shown = self.latest
        return self.latest

    def reset(self, _topic: str, /) -> PriceLadder | None:
        """Forget every row."""
        if not self.latest.rows:
            return None
        self.latest = self._shown = PriceLadder()
        return self.latest
