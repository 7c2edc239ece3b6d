"""How the past is asked for: in pages that IBKR can answer whole, oldest first.

Responsible for spans and for turning an answer into bars. It must never want more than a thousand bars at
once, since IBKR cuts an answer there without saying at which end. Pure.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final, NamedTuple

from ibkr_async.errors import UsageError
from ibkr_async.feeds._bar_builder import longest_ms
from ibkr_async.models.history import BARS, span_s
from ibkr_async.models.streaming import PriceBar

if TYPE_CHECKING:
    from ibkr_async.models.history import HistoryReply

_MOST_BARS: Final = 1000
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400
_LONGEST: Final = "15y"
_LONG_BARS: Final = frozenset({"1w", "1m"})


class Page(NamedTuple):
    """One request for history."""

    period: str
    """Span that ends at `until_ms`."""
    until_ms: int | None
    """End of the span, Unix milliseconds; None is now."""


def length_s(bar: str) -> int:
    """Return the length of a bar size in seconds. Errors: `UsageError` for one that IBKR has not."""
    seconds = span_s(bar)
    if bar not in BARS or seconds is None:
        raise UsageError(
            f"bar {bar!r} is not one of {', '.join(BARS)} (m is a month, min a minute)"
        )
    return seconds


def next_page(bar: str, since_ms: int, now_ms: int) -> Page:
    """Return what to ask for first, to have everything from `since_ms` to now in the end."""
    seconds = length_s(bar)
    if bar in _LONG_BARS:
        return Page(_LONGEST, None)
    longest = (_MOST_BARS - 1) * seconds  # IBKR adds the bar that begins at the end
    # The bar that is growing, and one for windows that do not begin on the grid.
    wanted = ceil((now_ms - since_ms) / 1000) + 2 * seconds
    if wanted <= longest:
        return Page(period_of(max(wanted, 3 * seconds)), None)
    until_ms = since_ms + longest * 1000
    return Page(period_of(longest), until_ms if until_ms < now_ms else None)


def period_of(seconds: int) -> str:
    """Spell a span as IBKR does, rounded up: minutes up to 30, hours up to 8, then days."""
    if seconds <= 30 * _MINUTE_S:
        return f"{ceil(seconds / _MINUTE_S)}min"
    if seconds <= 8 * _HOUR_S:
        return f"{ceil(seconds / _HOUR_S)}h"
    return f"{ceil(seconds / _DAY_S)}d"


def is_cut(reply: HistoryReply, length_s: int, end_ms: int) -> bool:
    """Tell whether IBKR may have left out the newest bars before the end of the span that was asked for.

    A period is whole hours or days, and so may hold more bars than are wanted.
    """
    newest_ms = max((bar.t or 0 for bar in reply.bars), default=0)
    return len(reply.bars) >= _MOST_BARS and newest_ms + 2 * length_s * 1000 < end_ms


def read_page(
    reply: HistoryReply, page: Page, *, conid: int, length_s: int, now_ms: int
) -> list[PriceBar]:
    """Return the bars of an answer, oldest first; those that have ended are final.

    A bar has ended when the next one has begun, or when its time is over, be its day ever so long. Of a page that ends in the
    past, a bar that reaches beyond the end is left out: the next page has it whole.
    """
    known = sorted(reply.bars, key=lambda bar: bar.t or 0)
    newest = known[-1].t if known else None
    bars = []
    for bar in known:
        start = bar.t or 0
        if page.until_ms is not None and start + length_s * 1000 > page.until_ms:
            continue
        bars.append(
            PriceBar(
                conid=conid,
                t=start,
                length_s=length_s,
                open=bar.open,
                high=bar.high,
                low=bar.low,
                close=bar.close,
                volume=reply.shares(bar),
                final=start != newest or start + longest_ms(length_s) <= now_ms,
                source="history",
            )
        )
    return bars
