"""Market data over REST: snapshots, history, unsubscribing.

Responsible for the endpoints below `/iserver/marketdata` and their warm-up behaviour. It must
never send to a socket: the server shell silences streams after an unsubscribe.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ibkr_async.simulator.answers import (
    BAD_REQUEST,
    SERVER_ERROR,
    Answer,
    Call,
    Routes,
    failure,
    ok,
)
from ibkr_async.simulator.broker import market_payloads, spelling

if TYPE_CHECKING:
    from ibkr_async.simulator.broker.bars import History, PastBar
    from ibkr_async.simulator.broker.state import BrokerState

_MOST_CONIDS = 100
_MOST_FIELDS = 50
_MOST_BARS = 1000
_PRICE_FACTOR = 100
_DAY_S = 86_400
_UNIT_S = {"min": 60, "h": 3600, "d": _DAY_S, "w": 7 * _DAY_S, "m": 30 * _DAY_S, "y": 365 * _DAY_S}
_LENGTH = re.compile(r"(\d{1,4})(min|h|d|w|m|y)")
_BAR_SIZES = frozenset({
    "1min", "2min", "3min", "5min", "10min", "15min", "30min",
    "1h", "2h", "3h", "4h", "8h", "1d", "1w", "1m",
})  # fmt: skip


class MarketRest:
    """Serves `/iserver/marketdata`."""

    def __init__(self, state: BrokerState, history: History) -> None:
        self._state = state
        self._history = history

    def add_to(self, routes: Routes) -> None:
        """Register the endpoints."""
        routes.add("GET", "/iserver/marketdata/snapshot", self.snapshot)
        routes.add("GET", "/iserver/marketdata/history", self.history)
        routes.add("POST", "/iserver/marketdata/unsubscribe", self.unsubscribe)
        routes.add("GET", "/iserver/marketdata/unsubscribeall", self.unsubscribe_all)

    def snapshot(self, call: Call) -> Answer:
        """Answer a snapshot: what a line has had time to fetch, and only ids before that.

        Source: GET /iserver/marketdata/snapshot, "Live Market Data Snapshot".
        """
        refused = self._state.accounts_missing()
        if refused is not None:
            return refused
        texts = [text for text in call.query.get("conids", "").split(",") if text]
        tags = [tag for tag in call.query.get("fields", "").split(",") if tag]
        if not texts or len(texts) > _MOST_CONIDS or len(tags) > _MOST_FIELDS:
            return failure(BAD_REQUEST, "Bad Request: conids or fields are missing or too many")
        if not all(text.partition("@")[0].isdigit() for text in texts):
            return failure(BAD_REQUEST, "Bad Request: invalid conid")
        return ok([self._row(text, tags, call.now) for text in texts])

    def _row(self, conid_ex: str, tags: list[str], now: float) -> dict[str, Any]:
        state = self._state
        conid = int(conid_ex.partition("@")[0])
        row: dict[str, Any] = {"conidEx": conid_ex, "conid": conid}
        # Without a free line, and for an unknown contract, the row stays bare for ever.
        if not state.open_line(conid):
            return row
        asked = state.memory.lines[conid]
        ready = [tag for tag in tags if self._is_ready(asked, tag, now)]
        values = market_payloads.field_values(state, conid, ready)
        if not values:
            return row
        server_id = state.server_id(conid)
        row["_updated"] = spelling.milliseconds(state.board[conid].updated)
        row["server_id"] = row["6119"] = server_id
        row["6509"] = market_payloads.field_values(state, conid, ["6509"])["6509"]
        change = values.get(market_payloads.CHANGE_PCT)
        if change is not None:
            values[market_payloads.CHANGE_PCT] = f"{change:.2f}%"
        return row | values

    def _is_ready(self, asked: dict[str, float], tag: str, now: float) -> bool:
        """Tell whether a field was asked for before, long enough ago; remember that it was."""
        settings = self._state.settings
        first = asked.get(tag)
        if first is None:
            asked[tag] = now
            return not settings.snapshot_warm_up
        return now - first >= settings.snapshot_delay_s

    def unsubscribe(self, call: Call) -> Answer:
        """Close one instrument's line; a line that is not open is a server error."""
        conid = str(call.field("conid"))
        if conid.isdigit() and self._state.close_line(int(conid)):
            return ok({"success": True})
        return failure(SERVER_ERROR, "unknown", with_code=False)

    def unsubscribe_all(self, _call: Call) -> Answer:
        """Close every line."""
        self._state.memory.lines.clear()
        return ok({"unsubscribed": True})

    def history(self, call: Call) -> Answer:
        """Answer bars, oldest first, the last one still forming.

        Source: GET /iserver/marketdata/history, "Historical Market Data".
        """
        if self._state.settings.history_wakes_up and not self._state.memory.warmed("history"):
            return failure(SERVER_ERROR, "No data: history farm is connecting", with_code=False)
        conid = call.query.get("conid", "")
        if not conid.isdigit() or int(conid) not in self._state.instruments:
            return failure(SERVER_ERROR, "unknown contract", with_code=False)
        window = _window(call)
        if isinstance(window, Answer):
            return window
        bars = self._history.bars(
            int(conid), end=window.end, length=window.bar_s, count=window.most
        )
        outside = call.flag("outsideRth")
        return ok(self._payload(int(conid), bars, window, outside_rth=outside))

    def _payload(
        self, conid: int, bars: list[PastBar], window: _Window, *, outside_rth: bool
    ) -> dict[str, Any]:
        instrument = self._state.instruments[conid]
        factor = self._state.settings.volume_factor
        start = bars[0].time if bars else 0
        digits = instrument.decimals
        highest = max(bars, key=lambda bar: bar.high, default=None)
        lowest = min(bars, key=lambda bar: bar.low, default=None)
        return {
            "serverId": str(500_000 + conid % 100_000),
            "symbol": instrument.symbol,
            "text": instrument.company,
            "priceFactor": _PRICE_FACTOR,
            "startTime": spelling.trade_time(start),
            "high": _extreme(highest.high, highest, start, factor) if highest else "",
            "low": _extreme(lowest.low, lowest, start, factor) if lowest else "",
            "timePeriod": window.period,
            "barLength": window.bar_s,
            "mdAvailability": "S",
            "mktDataDelay": 0,
            "outsideRth": outside_rth,
            "tradingDayDuration": 390,
            "volumeFactor": factor,
            "priceDisplayRule": 1,
            "priceDisplayValue": str(digits),
            "negativeCapable": False,
            "messageVersion": 2,
            "data": [
                {
                    "o": round(bar.open, digits),
                    "c": round(bar.close, digits),
                    "h": round(bar.high, digits),
                    "l": round(bar.low, digits),
                    "v": bar.volume / factor,
                    "t": bar.time * 1000,
                }
                for bar in bars
            ],
            # One less than the number of bars in the recordings.
            "points": max(0, len(bars) - 1),
            "travelTime": 12,
        }


class _Window(NamedTuple):
    """Which bars were asked for."""

    period: str
    bar_s: int
    most: int
    """How many bars at most."""
    end: float


def _window(call: Call) -> _Window | Answer:
    """Read a history request, or the refusal that it gets."""
    query = call.query
    if query.get("direction", "-1") == "1":
        return failure(SERVER_ERROR, "Chart data unavailable", with_code=False)
    period, bar = query.get("period", "1d"), query.get("bar", "")
    period_s = _seconds(period)
    if period_s is None:
        return failure(BAD_REQUEST, f"Invalid period: {period}")
    bar_s = _seconds(bar) if bar in _BAR_SIZES else None
    if bar_s is None:
        return failure(SERVER_ERROR, f"Invalid bar size: {bar}", with_code=False)
    end = _end(call)
    if end is None:
        return failure(BAD_REQUEST, f"Invalid startTime: {query.get('startTime')}")
    return _Window(period, bar_s, min(_MOST_BARS, max(1, period_s // bar_s)), end)


def _seconds(text: str) -> int | None:
    """Return the length of a period or bar in seconds; None when it is not one."""
    match = _LENGTH.fullmatch(text)
    return int(match[1]) * _UNIT_S[match[2]] if match and int(match[1]) else None


def _end(call: Call) -> float | None:
    """Return the end of the window: `startTime` is its end, since it is read backwards."""
    text = call.query.get("startTime", "")
    if not text:
        return call.now
    moment = spelling.read_trade_time(text)
    return None if moment is None else min(call.now, moment)


def _extreme(price: float, bar: PastBar, start: int, factor: int) -> str:
    """Write a window's high or low as scaled price, volume and minutes from its start."""
    minutes = (bar.time - start) // 60
    volume = f"{bar.volume / factor:.3f}".rstrip("0").rstrip(".")
    return f"{round(price * _PRICE_FACTOR)}/{volume}/{minutes}"
