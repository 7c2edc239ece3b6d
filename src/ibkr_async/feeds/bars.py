"""`ib.bars`: the past and the present of one contract's bars, without a hole and without a repetition.

How it is put together:

* **Final bars come from IBKR's history**, never from what was streamed. When a bar has ended, the history
  since the last final bar is asked for, two seconds later; one request for each bar. The same request
  heals a reconnect: it begins where the last final bar was, however long the gap.
* **The growing bar is built from `smd`** on top of the history's unfinished one, and is shown only when it
  is known to begin where the final one will (see `_bar_builder`). `smh` is not used: only
  five of them may be open, no recording of one is public, and IBKR's documents disagree on whether it
  sends more than one answer. `smd` is sampled twice a second, so that a growing bar may miss an extreme;
  the final bar has it.
* If history cannot be asked when a bar ends (its limit is 50 a minute for all contracts), a bar that was
  seen whole is given as final with `source="quotes"`. One that was not is waited for.

Bars are given in order: the next one does not begin to grow before the last one is final.

Responsible for that order. It must never give a final bar twice or skip one that IBKR has.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING, Final

import msgspec

from ibkr_async.backoff import capped
from ibkr_async.errors import (
    AuthError,
    IbkrError,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    SessionError,
    UnauthorizedError,
    UsageError,
    is_retryable,
)
from ibkr_async.feeds._backfill import is_cut, length_s, next_page, read_page
from ibkr_async.feeds._bar_builder import BarBuilder
from ibkr_async.feeds.feed import Feed, FeedState
from ibkr_async.feeds.subscription import Subscription
from ibkr_async.models.history import span_s
from ibkr_async.models.market_data import MarketDataUpdate
from ibkr_async.models.streaming import PriceBar
from ibkr_async.stream.core.channel import Wish
from ibkr_async.stream.delivery.buffer import Buffer
from ibkr_async.stream.delivery.events import Gap, Resumed
from ibkr_async.stream.wire.topics import TOPICS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import Any

    from ibkr_async.feeds.subscription import Upstream
    from ibkr_async.models.history import HistoryReply
    from ibkr_async.stream.delivery.events import Marker
    from ibkr_async.types import ContractLike

_log = logging.getLogger("ibkr_async.stream")

BAR_FIELDS: Final = ("31", "7762")
"""What a growing bar is built from: the last price, and the exact volume of the day."""

_LONGEST_LIVE_S: Final = 86_400
_TRIES_AT_FIRST: Final = 3
"""So often the first request is made: the history farm may be waking up."""
_LOOKS_FOR_A_BAR: Final = 3
"""So often history is asked for a bar that was seen here before it is believed that there is none."""
_LONGEST_PAUSE_S: Final = 60.0
_LONGEST_DOUBT_S: Final = 300.0
_LONGEST_PENALTY_S: Final = 900.0
_QUARTER_MS: Final = 900_000
_MOST_BARS_AT_ONCE: Final = 10_000
"""Ten times what one page of history has: more never waits, as more is asked for when all is taken."""

_PASSING: Final = (AuthError, SessionError, UnauthorizedError)


class _BarLine(Subscription):
    """The line of bars: the market data of one contract, or only its number."""

    def __init__(
        self, upstream: Upstream, contract: ContractLike, *, exchange: str | None, live: bool
    ) -> None:
        super().__init__(upstream, Wish(TOPICS["smd"], "", {"fields": BAR_FIELDS}), (), [contract])
        self.live = live
        self.conid = 0
        """0 before it was looked up."""
        self._exchange = exchange

    async def _wishes_for(self, targets: Sequence[Any]) -> list[Wish]:
        (wish,) = await super()._wishes_for(targets)
        conid, _, exchange = wish.target.partition("@")
        self.conid = int(conid)
        exchange = self._exchange or exchange
        target = f"{conid}@{exchange}" if exchange else conid
        return [self._pattern.for_target(target)] if self.live else []


class Bars(Feed[PriceBar]):
    """Bars of one contract: `async with ib.bars(…) as bars: async for bar in bars:`.

    It may also be iterated without `async with`; it then begins with the first step, and ends with
    `aclose`, with the client, or when nobody holds it any more. Gaps are healed from the history;
    `marked()` shows them all the same.

    A long past waits for IBKR's limit of requests as long as it takes: `waits_s`, and a line in the log.

    Errors: at the beginning those of `ib.market_data.history`; later those of a market-data feed, and
    a refusal of IBKR that asking again cannot change.
    Cancellation: safe at every step; no bar is lost.
    Concurrency: one task at a time.
    """

    _opens_itself = True

    def __init__(
        self,
        upstream: Upstream,
        history: Callable[[int, str, datetime | None], Awaitable[HistoryReply]],
        contract: ContractLike,
        *,
        bar: str,
        since: str | datetime,
        exchange: str | None = None,
        live: bool = True,
        forming: bool = True,
        settle_s: float = 2.0,
    ) -> None:
        """`history(conid, period, until)` asks IBKR.

        `settle_s` is how long after its end a bar is asked for: late prints still count.
        """
        self.bar = bar
        self._length_s = length_s(bar)
        self._live = live
        if live and self._length_s > _LONGEST_LIVE_S:
            raise UsageError(f"bar {bar!r} cannot be followed live; use live=False, or at most 1d")
        line = _BarLine(upstream, contract, exchange=exchange, live=live)
        self._given: Buffer[PriceBar] = Buffer(
            line.buffer.name, policy="fail", capacity=_MOST_BARS_AT_ONCE
        )
        """Bars that have not been taken yet."""
        super().__init__(line, self._given)
        self._history = history
        self._forming = forming and live
        self._settle_ms = round(settle_s * 1000)
        self._clock = upstream.clock
        self._ahead_ms = 0
        """How far IBKR's clock is ahead of ours, as far as the last update shows."""
        self._next_ms = _since_ms(since, self._now_ms())
        """Start of the first bar that is still to be given as final."""
        self._builder = BarBuilder(0, self._length_s)
        self._ended: list[tuple[PriceBar, bool]] = []
        """Bars that have ended here and are not final yet, and whether they were seen whole."""
        self._looks = 0
        self._fill_at: float | None = -inf
        """When history is asked for next, on the monotonic clock; None when it has nothing to add."""
        self._failures = 0
        self._begun = False
        self._doubts = self._doubted_in = 0
        """How often history was asked where the growing bar begins, and in which quarter of an hour."""
        self._shown: PriceBar | None = None
        """The growing bar that was given last."""

    @property
    def conid(self) -> int:
        """The contract, 0 before it was looked up."""
        return self._line.conid  # type: ignore[attr-defined,no-any-return]  # it is a `_BarLine`

    @property
    def waits_s(self) -> float:
        """Seconds until history is asked again, as for IBKR's limit of requests; 0 when nothing is due."""
        due = self._fill_at
        return 0.0 if due is None else max(0.0, due - self._clock.monotonic())

    async def _open(self) -> None:
        await super()._open()
        self._builder = BarBuilder(self.conid, self._length_s)

    async def aclose(self) -> None:
        """Unsubscribe and end the iteration. Idempotent."""
        await super().aclose()
        self._given.close()

    async def _more(self) -> None:
        """Ask history, or listen: whatever is due."""
        if self._state is FeedState.NEW:
            await self._open()
            return
        if self._state is FeedState.CLOSED or (not self._live and self._fill_at is None):
            await self.aclose()
            raise StopAsyncIteration
        if self._fill_at is not None and self._clock.monotonic() >= self._fill_at:
            await self._fill()
        else:
            await self._listen()

    # --- the past --------------------------------------------------------------------------------

    async def _fill(self) -> None:
        """Ask for the next page of history and give what is final of it."""
        now_ms = self._now_ms()
        page = next_page(self.bar, self._next_ms, now_ms)
        until = None if page.until_ms is None else _utc(page.until_ms)
        try:
            reply = await self._history(self.conid, page.period, until)
        except (RefusedError, NotFoundError) as error:
            if page.until_ms is None or self._failures < _TRIES_AT_FIRST - 1:
                self._note_failure(error)
            else:
                # So it says for a span without trading, such as a weekend.
                self._next_ms, self._failures = page.until_ms, 0
            return
        except IbkrError as error:
            self._note_failure(error)
            return
        self._failures = 0
        settled_ms = now_ms - self._settle_ms
        bars = read_page(reply, page, conid=self.conid, length_s=self._length_s, now_ms=settled_ms)
        began_ms = self._next_ms
        for bar in bars:
            if bar.t >= self._next_ms and bar.final:
                self._give(bar)
        end_ms = now_ms if page.until_ms is None else page.until_ms
        if self._next_ms > began_ms and is_cut(reply, self._length_s, end_ms):
            return  # the next page begins where this one was cut
        if page.until_ms is not None:
            self._next_ms = max(self._next_ms, page.until_ms - self._length_s * 1000)
            return
        self._begun = True
        self._fill_at = None
        if bars and not bars[-1].final:
            self._seed(bars[-1])
        self._look_for_the_rest()

    def _seed(self, bar: PriceBar) -> None:
        growing = self._builder.bar
        if growing is None or growing.t <= bar.t or self._builder.in_doubt:
            self._builder.seed(bar, self._now_ms())
            self._doubts = 0
            self._show()

    def _give(self, bar: PriceBar) -> None:
        self._given.put(bar)
        self._next_ms = bar.t + 1
        self._ended = [one for one in self._ended if one[0].t > bar.t]

    def _look_for_the_rest(self) -> None:
        """Bars that were seen here and that history does not have yet: ask again, a few times."""
        if not self._ended:
            self._looks = 0
            return
        self._looks += 1
        if self._looks < _LOOKS_FOR_A_BAR:
            self._fill_at = self._clock.monotonic() + max(self._settle_ms, 1) / 1000
        else:
            # IBKR has no such bar, as outside regular hours when those were not asked for.
            self._ended.clear()
            self._looks = 0

    def _note_failure(self, error: IbkrError) -> None:
        """Ask again later; give meanwhile what was seen whole. Raises what asking cannot change."""
        asked_for_s = error.retry_after_s if isinstance(error, RateLimitedError) else None
        # Too many requests are no failure: as long as it takes, a download waits for its turn.
        self._failures += asked_for_s is None
        may_pass = is_retryable(error) or isinstance(error, NotFoundError)
        if self._begun:
            # Around the nightly reset IBKR refuses what it accepts again an hour later.
            may_pass = may_pass or isinstance(error, _PASSING)
        if not may_pass or (not self._begun and self._failures >= _TRIES_AT_FIRST):
            self._failures = 0
            raise error
        while self._begun and self._ended and self._ended[0][1]:
            bar, _ = self._ended[0]
            self._give(_final(bar))
        if self._begun and not self._ended and self._builder.complete:
            self._fill_at = None
            return
        pause_s = capped(1.0, max(0, self._failures - 1), _LONGEST_PAUSE_S)
        if asked_for_s is not None:
            pause_s = min(max(pause_s, asked_for_s), _LONGEST_PENALTY_S)
            _log.info("%r waits %.0f s for IBKR's limit of requests for history", self, pause_s)
        self._fill_at = self._clock.monotonic() + pause_s

    # --- the present -----------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Wait for updates, or until something is due, and fold them in."""
        end_ms, wait_s = self._builder.end_ms, None
        if self._fill_at is not None:
            wait_s = max(0.0, self._fill_at - self._clock.monotonic())
        elif end_ms is not None and not self._is_empty:
            wait_s = max(0.0, (end_ms - self._now_ms()) / 1000)
        if not self._live:
            await self._clock.sleep(wait_s or 0.0)
            return
        if not len(self._buffer):
            self._check_may_wait()
            if self._buffer.ended:
                await self._end()
            await self._wait(wait_s)
        batch = self._buffer.take_all_marked()
        for item in batch:
            self._fold(item)
        self._note_ended(self._builder.end(self._now_ms()))
        if batch:
            self._ask_if_in_doubt()
            self._show()

    def _ask_if_in_doubt(self) -> None:
        """Ask history where the growing bar begins: soon, then seldom, and soon again each quarter of an hour.

        Sessions begin at those; until then IBKR may have no bar at all, as before the opening.
        """
        if self._fill_at is not None or not self._builder.in_doubt:
            return
        quarter = self._now_ms() // _QUARTER_MS
        if quarter != self._doubted_in:
            self._doubted_in, self._doubts = quarter, 0
        pause_s = capped(max(self._settle_ms, 1) / 1000, self._doubts, _LONGEST_DOUBT_S)
        self._fill_at = self._clock.monotonic() + pause_s
        self._doubts += 1

    @property
    def _is_empty(self) -> bool:
        return self._builder.bar is None or self._builder.bar.close is None

    def _fold(self, item: MarketDataUpdate | Marker) -> None:
        if isinstance(item, MarketDataUpdate):
            wall_ms = round(self._clock.wall() * 1000)
            self._ahead_ms = max(0, (item.updated_ms or 0) - wall_ms)
            self._note_ended(self._builder.apply(item, self._now_ms()))
            return
        if isinstance(item, Gap):
            self._builder.interrupt()
        elif isinstance(item, Resumed):
            self._fill_at = self._clock.monotonic()
        self._given.mark(item)

    def _note_ended(self, ended: tuple[PriceBar, bool] | None) -> None:
        if ended is None or ended[0].close is None or ended[0].t < self._next_ms:
            return
        self._ended.append(ended)
        if self._fill_at is None:
            settled_ms = ended[0].t + self._length_s * 1000 + self._settle_ms
            wait_s = max(0.0, (settled_ms - self._now_ms()) / 1000)
            self._fill_at = self._clock.monotonic() + wait_s

    def _show(self) -> None:
        """Show the growing bar if it has changed, unless an older one is not final yet."""
        bar = self._builder.bar
        if not self._forming or bar is None or self._is_empty or self._ended or bar == self._shown:
            return
        if self._builder.in_doubt:
            return
        self._shown = bar
        self._given.put(bar)

    def _now_ms(self) -> int:
        """Return the time: IBKR's, where ours is behind, or bars would be missed between the two."""
        return round(self._clock.wall() * 1000) + self._ahead_ms


def _final(bar: PriceBar) -> PriceBar:
    return msgspec.structs.replace(bar, final=True, source="quotes")


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC)


def _since_ms(since: str | datetime, now_ms: int) -> int:
    if isinstance(since, datetime):
        if since.tzinfo is None:
            raise UsageError("since has no time zone; use datetime(..., tzinfo=UTC)")
        return round(since.timestamp() * 1000)
    seconds = span_s(since)
    if seconds is None:
        raise UsageError(f"since={since!r} is not a span such as '2d' or '8h', nor a datetime")
    return now_ms - seconds * 1000
