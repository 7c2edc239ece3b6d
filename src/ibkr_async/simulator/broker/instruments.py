"""The instruments that the simulated broker knows.

Responsible for their static facts: names, exchanges, tick sizes, typical price and activity.
It must never hold anything that changes during a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

from ibkr_async.simulator.broker.trading_days import month_code, quarterly_expiries

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

_US_ROUTES = "SMART,AMEX,NYSE,CBOE,PHLX,CHX,ARCA,ISLAND,DRCTEDGE,BEX,BATS,EDGEA,IEX,MEMX,NASDAQ"
OPTION_ROUTES = "SMART;AMEX;CBOE;PHLX;ISE;BATS;BOX;NASDAQOM;MIAX"
"""Exchanges of the option chain, as `/iserver/secdef/search` lists them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Instrument:
    """One contract. Prices are in `currency`, per unit."""

    conid: int
    symbol: str
    company: str
    start_price: Decimal
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

    @property
    def decimals(self) -> int:
        """Return how many digits after the point its prices have."""
        exponent = self.tick.as_tuple().exponent
        return max(2, -exponent) if isinstance(exponent, int) else 2

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
        """Return the price on the instrument's grid nearest to `price`, at least one tick."""
        ticks = max(1, round(Decimal(price) / self.tick))
        return (ticks * self.tick).quantize(Decimal(1).scaleb(-self.decimals))


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


def _others(expiries: list[date], months: tuple[str, ...]) -> list[Instrument]:
    options = [
        Instrument(
            conid=conid, symbol="AAPL", company="APPLE INC", start_price=Decimal("7.60"),
            sec_type="OPT", exchange="SMART", listing="CBOE",
            routes=OPTION_ROUTES.replace(";", ","), lot=1, day_volume=4_200, spread_ticks=4,
            multiplier=100, expiry=expiries[0], strike=Decimal(190), right=right,
            underlying=265598, follows=265598,
        )
        for conid, right in ((900000201, "C"), (900000202, "P"))
    ]  # fmt: skip
    return [
        *options,
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
