"""Answers about event contracts (`/forecast`).

Responsible for their shapes only. Three kinds of conid occur: that of a *market* (a question), that of
a *contract* (its Yes or its No), and that of a product, which leads nowhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibkr_async.models.base import Bool, Dec, Int, Model, Str
from ibkr_async.models.times import from_epoch_s

if TYPE_CHECKING:
    from datetime import datetime


class EventMarket(Model, frozen=True):
    """A market in the tree."""

    name: Str = None
    """What it is about."""
    symbol: Str = None
    """Symbol."""
    exchange: Str = None
    """`FORECASTX`."""
    conid: Int = None
    """Contract id of the market, for `market`."""
    product_conid: Int = None
    """IBKR's own id of the product; it leads nowhere."""
    is_restricted: Bool = None
    """This login may not trade it."""


class EventCategory(Model, frozen=True):
    """A branch of the tree."""

    name: Str = None
    """Name."""
    parent_id: Str = None
    """The branch above; None at the top."""
    is_restricted: Bool = None
    """This login may not trade what is in it."""
    markets: tuple[EventMarket, ...] | None = None
    """What is in it."""


class EventCategories(Model, frozen=True):
    """All branches by their ids. Source: `GET /forecast/category/tree`."""

    categories: dict[str, EventCategory] | None = None
    """The branches; ids are `g` and digits."""


class EventMarketContract(Model, frozen=True):
    """The Yes or the No of a question, with one threshold."""

    conid: Int = None
    """Contract id, for orders, `details`, `rules` and `schedules`."""
    side: Str = None
    """`Y` or `N`."""
    expiration: Str = None
    """Day, `YYYYMMDD`."""
    strike: Dec = None
    """The threshold."""
    strike_label: Str = None
    """The threshold for people."""
    expiry_label: Str = None
    """The day for people."""
    underlying_conid: Int = None
    """Contract id of the market."""
    time_specifier: Str = None
    """Day that is measured, such as `2026.11.3`."""
    party: Str = None
    """Party of a candidate."""


class EventMarketInfo(Model, frozen=True):
    """A market and its contracts. Source: `GET /forecast/contract/market`."""

    market_name: Str = None
    """What it is about."""
    exchange: Str = None
    """`FORECASTX`."""
    symbol: Str = None
    """Symbol."""
    logo_category: Str = None
    """Branch of the tree."""
    exclude_historical_data: Bool = None
    """There is no history."""
    payout: Dec = None
    """What the right side is paid, in dollars."""
    contracts: tuple[EventMarketContract, ...] | None = None
    """Its contracts: Yes and No are two with one strike."""


class EventContractDetails(Model, frozen=True):
    """One contract. Source: `GET /forecast/contract/details`."""

    conid_yes: Int = None
    """Contract id of Yes."""
    conid_no: Int = None
    """Contract id of No."""
    question: Str = None
    """The question."""
    side: Str = None
    """`Y` or `N`: which of the two was asked for."""
    strike_label: Str = None
    """The threshold for people."""
    strike: Dec = None
    """The threshold."""
    exchange: Str = None
    """`FORECASTX`."""
    expiration: Str = None
    """Day, `YYYYMMDD`."""
    symbol: Str = None
    """Symbol."""
    category: Str = None
    """Branch at the top of the tree."""
    logo_category: Str = None
    """Branch of the tree."""
    measured_period: Str = None
    """Period that is measured, such as `Nov03'26`."""
    market_name: Str = None
    """What the market is about."""
    underlying_conid: Int = None
    """Contract id of the market."""
    payout: Dec = None
    """What the right side is paid, in dollars."""
    product_conid: Int = None
    """IBKR's own id of the product; it leads nowhere."""
    party: Str = None
    """Party of a candidate."""
    is_restricted: Bool = None
    """This login may not trade it."""


class EventPriceIncrement(Model, frozen=True):
    """The step of prices from one price on."""

    lower_edge: Dec = None
    """From this price on."""
    increment: Dec = None
    """The step."""


class EventContractRules(Model, frozen=True):
    """The rules of one contract. Source: `GET /forecast/contract/rules`."""

    asset_class: Str = None
    """`OPT`."""
    description: Str = None
    """What is measured."""
    market_name: Str = None
    """What the market is about."""
    measured_period: Str = None
    """Period that is measured."""
    threshold: Str = None
    """The threshold."""
    source_agency: Str = None
    """Who publishes the figure."""
    data_and_resolution_link: Str = None
    """Where it is published."""
    last_trade_time: Int = None
    """Until when it trades, Unix seconds; see `trades_until`."""
    release_time: Int = None
    """When the figure is published, Unix seconds."""
    payout_time: Int = None
    """When it is paid, Unix seconds."""
    product_code: Str = None
    """Code of the product."""
    market_rules_link: Str = None
    """The exchange's own rules."""
    payout: Str = None
    """What the right side is paid, such as `$1.00`."""
    price_increment: Str = None
    """Step of prices, such as `$0.01`."""
    price_increments: tuple[EventPriceIncrement, ...] | None = None
    """Steps by price, where there are several."""
    exchange_timezone: Str = None
    """Zone of the exchange, such as `US/Central`."""

    @property
    def trades_until(self) -> datetime | None:
        """Until when it trades, as UTC datetime."""
        return from_epoch_s(self.last_trade_time)


class EventTradingTime(Model, frozen=True):
    """One stretch of trading; `11:59 PM` followed by `12:00 AM` goes on without a break."""

    open: Str = None
    """Begin, such as `4:16 PM`."""
    close: Str = None
    """End, such as `11:59 PM`."""


class EventTradingDay(Model, frozen=True):
    """When a contract trades on one day of the week."""

    day_of_week: Str = None
    """Such as `Saturday`."""
    trading_times: tuple[EventTradingTime, ...] | None = None
    """The stretches."""


class EventSchedule(Model, frozen=True):
    """When a contract trades. Source: `GET /forecast/contract/schedules`."""

    timezone: Str = None
    """Zone of the times, such as `US/Central`."""
    trading_schedules: tuple[EventTradingDay, ...] | None = None
    """The days."""
