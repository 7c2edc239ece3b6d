"""What the demo draws."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console

from ibkr_async.cli.demo_view import LiveView, PlainView, View
from ibkr_async.health import Health
from ibkr_async.models.base import decode
from ibkr_async.models.market_data import MarketDataUpdate
from ibkr_async.models.quotes import Quote
from ibkr_async.models.streaming import ProfitAndLoss, TradeUpdate
from ibkr_async.world import RealClock

QUOTE = Quote.empty(265598, "AAPL").apply(
    decode(
        MarketDataUpdate,
        b'{"conid":265598,"84":"189.50","86":"189.60","88":"1,200","83":-0.5,"6509":"RpB"}',
    )
)
HEALTH = Health(
    session="ready", account_id="DU1", socket_wanted=True, socket_connected=True,
    rate_limited=False, tickle_age_s=1.0, login_expires_in_s=None, unknown_orders=0, gaps=2,
    requests=1300,
)  # fmt: skip


class Shown:
    """A view whose output is kept."""

    def __init__(self, view: View, *, terminal: bool) -> None:
        self.view = view
        self._file = io.StringIO()
        view.console = Console(
            file=self._file, force_terminal=terminal, width=100, color_system=None, highlight=False
        )

    @property
    def text(self) -> str:
        return self._file.getvalue()


def fill(
    side: str, price: str, commission: str | None = None, execution: str = "e1"
) -> TradeUpdate:
    """Make an execution of ten shares."""
    return TradeUpdate(
        execution_id=execution, symbol="AAPL", side=side, size=Decimal("10.0"),
        price=Decimal(price), exchange="NASDAQ",
        commission=None if commission is None else Decimal(commission),
    )  # fmt: skip


def pnl(**values: Any) -> ProfitAndLoss:
    """Make a frame of profit and loss."""
    return ProfitAndLoss(key="DU1", **values)


@pytest.fixture
def plain() -> Shown:
    """Return the view of a pipe."""
    return Shown(PlainView(RealClock()), terminal=False)


def test_plain_view_prints_each_thing_once(plain: Shown) -> None:
    """Steps, a fill, then its commission; a repeated frame prints nothing."""
    view = plain.view
    with view:
        view.say("step [1]")
        view.quote(QUOTE)
        view.quote(QUOTE)  # within the same second
        view.fill(fill("B", "189.60"))
        view.fill(fill("B", "189.60", "1.0"))
        view.fill(fill("B", "189.60", "1.0"))
        view.pnl(pnl(dpl=-2.3, mv=1896.0))
        view.counts(quotes=1234, health=HEALTH)
    lines = plain.text.splitlines()

    assert lines[:4] == [
        "- step [1]",
        "  AAPL 189.50/189.60",
        "- bought 10 AAPL at 189.60",
        "- commission 1.0 USD for e1",
    ]
    assert lines[4] == "P&L  daily -2.30  market value 1,896.00"
    assert plain.text.count("bought") == 2  # the fill and the summary's "bought for"


def test_summary_adds_up(plain: Shown) -> None:
    """What was bought, sold and paid gives the result."""
    view = plain.view
    with view:
        view.fill(fill("B", "189.60", "1.0"))
        view.fill(fill("S", "190.60", "1.0", execution="e2"))
        view.counts(quotes=1234, health=HEALTH)

    assert "1,234" in plain.text
    assert "1,896.00 USD" in plain.text
    assert "1,906.00 USD" in plain.text
    assert "+8.00 USD" in plain.text
    assert "ok: session ready, socket connected, 2 gaps" in plain.text


def test_failed_run_shows_no_summary(plain: Shown) -> None:
    """After an error the error is what matters."""
    with pytest.raises(ZeroDivisionError), plain.view:
        raise ZeroDivisionError

    assert plain.text == ""


def test_live_page_shows_steps_quotes_fills_and_result() -> None:
    """One page with everything; a value that is not known is a dash."""
    view = LiveView(RealClock())
    shown = Shown(view, terminal=True)
    # The table draws on the terminal that it was started with; here on a string.
    view._live.console = view.console
    with view:
        view.say("ready")
        view.quote(QUOTE)
        view.quote(Quote.empty(1, "XYZ"))
        view.fill(fill("B", "189.60"))
        view.fill(fill("?", "1.00", "0.5", execution="e2"))
        view.pnl(pnl(upl=1.0))
        # Drawn now, not when its own thread comes to it.
        view._live.refresh()

    for words in ("ready", "AAPL", "189.50", "1,200", "-0.50 %", "real time", "XYZ", "delayed",
                  "bought 10 AAPL at 189.60", "pending", "0.5 USD", "unrealised +1.00", "Summary"):  # fmt: skip
        assert words in shown.text


def test_live_page_of_a_failed_run_has_no_summary() -> None:
    """As for the plain view; the terminal is given back."""
    view = LiveView(RealClock())
    shown = Shown(view, terminal=True)
    # The table draws on the terminal that it was started with; here on a string.
    view._live.console = view.console
    view.say("begun")
    with pytest.raises(ZeroDivisionError), view:
        raise ZeroDivisionError

    assert "waiting for the first figures" in shown.text
    assert "Summary" not in shown.text


def test_base_view_shows_nothing_of_itself() -> None:
    """It only collects."""
    shown = Shown(View(RealClock()), terminal=False)
    with shown.view:
        shown.view.say("step")
        shown.view.quote(QUOTE)

    assert shown.text == ""
    assert shown.view.steps == ["step"]
