"""Orders as the wire spells them: tickets out, order rows in.

Responsible for shapes only, and never for rules: which order makes which ticket, and whether it is
a sound one, is `orders.tickets`. Quantities, prices and cash are `Decimal`: they are owed, not
measured. The answers to placing an order are in `models.order_answers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec

from ibkr_async.models.base import Bool, Dec, Int, Model, Str, convert, parse_decimal
from ibkr_async.models.streaming import LiveOrderUpdate, TradeUpdate

_TICKET_KEYS: Final = {
    "account_id": "acctId",
    "sec_type": "secType",
    "coid": "cOID",
    "parent_id": "parentId",
    "order_type": "orderType",
    "listing_exchange": "listingExchange",
    "is_single_group": "isSingleGroup",
    "outside_rth": "outsideRTH",
    "aux_price": "auxPrice",
    "trailing_amount": "trailingAmt",
    "trailing_type": "trailingType",
    "cash_quantity": "cashQty",
    "fx_quantity": "fxQty",
    "use_adaptive": "useAdaptive",
    "is_currency_conversion": "isCcyConv",
    "allocation_method": "allocationMethod",
    "strategy_parameters": "strategyParameters",
    "manual_indicator": "manualIndicator",
    "ext_operator": "extOperator",
    "manual_order_time": "manualOrderTime",
    "all_or_none": "allOrNone",
    "customer_account": "customerAccount",
    "is_professional": "isProCustomer",
    "tax_optimizer_id": "taxOptimizerId",
    "json_payload": "jsonPayload",
    "is_close": "isClose",
}


class Ticket(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename=_TICKET_KEYS):
    """One order exactly as `POST /iserver/account/{accountId}/orders` takes it.

    A field that is None is not sent. `orders.tickets` checks it before it leaves.

    Source: "Place Order" and "Order Ticket" in the Web API documentation.
    """

    order_type: str
    """`LMT MKT STP STOP_LIMIT MIDPRICE TRAIL TRAILLMT`; `LOC MOC MIT LIT REL` are accepted too."""
    side: str
    """`BUY` or `SELL`."""
    tif: str
    """`DAY GTC OPG IOC OVT OND PAX`."""
    account_id: str | None = None
    """Account that owns the order."""
    conid: int | None = None
    """Contract. It wins over `conidex` and forces SMART routing."""
    conidex: str | None = None
    """Contract with routing, `265598@ARCA`, or a combination, `28812380;;;1/1,2/-1`."""
    sec_type: str | None = None
    """Contract with its type, `265598:STK`."""
    coid: str | None = None
    """The caller's own order id, unique for 24 hours. Children of a bracket have none."""
    parent_id: str | None = None
    """The `coid` of the ticket that this one is a child of."""
    listing_exchange: str | None = None
    """Primary exchange; IBKR assumes SMART."""
    is_single_group: bool | None = None
    """True on every ticket of a one-cancels-all group."""
    outside_rth: bool | None = None
    """May trade outside regular hours. On a stop IBKR rejects it during them."""
    price: Decimal | None = None
    """Limit price; the stop price of STP and TRAIL."""
    aux_price: Decimal | None = None
    """Stop price of STOP_LIMIT and TRAILLMT."""
    ticker: str | None = None
    """Symbol, for display."""
    trailing_amount: Decimal | None = None
    """Distance of a trailing stop, in `trailing_type`."""
    trailing_type: str | None = None
    """`amt` (price units) or `%`."""
    referrer: str | None = None
    """Free text about where the order comes from."""
    quantity: Decimal | None = None
    """Units of the instrument: shares, contracts, base currency."""
    cash_quantity: Decimal | None = None
    """Amount of cash in place of `quantity`."""
    fx_quantity: Decimal | None = None
    """Amount of a currency conversion."""
    use_adaptive: bool | None = None
    """Use the price management algorithm."""
    is_currency_conversion: bool | None = None
    """The order converts currency and opens no FX position."""
    allocation_method: str | None = None
    """How a group order is divided among accounts: one letter."""
    strategy: str | None = None
    """Name of an algorithm."""
    strategy_parameters: Mapping[str, Any] | None = None
    """Parameters of the algorithm."""
    manual_indicator: bool | None = None
    """Entered by hand; demanded for US futures and options on them (CME rule 536-B)."""
    ext_operator: str | None = None
    """Who entered it; demanded with `manual_indicator`, but one class of accounts answers 500 to it."""
    manual_order_time: int | None = None
    """When it was entered by hand, Unix time."""
    deactivated: bool | None = None
    """Keep the order at IBKR without transmitting it."""
    all_or_none: bool | None = None
    """Fill completely or not at all."""
    customer_account: str | None = None
    """Beneficiary account, for brokers."""
    is_professional: bool | None = None
    """The customer is a professional, for brokers."""
    tax_optimizer_id: str | None = None
    """Lot-matching method."""
    json_payload: Mapping[str, Any] | None = None
    """Further settings, such as `allocation_profile`."""
    is_close: bool | None = None
    """Closes a position. Not documented."""


class OrdersBody(msgspec.Struct, frozen=True):
    """Body of the placing request."""

    orders: tuple[Ticket, ...]
    """One ticket, or all tickets of one bracket or one-cancels-all group."""


class ReplyBody(msgspec.Struct, frozen=True):
    """Body of the answer to a question."""

    confirmed: bool
    """True sends the order on; false drops it."""


class MessageIdsBody(msgspec.Struct, frozen=True, rename={"message_ids": "messageIds"}):
    """Body of the request that suppresses questions."""

    message_ids: tuple[str, ...]
    """At most 51 ids; each request replaces the list."""


class PromptAnswerBody(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={"order_id": "orderId", "req_id": "reqId"},
):
    """Body of the answer to a prompt."""

    order_id: int
    """Order that the prompt is about."""
    req_id: str
    """Id of the prompt."""
    text: str
    """The chosen option, word for word."""


# --- orders that are there -----------------------------------------------------------------------


class LiveOrder(LiveOrderUpdate, frozen=True, kw_only=True, rename="camel"):
    """One row of the live orders: the fields of the `sor` topic, and a few more. Any may be missing.

    Source: `GET /iserver/account/orders`, "Live Orders".
    """

    exchange: Str = None
    """Exchange that the order is routed to."""
    outside_rth: Bool = msgspec.field(default=None, name="outsideRTH")
    """Whether it may trade outside regular hours."""
    total_cash_size: Dec = None
    """Cash ordered, in `cash_ccy`."""
    parent_id: Str = None
    """Order id of the parent. Recorded, not documented."""
    oca_group_id: Str = None
    """Group of which one fill cancels the rest. Recorded, not documented."""
    cancellation_reason: Str = msgspec.field(
        default=None, name="order_cancellation_by_system_reason"
    )
    """Why IBKR cancelled it."""
    tax_optimizer_id: Str = None
    """Lot-matching method."""


class LiveOrders(Model, frozen=True, kw_only=True):
    """The day's orders of the account, up to 1000."""

    orders: tuple[LiveOrder, ...] = ()
    """Rows; none means "no orders" only when `snapshot` is true."""
    snapshot: Bool = None
    """True when IBKR has finished collecting them."""


class OrderStatusReply(Model, frozen=True, kw_only=True):
    """One order in detail.

    Source: `GET /iserver/account/order/status/{orderId}`, recorded fields; the rest is in `extra`.
    """

    order_id: Str = None
    """IBKR's number of the order."""
    conid: Int = None
    """Contract."""
    conidex: Str = None
    """Contract with its routing."""
    symbol: Str = None
    """Symbol."""
    sec_type: Str = None
    """Security type."""
    account: Str = None
    """Account of the order."""
    currency: Str = None
    """Currency of its prices."""
    side: Str = None
    """`B` or `S` here, a word elsewhere."""
    order_type: Str = None
    """Order type, such as `MARKET`."""
    tif: Str = None
    """Time in force."""
    outside_rth: Bool = None
    """Whether it may trade outside regular hours; shown at times."""
    all_or_none: Bool = None
    """Whether it must fill completely or not at all; shown at times."""
    limit_price: Dec = None
    """Limit price."""
    stop_price: Dec = None
    """Stop price."""
    size: Dec = None
    """Quantity not filled yet."""
    total_quantity: Dec = msgspec.field(default=None, name="total_size")
    """Quantity ordered."""
    filled_quantity: Dec = msgspec.field(default=None, name="cum_fill")
    """Quantity filled so far."""
    average_price: Dec = None
    """Average price of the fills."""
    order_status: Str = None
    """Status word; see `types.OrderStatus` for the known ones."""
    order_ccp_status: Str = None
    """Status as a digit."""
    order_status_description: Str = None
    """Status in IBKR's words."""
    order_description: Str = None
    """The order in IBKR's words."""
    size_and_fills: Str = None
    """As in `LiveOrder`."""
    order_time: Str = None
    """When it was placed, `YYMMDDhhmmss`, UTC."""
    order_not_editable: Bool = None
    """Whether a modification would be refused."""
    cannot_cancel_order: Bool = None
    """Whether a cancellation would be refused."""


class CancelReply(Model, frozen=True, kw_only=True):
    """IBKR has taken the wish to cancel. The order may still fill.

    Source: `DELETE /iserver/account/{accountId}/order/{orderId}`.
    """

    msg: Str = None
    """`Request was submitted`."""
    order_id: Str = None
    """Order that it is about."""
    conid: Int = None
    """Contract; -1 when the order was cancelled on the spot."""
    account: Str = None
    """Account; None when the order was cancelled on the spot."""
    order_status: Str = None
    """Status word, in the form that the OpenAPI document shows."""


def read_cancel_reply(wire: Any) -> CancelReply:
    """Read the answer to a cancellation: an object, an array of one, or a bare text.

    Errors: `msgspec.ValidationError` for anything else.
    """
    row = wire[0] if isinstance(wire, list) and len(wire) == 1 else wire
    return CancelReply(msg=row) if isinstance(row, str) else convert(CancelReply, row)


# --- previews ------------------------------------------------------------------------------------


class WhatIfAmount(Model, frozen=True, kw_only=True):
    """What an order would cost, in IBKR's words; the properties read the numbers out of them."""

    amount: Str = None
    """Value with currency and size: `1,977.60 USD (10 Shares)`; the multiplier is in it."""
    commission: Str = None
    """Commission with currency: `1 USD`."""
    total: Str = None
    """Amount and commission with currency: `1,978.60 USD`."""

    @property
    def amount_value(self) -> Decimal | None:
        """Value, in `currency`."""
        return _leading_number(self.amount)

    @property
    def commission_value(self) -> Decimal | None:
        """Commission, in `currency`."""
        return _leading_number(self.commission)

    @property
    def total_value(self) -> Decimal | None:
        """Amount and commission, in `currency`."""
        return _leading_number(self.total)

    @property
    def currency(self) -> str | None:
        """Currency of the amount; None when IBKR names none."""
        words = (self.amount or "").split()
        return words[1] if len(words) > 1 and words[1].isalpha() else None


class WhatIfChange(Model, frozen=True, kw_only=True):
    """A figure of the account before and after. Units: the account's base currency, or units."""

    current: Dec = None
    """As it is now."""
    change: Dec = None
    """By how much the order would change it."""
    after: Dec = None
    """As it would be."""


class WhatIf(Model, frozen=True, kw_only=True):
    """What an order would cost and change, if it were placed.

    Source: `POST /iserver/account/{accountId}/orders/whatif`, "Preview Order".
    """

    amount: WhatIfAmount | None = None
    """Value and commission."""
    equity: WhatIfChange | None = None
    """Equity with loan value."""
    initial: WhatIfChange | None = None
    """Initial margin."""
    maintenance: WhatIfChange | None = None
    """Maintenance margin."""
    position: WhatIfChange | None = None
    """Position in the contract."""
    warn: Str = None
    """Warning with its number: `21/You are trying ...`."""


def _leading_number(text: str | None) -> Decimal | None:
    words = (text or "").split()
    return parse_decimal(words[0]) if words else None


class SuppressReply(Model, frozen=True, kw_only=True):
    """Answer to suppressing or resetting questions."""

    status: Str = None
    """`submitted`."""


Trade: TypeAlias = TradeUpdate
"""One execution; the rows of `GET /iserver/account/trades` are those of the `str` topic."""
