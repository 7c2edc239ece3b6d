"""What the demo shows: a live page on a terminal, plain lines elsewhere.

Responsible for words and layout only; it asks nothing of the client.
"""

from __future__ import annotations

import os
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

    from rich.console import RenderableType

    from ibkr_async.health import Health
    from ibkr_async.models.quotes import Quote
    from ibkr_async.models.streaming import ProfitAndLoss, TradeUpdate
    from ibkr_async.orders.handle import OrderHandle
    from ibkr_async.world import Clock

_SIDES: Final = {"B": "bought", "S": "sold"}


class _PipeAwareConsole(Console):
    """A console that leaves it to the demo to end when nobody reads any more."""

    def on_broken_pipe(self) -> None:
        """Raise an ordinary error; rich would raise `SystemExit`, which tears an event loop apart."""
        # What is still buffered is thrown away, or Python would complain about it when it exits.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        raise BrokenPipeError


class View:
    """Collects what happens. This base prints nothing; the subclasses decide what is seen when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.console: Console = _PipeAwareConsole(highlight=False)
        self.steps: list[str] = []
        self.quotes: dict[str, Quote] = {}
        self.orders: list[OrderHandle] = []
        self.fills: dict[str, TradeUpdate] = {}
        """By execution id: each fill is sent twice, the second time with its commission."""
        self.latest_pnl: dict[str, float] = {}
        self.quotes_seen = 0
        self.health: Health | None = None
        self._began = self._clock.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    # --- what the bot tells ----------------------------------------------------------------------

    def say(self, step: str) -> None:
        """Show a step of the bot."""
        self.steps.append(step)

    def quote(self, quote: Quote) -> None:
        """Show a quote."""
        self.quotes[quote.symbol] = quote

    def order(self, live: OrderHandle) -> None:
        """Show an acknowledged order."""
        self.orders.append(live)
        for leg in live.legs:
            self.say(f"acknowledged: {leg.role} {leg.order_id}, {leg.state.status}")

    def fill(self, fill: TradeUpdate) -> None:
        """Show a fill, or the commission of one that is shown already."""
        self.fills[fill.execution_id or ""] = fill

    def pnl(self, pnl: ProfitAndLoss) -> None:
        """Show profit and loss; a frame names only what has changed."""
        named = {"daily": pnl.dpl, "unrealised": pnl.upl, "market value": pnl.mv}
        self.latest_pnl |= {name: value for name, value in named.items() if value is not None}

    def counts(self, *, quotes: int, health: Health) -> None:
        """Take the numbers of the closing summary."""
        self.quotes_seen, self.health = quotes, health

    # --- parts -----------------------------------------------------------------------------------

    def summary(self) -> Table:
        """Lay out the closing summary."""
        bought = _cash(self.fills.values(), "B")
        sold = _cash(self.fills.values(), "S")
        fees = sum((fill.commission or Decimal(0) for fill in self.fills.values()), Decimal(0))
        table = Table(title="Summary", show_header=False, title_justify="left", min_width=44)
        table.add_column(style="dim")
        table.add_column(justify="right")
        table.add_row("quotes received", f"{self.quotes_seen:,}")
        table.add_row("orders acknowledged", str(sum(len(live.legs) for live in self.orders)))
        table.add_row("fills", str(len(self.fills)))
        table.add_row("bought for", f"{bought:,.2f} USD")
        table.add_row("sold for", f"{sold:,.2f} USD")
        table.add_row("commissions", f"{fees:,.2f} USD")
        table.add_row("result", _signed(float(sold - bought - fees)) + " USD")
        if self.health is not None:
            table.add_row("REST requests", str(self.health.requests))
            table.add_row("interruptions", str(self.health.gaps))
            table.add_row("health", str(self.health))
        table.add_row("time", f"{self._clock.monotonic() - self._began:.1f} s")
        return table

    def pnl_line(self) -> str:
        """Write profit and loss in one line."""
        parts = [
            f"{name} {value:,.2f}" if name == "market value" else f"{name} {_signed(value)}"
            for name, value in self.latest_pnl.items()
        ]
        return "P&L  " + ("  ".join(parts) if parts else "waiting for the first figures")


class PlainView(View):
    """Lines for a pipe or CI: each step and fill as it happens, quotes once a second."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._next_quotes = 0.0
        self._said_commission: set[str] = set()

    def say(self, step: str) -> None:
        """Print a step."""
        super().say(step)
        self.console.print(f"- {step}")

    def quote(self, quote: Quote) -> None:
        """Print all quotes, at most once a second."""
        super().quote(quote)
        if self._clock.monotonic() >= self._next_quotes:
            self._next_quotes = self._clock.monotonic() + 1.0
            shown = [f"{q.symbol} {_price(q.bid)}/{_price(q.ask)}" for q in self.quotes.values()]
            self.console.print("  " + "   ".join(shown), markup=False)

    def fill(self, fill: TradeUpdate) -> None:
        """Print a fill when it comes, and its commission when that comes."""
        known = (fill.execution_id or "") in self.fills
        super().fill(fill)
        if not known:
            self.console.print(f"- {_describe(fill)}")
        elif fill.commission is not None and fill.execution_id not in self._said_commission:
            self._said_commission.add(fill.execution_id or "")
            self.console.print(f"- commission {fill.commission} USD for {fill.execution_id}")

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_type is None:
            self.console.print(self.pnl_line())
            self.console.print(self.summary())


class LiveView(View):
    """One page that is redrawn a few times a second."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._live = Live(
            console=self.console, get_renderable=self._page, refresh_per_second=8, transient=False
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()
        if exc_type is None:
            self.console.print(self.summary())

    def _page(self) -> RenderableType:
        steps = Text("\n").join(Text.assemble(("✓ ", "green"), step) for step in self.steps)
        parts: list[RenderableType] = [steps]
        if self.quotes:
            parts.append(self._quote_table())
        if self.fills:
            parts.append(self._fill_table())
        parts.append(Text(self.pnl_line(), style="bold"))
        return Group(*parts)

    def _quote_table(self) -> Table:
        table = Table(title="Quotes", title_justify="left", min_width=72)
        table.add_column("symbol", style="bold")
        for name in ("bid", "ask", "last", "bid size", "ask size", "change"):
            table.add_column(name, justify="right", min_width=9)
        table.add_column("data", style="dim")
        for symbol in sorted(self.quotes):
            quote = self.quotes[symbol]
            change = quote.change_pct
            style = "" if not change else "green" if change > 0 else "red"
            table.add_row(
                symbol,
                _price(quote.bid),
                _price(quote.ask),
                _price(quote.last),
                _size(quote.bid_size),
                _size(quote.ask_size),
                Text("-" if change is None else f"{change:+.2f} %", style=style),
                "real time" if quote.availability and quote.availability.real_time else "delayed",
            )
        return table

    def _fill_table(self) -> Table:
        table = Table(title="Fills", title_justify="left", min_width=72)
        for name in ("fill", "commission", "exchange", "execution"):
            table.add_column(name)
        for fill in self.fills.values():
            fee = "pending" if fill.commission is None else f"{fill.commission} USD"
            table.add_row(_describe(fill), fee, fill.exchange or "", fill.execution_id or "")
        return table


def _describe(fill: TradeUpdate) -> str:
    side = _SIDES.get(fill.side or "", fill.side or "")
    size = "-" if fill.size is None else f"{fill.size.normalize():f}"
    return f"{side} {size} {fill.symbol} at {fill.price}"


def _cash(fills: Iterable[TradeUpdate], side: str) -> Decimal:
    total = Decimal(0)
    for fill in fills:
        if fill.side == side and fill.price is not None and fill.size is not None:
            total += fill.price * fill.size
    return total


def _price(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"


def _size(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _signed(value: float) -> str:
    return f"{value:+,.2f}"
