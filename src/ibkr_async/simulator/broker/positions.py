"""What an account owns and owes: cash, positions, realised profit.

Responsible for the bookkeeping of fills in exact decimals. It must never match orders or spell
anything for the wire. Realised profit counts price differences only; commissions leave the cash
balance when the fill happens and so appear in net liquidation and daily P&L.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibkr_async.simulator.broker.instruments import Instrument
    from ibkr_async.simulator.broker.prices import PriceBoard

BASE_CURRENCY = "USD"
_EURO_CONID = 12087792
_FIXED_RATES = {
    BASE_CURRENCY: Decimal(1),
    "CHF": Decimal("1.125"),
    "GBP": Decimal("1.2710"),
    "JPY": Decimal("0.00648"),
    "MXN": Decimal("0.0550"),
}
_STOCK_MARGIN = Decimal("0.25")
_FUTURE_MARGIN = Decimal("0.06")


class UnknownCurrencyError(Exception):
    """A currency for which the simulator has no exchange rate."""


def usd_per_unit(board: PriceBoard, currency: str) -> Decimal:
    """Return the exchange rate to the base currency. Only the euro's moves.

    Errors: `UnknownCurrencyError`.
    """
    if currency == "EUR":
        market = board[_EURO_CONID]
        return (market.bid + market.ask) / 2
    try:
        return _FIXED_RATES[currency]
    except KeyError:
        raise UnknownCurrencyError(currency) from None


@dataclass(slots=True)
class Holding:
    """A position in one instrument; `quantity` is negative for a short one."""

    instrument: Instrument
    quantity: Decimal = Decimal(0)
    average: Decimal = Decimal(0)
    """Average price paid per unit."""
    realised: Decimal = Decimal(0)
    """Profit taken since the start, in the instrument's currency."""

    def fill(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Book a signed quantity; return the profit that it realised, per the instrument."""
        profit = Decimal(0)
        held = self.quantity
        if held * quantity < 0:
            closed = min(abs(held), abs(quantity))
            direction = 1 if held > 0 else -1
            profit = (price - self.average) * closed * direction * self.instrument.multiplier
            self.realised += profit
            if abs(quantity) > abs(held):
                self.average = price
        else:
            paid = self.average * held + price * quantity
            self.average = paid / (held + quantity)
        self.quantity = held + quantity
        if not self.quantity:
            self.average = Decimal(0)
        return profit

    def market_value(self, price: Decimal) -> Decimal:
        """Return what the position is worth, in its currency; a future counts its notional."""
        return self.quantity * price * self.instrument.multiplier

    def unrealised(self, price: Decimal) -> Decimal:
        """Return the profit not taken yet, in its currency."""
        return self.quantity * (price - self.average) * self.instrument.multiplier


@dataclass(frozen=True, slots=True)
class Valuation:
    """An account in the base currency at one moment."""

    cash: Decimal
    stocks: Decimal
    options: Decimal
    futures: Decimal
    """Unrealised profit of futures: their value is not paid for."""
    unrealised: Decimal
    realised: Decimal
    margin: Decimal
    """Initial margin, which the simulator also takes as maintenance margin."""
    daily: Decimal
    """Change of net liquidation since the trading day began."""

    @property
    def net_liquidation(self) -> Decimal:
        """Return what would be left if everything were closed at the last prices."""
        return self.cash + self.stocks + self.options + self.futures

    @property
    def market_value(self) -> Decimal:
        """Return the value of the positions."""
        return self.stocks + self.options

    @property
    def available(self) -> Decimal:
        """Return what is free for new positions."""
        return self.net_liquidation - self.margin


class AccountBook:
    """One account's cash and positions."""

    def __init__(self, account_id: str, cash: Decimal) -> None:
        self.account_id = account_id
        self.cash: dict[str, Decimal] = {BASE_CURRENCY: cash}
        self.holdings: dict[int, Holding] = {}
        self.opened_at = cash
        """Net liquidation when the trading day began."""

    def fill(
        self, instrument: Instrument, quantity: Decimal, price: Decimal, commission: Decimal
    ) -> None:
        """Book a fill: `quantity` is negative for a sale, `commission` is positive."""
        self._pay(instrument.currency, -commission)
        if instrument.sec_type == "CASH":
            # A currency trade moves money between two balances; there is no position.
            self._pay(instrument.symbol.partition(".")[0], quantity)
            self._pay(instrument.currency, -quantity * price)
            return
        holding = self.holdings.setdefault(instrument.conid, Holding(instrument))
        profit = holding.fill(quantity, price)
        paid = -quantity * price * instrument.multiplier if instrument.pays_cash else profit
        self._pay(instrument.currency, paid)

    def position(self, conid: int) -> Decimal:
        """Return the quantity held; 0 when none."""
        holding = self.holdings.get(conid)
        return holding.quantity if holding else Decimal(0)

    def open_holdings(self) -> list[Holding]:
        """Return the positions that are not closed, by conid."""
        return [held for _, held in sorted(self.holdings.items()) if held.quantity]

    def open_day(self, board: PriceBoard) -> None:
        """Start a new trading day: daily P&L counts from here."""
        self.opened_at = self.valuation(board).net_liquidation

    def valuation(self, board: PriceBoard) -> Valuation:
        """Value everything at the last prices, in the base currency."""
        groups = {"STK": Decimal(0), "OPT": Decimal(0), "FUT": Decimal(0)}
        unrealised = realised = margin = Decimal(0)
        for conid, held in self.holdings.items():
            last = board[conid].last
            rate = usd_per_unit(board, held.instrument.currency)
            kind, open_profit = held.instrument.sec_type, held.unrealised(last)
            value = held.market_value(last)
            groups[kind] += (open_profit if kind == "FUT" else value) * rate
            unrealised += open_profit * rate
            realised += held.realised * rate
            margin += required_margin(held.instrument, value) * rate
        cash = sum(
            (amount * usd_per_unit(board, currency) for currency, amount in self.cash.items()),
            Decimal(0),
        )
        worth = cash + sum(groups.values())
        return Valuation(
            cash=cash,
            stocks=groups["STK"],
            options=groups["OPT"],
            futures=groups["FUT"],
            unrealised=unrealised,
            realised=realised,
            margin=margin,
            daily=worth - self.opened_at,
        )

    def _pay(self, currency: str, amount: Decimal) -> None:
        self.cash[currency] = self.cash.get(currency, Decimal(0)) + amount


def required_margin(instrument: Instrument, value: Decimal) -> Decimal:
    """Return the margin for a market value, in the same currency. A rough rule, not IBKR's."""
    if instrument.sec_type == "CASH":
        return Decimal(0)
    return abs(value) * (_FUTURE_MARGIN if instrument.sec_type == "FUT" else _STOCK_MARGIN)


def value_of(accounts: Mapping[str, AccountBook], board: PriceBoard) -> dict[str, Decimal]:
    """Return the net liquidation value of every account."""
    return {
        account_id: book.valuation(board).net_liquidation for account_id, book in accounts.items()
    }
