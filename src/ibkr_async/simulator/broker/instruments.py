"""The instruments that the simulated broker knows.

Responsible for their static facts: names, exchanges, tick sizes, typical price and activity.
It must never hold anything that changes during a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import product
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from ibkr_async.simulator.broker.options import VOLATILITY
from ibkr_async.simulator.broker.trading_days import month_code, quarterly_expiries

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

_US_ROUTES = "SMART,AMEX,NYSE,CBOE,PHLX,CHX,ARCA,ISLAND,DRCTEDGE,BEX,BATS,EDGEA,IEX,MEMX,NASDAQ"
OPTION_ROUTES = "SMART;AMEX;CBOE;PHLX;ISE;BATS;BOX;NASDAQOM;MIAX"
"""Exchanges of the option chain, as `/iserver/secdef/search` lists them."""
_AT_THE_MARKET = 190
_STRIKES = (
    _AT_THE_MARKET, *(strike for strike in range(150, 235, 5) if strike != _AT_THE_MARKET)
)  # fmt: skip
"""Strikes of each month, the one at the market first: its options have the lowest conids."""
_FIRST_OPTION = 900_000_201


class ComboLeg(NamedTuple):
    """One contract of a combination."""

    instrument: Instrument
    ratio: int
    """Units bought when the combination is; negative for sold ones."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Instrument:
    """One contract, or a combination of some. Prices are in `currency`, per unit."""

    conid: int
    symbol: str
    company: str
    start_price: Decimal
    """Price at the start; that of an option is computed instead."""
    sec_type: str = "STK"
    exchange: str = "NASDAQ"
    """Primary exchange as contract searches name it."""
    listing: str = "NASDAQ.NMS"
    """Primary exchange as orders and fields name it."""
    routes: str = _US_ROUTES
    currency: str = "USD"
    is_us: bool = True
    country: str = "US"
    kind: str = "COMMON"
    """Stock type, such as `COMMON` or `ETF`."""
    industry: str = ""
    category: str = ""
    tick: Decimal = Decimal("0.01")
    spread_ticks: int = 2
    lot: int = 100
    """Size of the units in which bid and ask sizes come."""
    day_volume: int = 20_000_000
    annual_volatility: float = 0.3
    multiplier: int = 1
    """Units of the underlying per contract."""
    expiry: date | None = None
    strike: Decimal | None = None
    right: str = ""
    """`C` or `P` for options."""
    underlying: int = 0
    """Conid of the underlying; 0 for none."""
    follows: int = 0
    """Conid whose price this one's is computed from; 0: it moves by itself."""
    tradable: bool = True
    option_months: tuple[str, ...] = ()
    future_months: tuple[str, ...] = ()
    legs: tuple[ComboLeg, ...] = ()
    """What a combination is made of; empty for a contract."""

    @property
    def conid_ex(self) -> str:
        """Return the conid; of a combination with its legs."""
        legs = ",".join(f"{leg.instrument.conid}/{leg.ratio}" for leg in self.legs)
        return f"{self.conid};;;{legs}" if legs else f"{self.conid}"

    @property
    def takes_fractions(self) -> bool:
        """Tell whether it trades in parts of a unit: US stocks, and currencies."""
        return self.sec_type == "CASH" or (self.sec_type == "STK" and self.is_us)

    def parts(self, quantity: Decimal) -> list[tuple[Instrument, Decimal]]:
        """Return the contracts that a signed quantity moves, each with its own signed quantity."""
        if not self.legs:
            return [(self, quantity)]
        return [(leg.instrument, quantity * leg.ratio) for leg in self.legs]

    @property
    def decimals(self) -> int:
        """Return how many digits after the point its prices have."""
        return _decimals(self.tick)

    @property
    def month(self) -> str:
        """Return the expiry month, such as `DEC26`; empty for what does not expire."""
        return month_code(self.expiry) if self.expiry else ""

    @property
    def description(self) -> str:
        """Return the short contract description, such as `AAPL` or `AAPL DEC26 190 C`."""
        if self.sec_type == "OPT":
            return f"{self.symbol} {self.month} {self.strike} {self.right}"
        return f"{self.symbol} {self.month}" if self.sec_type == "FUT" else self.symbol

    @property
    def pays_cash(self) -> bool:
        """Tell whether buying it costs its price (a future costs only margin)."""
        return self.sec_type != "FUT"

    def rounded(self, price: float | Decimal) -> Decimal:
        """Return the price on the grid nearest to `price`; only a combination's may be below a tick."""
        if isinstance(price, Decimal):
            ticks = round(price / self.tick)
        else:
            ticks = round(price / float(self.tick))
        return _on_grid(self.tick, ticks if self.legs else max(1, ticks))


# Called for every step of every market.


@lru_cache(maxsize=64)
def _decimals(tick: Decimal) -> int:
    exponent = tick.as_tuple().exponent
    return max(2, -exponent) if isinstance(exponent, int) else 2


@lru_cache(maxsize=10_000)
def _on_grid(tick: Decimal, ticks: int) -> Decimal:
    return (ticks * tick).quantize(Decimal(1).scaleb(-_decimals(tick)))


def build_instruments(now: float) -> Mapping[int, Instrument]:
    """Return the instruments by conid. What expires expires on the next quarterly dates."""
    expiries = quarterly_expiries(now, 3)
    months = tuple(month_code(expiry) for expiry in expiries)
    found = [*_stocks(months), *_others(expiries, months)]
    return MappingProxyType({instrument.conid: instrument for instrument in found})


def _stocks(months: tuple[str, ...]) -> list[Instrument]:
    apple = Instrument(
        conid=265598,
        symbol="AAPL",
        company="APPLE INC",
        start_price=Decimal("189.60"),
        industry="Computers",
        category="Computers",
        day_volume=48_000_000,
        option_months=months,
    )
    return [
        apple,
        Instrument(
            conid=38708077, symbol="AAPL", company="APPLE INC", follows=265598,
            start_price=Decimal("3450.00"),
            exchange="MEXI", listing="MEXI", routes="MEXI", currency="MXN", is_us=False,
            country="MX", industry="Computers", category="Computers", tick=Decimal("0.50"),
            lot=10, day_volume=30_000,
        ),
        Instrument(
            conid=273982664, symbol="AAPL", company="APPLE INC", follows=265598,
            start_price=Decimal("168.40"),
            exchange="EBS", listing="EBS", routes="EBS", currency="CHF", is_us=False,
            country="CH", industry="Computers", category="Computers", tick=Decimal("0.05"),
            lot=10, day_volume=12_000,
        ),
        Instrument(
            conid=272093, symbol="MSFT", company="MICROSOFT CORP", start_price=Decimal("431.20"),
            industry="Software", category="Applications Software", day_volume=21_000_000,
            spread_ticks=3,
        ),
        Instrument(
            conid=756733, symbol="SPY", company="SPDR S&P 500 ETF TRUST",
            start_price=Decimal("585.75"), exchange="ARCA", listing="ARCA", kind="ETF",
            day_volume=62_000_000, annual_volatility=0.15, spread_ticks=1,
        ),
        Instrument(
            conid=320227571, symbol="QQQ", company="INVESCO QQQ TRUST SERIES 1",
            start_price=Decimal("501.30"), kind="ETF", day_volume=38_000_000,
            annual_volatility=0.2, spread_ticks=1,
        ),
        Instrument(
            conid=8314, symbol="IBM", company="INTL BUSINESS MACHINES CORP",
            start_price=Decimal("224.10"), exchange="NYSE", listing="NYSE", day_volume=3_900_000,
            industry="Computers", category="Computer Services", annual_volatility=0.22,
            spread_ticks=4,
        ),
        Instrument(
            conid=4815747, symbol="NVDA", company="NVIDIA CORP", start_price=Decimal("141.90"),
            industry="Semiconductors", category="Electronic Components",
            day_volume=210_000_000, annual_volatility=0.5, spread_ticks=1,
        ),
        Instrument(
            conid=76792991, symbol="TSLA", company="TESLA INC", start_price=Decimal("338.80"),
            industry="Auto Manufacturers", category="Auto-Cars", day_volume=88_000_000,
            annual_volatility=0.6, spread_ticks=4,
        ),
        # Two listings in the US under one symbol: invented, so that a client's
        # "which one do you mean?" path can be walked.
        Instrument(
            conid=900000101, symbol="TWIN", company="TWIN HARBOR SHIPPING CORP",
            start_price=Decimal("24.35"), exchange="NYSE", listing="NYSE", day_volume=410_000,
            industry="Transportation", category="Shipping", spread_ticks=3,
        ),
        Instrument(
            conid=900000102, symbol="TWIN", company="TWIN PINES SOFTWARE INC",
            start_price=Decimal("61.05"), day_volume=290_000, industry="Software",
            category="Applications Software", spread_ticks=5,
        ),
    ]  # fmt: skip


def _chain(expiries: list[date]) -> list[Instrument]:
    """Return the options on AAPL: a call and a put for each month and strike."""
    return [
        Instrument(
            conid=_FIRST_OPTION + 1000 * month + number, symbol="AAPL", company="APPLE INC",
            start_price=Decimal("0.01"), sec_type="OPT", exchange="SMART", listing="CBOE",
            routes=OPTION_ROUTES.replace(";", ","), lot=1, day_volume=4_200, spread_ticks=4,
            multiplier=100, expiry=expiry, strike=Decimal(strike), right=right,
            underlying=265598, follows=265598, annual_volatility=VOLATILITY,
        )
        for month, expiry in enumerate(expiries)
        for number, (strike, right) in enumerate(product(_STRIKES, "CP"))
    ]  # fmt: skip


def _others(expiries: list[date], months: tuple[str, ...]) -> list[Instrument]:
    return [
        *_chain(expiries),
        Instrument(
            conid=12087792, symbol="EUR.USD", company="European Monetary Union Euro",
            start_price=Decimal("1.08420"), sec_type="CASH", exchange="IDEALPRO",
            listing="IDEALPRO", routes="IDEALPRO", tick=Decimal("0.00005"), spread_ticks=1,
            lot=500_000, day_volume=0, annual_volatility=0.07,
        ),
        Instrument(
            conid=11004968, symbol="ES", company="E-mini S&P 500", start_price=Decimal("5868.40"),
            sec_type="IND", exchange="CME", listing="CME", routes="CME", tick=Decimal("0.05"),
            lot=1, day_volume=0, annual_volatility=0.15, tradable=False, future_months=months,
        ),
        *(
            Instrument(
                conid=conid, symbol="ES", company="E-mini S&P 500",
                start_price=Decimal("5881.25") + 20 * number, sec_type="FUT", exchange="CME",
                listing="CME", routes="CME,QBALGO", tick=Decimal("0.25"), spread_ticks=1, lot=1,
                day_volume=1_400_000, annual_volatility=0.15, multiplier=50,
                expiry=expiries[number], underlying=11004968, follows=11004968,
            )
            for number, conid in enumerate((900000301, 900000302))
        ),
    ]  # fmt: skip
