"""Trading hours by contract, so that the night's silence is not taken for a stall.

Responsible for one question: is this market open now? It asks nobody; whoever has a schedule puts it
in. Pure: the clock is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibkr_async.models.contracts import TradingSchedule


class MarketHours:
    """Known hours: `ib.stream.hours[265598] = await ib.contracts.schedule(265598)`.

    A schedule covers some days only; put a new one in now and then. A contract whose hours are not
    known is judged by how busy it was (see `staleness`).
    """

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        self._wall_clock = wall_clock
        self._spans: dict[int, tuple[tuple[int, int], ...]] = {}

    def __setitem__(self, conid: int, schedule: TradingSchedule) -> None:
        self._spans[conid] = tuple(sorted(_spans(schedule)))

    def __delitem__(self, conid: int) -> None:
        del self._spans[conid]

    def __contains__(self, conid: object) -> bool:
        return conid in self._spans

    def is_open(self, target: str) -> bool | None:
        """Tell whether the market of `265598` or `265598@ARCA` is open; None where that is not known."""
        digits = target.partition("@")[0]
        spans = self._spans.get(int(digits)) if digits.isdecimal() else None
        now = self._wall_clock()
        if not spans or now >= max(closing for _, closing in spans):
            return None
        return any(opening <= now < closing for opening, closing in spans)


def _spans(schedule: TradingSchedule) -> list[tuple[int, int]]:
    return [
        (span.opening, span.closing)
        for day in (schedule.schedules or {}).values()
        for span in day.extended_hours or day.liquid_hours or ()
        if span.opening is not None and span.closing is not None
    ]
