"""The orders that a user writes: `LimitOrder(conid, Side.BUY, 10, "189.50")` and its siblings.

Responsible for holding them valid: each is checked as it is made, so an order that exists breaks no
rule that can be checked without asking IBKR. Groups of orders are in `groups`; what they become on
the wire is `tickets`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec

from ibkr_async.orders.write.rules import (
    is_combo,
    read_amounts,
    read_contract,
    read_exchange,
    read_number,
    read_options,
    read_quantity,
    read_side,
    read_tif,
    read_trailing,
)
from ibkr_async.types import ContractLike, DecimalLike, Side, TimeInForce

_PRICE_FIELDS: Final = ("price", "stop_price", "trigger_price")


class _Options(msgspec.Struct, frozen=True, kw_only=True):
    """Keywords that every order takes."""

    tif: TimeInForce | str = TimeInForce.DAY
    """How long the order works."""
    outside_rth: bool | None = None
    """May trade outside regular hours; IBKR's default is no."""
    coid: str | None = None
    """Your own id of the order, unique for 24 hours; made for you when left out. Blanks may be in it."""
    account_id: str | None = None
    """Account; the session's default account when left out."""
    exchange: str | None = None
    """Route directly to this exchange instead of SMART."""
    listing_exchange: str | None = None
    """Primary exchange."""
    sec_type: str | None = None
    """Contract with its type, such as `265598:STK`."""
    ticker: str | None = None
    """Symbol, for display."""
    referrer: str | None = None
    """Free text about where the order comes from."""

    # size in money
    cash_quantity: DecimalLike | None = None
    """Amount of cash, with `quantity` None; kept as `Decimal`. IBKR meets it as nearly as it can."""
    fx_quantity: DecimalLike | None = None
    """Amount of a currency conversion, with `quantity` None; kept as `Decimal`."""
    is_currency_conversion: bool | None = None
    """The order converts currency and opens no FX position."""

    # how it trades
    all_or_none: bool | None = None
    """Fill completely or not at all."""
    use_adaptive: bool | None = None
    """Use IBKR's price management algorithm."""
    strategy: str | None = None
    """Name of an algorithm, such as `Adaptive`, `Vwap` or `Twap`."""
    strategy_parameters: Mapping[str, Any] | None = None
    """Parameters of the algorithm, as IBKR names them, such as `{"adaptivePriority": "Normal"}`."""
    deactivated: bool | None = None
    """Keep the order at IBKR without transmitting it."""

    # who enters it, and for whom
    manual_indicator: bool | None = None
    """Entered by hand; demanded for US futures and options on them (CME rule 536-B), with
    `ext_operator`. One class of accounts takes it alone, and answers 500 to any `ext_operator`."""
    ext_operator: str | None = None
    """Who entered it; see `manual_indicator`."""
    manual_order_time: int | None = None
    """When it was entered by hand, Unix time."""
    allocation_method: str | None = None
    """How the order of an FA group is divided: `A E N` are computed, `C P R S` are the user's."""
    allocation_profile: str | None = None
    """Allocation profile of an advisor."""
    customer_account: str | None = None
    """Beneficiary account, for brokers."""
    is_professional: bool | None = None
    """The customer is a professional, for brokers."""
    tax_optimizer_id: str | None = None
    """Lot-matching method."""
    is_close: bool | None = None
    """Closes a position. Not documented."""


class _Order(_Options, frozen=True):
    """What every order has. Values are checked and made `Decimal` when the order is made."""

    conid: ContractLike
    """Contract: a conid, a symbol (looked up before the order is sent), or a resolved contract; as text
    also a conidex with routing (`265598@ARCA`) or a combination."""
    side: Side | str
    """Direction."""
    quantity: DecimalLike | None
    """Units of the instrument; kept as `Decimal`. None when `cash_quantity` or `fx_quantity` is given."""

    def __post_init__(self) -> None:
        said = {"side": read_side(self.side), "tif": read_tif(self.tif), **read_amounts(self)}
        conid = said["conid"] = read_contract(self.conid, symbols=True)
        if self.exchange is not None:
            said["exchange"] = read_exchange(self.exchange, conid)
        said |= read_options(self)
        for name in _PRICE_FIELDS:
            if (value := getattr(self, name, None)) is not None:
                said[name] = read_number(name, value)
        if (offset := getattr(self, "offset", None)) is not None:
            read_offset = read_number if is_combo(conid) else read_quantity
            said["offset"] = read_offset("offset", offset)
        if hasattr(self, "trailing_type"):
            said |= read_trailing(self)
        for name, value in said.items():
            msgspec.structs.force_setattr(self, name, value)


class MarketOrder(_Order, frozen=True):
    """Buy or sell at once at whatever price there is: `MarketOrder(265598, "BUY", 10)`."""


class LimitOrder(_Order, frozen=True):
    """Buy or sell at `price` or better: `LimitOrder(265598, Side.BUY, 10, "189.50")`."""

    price: DecimalLike
    """Limit price; kept as `Decimal`. Zero or less for contracts whose rules are `negative_capable`."""


class StopOrder(_Order, frozen=True):
    """Become a market order once `stop_price` trades."""

    stop_price: DecimalLike
    """Trigger price; kept as `Decimal`."""


class StopLimitOrder(_Order, frozen=True):
    """Become a limit order at `price` once `stop_price` trades."""

    price: DecimalLike
    """Limit price; kept as `Decimal`."""
    stop_price: DecimalLike
    """Trigger price; kept as `Decimal`."""


class TrailingStopOrder(_Order, frozen=True):
    """Become a market order once the price turns by `trailing_amount` from its best."""

    trailing_amount: DecimalLike
    """Distance; kept as `Decimal`. Units: those of `trailing_type`."""
    trailing_type: Literal["amt", "%"] = "amt"
    """`amt`: price units. `%`: percent of the price."""
    stop_price: DecimalLike | None = None
    """Stop to start from; IBKR derives it from the market when left out."""


class TrailingStopLimitOrder(_Order, frozen=True):
    """Become a limit order at `price` once the price turns by `trailing_amount` from its best."""

    price: DecimalLike
    """Limit price; kept as `Decimal`."""
    stop_price: DecimalLike
    """Stop to start from; kept as `Decimal`."""
    trailing_amount: DecimalLike
    """Distance; kept as `Decimal`. Units: those of `trailing_type`."""
    trailing_type: Literal["amt", "%"] = "amt"
    """`amt`: price units. `%`: percent of the price."""


class MidpriceOrder(_Order, frozen=True):
    """Trade at the middle of bid and ask, or better; never beyond `price` where one is given."""

    price: DecimalLike | None = None
    """Cap of a buy, floor of a sell; kept as `Decimal`."""


class MarketOnCloseOrder(_Order, frozen=True):
    """Trade at the market in the closing auction."""


class LimitOnCloseOrder(_Order, frozen=True):
    """Trade in the closing auction at `price` or better."""

    price: DecimalLike
    """Limit price; kept as `Decimal`."""


class MarketIfTouchedOrder(_Order, frozen=True):
    """Become a market order once the market comes to `trigger_price` from the worse side."""

    trigger_price: DecimalLike
    """Price that elects it; kept as `Decimal`."""


class LimitIfTouchedOrder(_Order, frozen=True):
    """Become a limit order at `price` once the market comes to `trigger_price`."""

    price: DecimalLike
    """Limit price; kept as `Decimal`."""
    trigger_price: DecimalLike
    """Price that elects it; kept as `Decimal`."""


class RelativeOrder(_Order, frozen=True):
    """Peg to the best price of one's own side, `offset` better; never beyond `price`."""

    price: DecimalLike | None = None
    """Cap of a buy, floor of a sell; kept as `Decimal`."""
    offset: DecimalLike | None = None
    """By how much it is better than the best price; kept as `Decimal`. Sent as `auxPrice`."""


SingleOrder: TypeAlias = (
    MarketOrder
    | LimitOrder
    | StopOrder
    | StopLimitOrder
    | TrailingStopOrder
    | TrailingStopLimitOrder
    | MidpriceOrder
    | MarketOnCloseOrder
    | LimitOnCloseOrder
    | MarketIfTouchedOrder
    | LimitIfTouchedOrder
    | RelativeOrder
)
