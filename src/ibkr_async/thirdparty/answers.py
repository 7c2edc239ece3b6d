"""What the account and order endpoints answer, typed; and how their spellings become one.

Responsible for shapes only. Money and quantities are `Decimal`. It must never raise for a code, a
key or a number form that it does not know: codes are kept as they are, the rest is in `extra`.

Source: the response schemas of the Third-Party Web API v1 reference.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import msgspec

from ibkr_async.models.base import Bool, Dec, Int, Model, Str, Unread, convert, is_array, is_object
from ibkr_async.thirdparty.fix import FixOrderStatus, FixOrderType, FixSide, FixTif, Temporality
from ibkr_async.types import EXACT

if TYPE_CHECKING:
    SideCode: TypeAlias = FixSide | None
    OrderTypeCode: TypeAlias = FixOrderType | None
    TifCode: TypeAlias = FixTif | None
    StatusCode: TypeAlias = FixOrderStatus | None
    TemporalityCode: TypeAlias = Temporality | None
else:
    # Codes travel as numbers or as texts of one character: both are read as text first, and
    # `AnswerRow.__post_init__` makes them members.
    SideCode = OrderTypeCode = TifCode = StatusCode = TemporalityCode = Str

T = TypeVar("T")

_CODES: Final = {
    "side": FixSide,
    "order_type": FixOrderType,
    "tif": FixTif,
    "status": FixOrderStatus,
    "temporality": Temporality,
}
_IDS: Final = ("customer_order_id", "orig_customer_order_id")
_FLOATED: Final = re.compile(r"\d{1,20}\.0+|\d\.\d+E\d{1,2}")
_SPELLINGS: Final = {
    key.lower(): key for key in ("OrderType", "TimeInForce", "AuxPrice", "OutsideRTH", "Conid")
}
"""Keys that come in several spellings (`OrderType` and `Order Type`, `Conid` and `ConId`)."""


def whole_id(text: str) -> str:
    """Return an id as it was before it passed through floating point, as in `1.7952E15` and `12.0`."""
    return str(int(Decimal(text))) if _FLOATED.fullmatch(text) else text


class AnswerRow(Model, rename="pascal"):
    """Base of answers that have coded values."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if name not in _CODES and name not in _IDS:
                continue
            text = (getattr(self, name) or "").strip()
            if name in _CODES:
                text = text.removesuffix(".0")
            value = _CODES.get(name, whole_id)(text) if text else None
            msgspec.structs.force_setattr(self, name, value)


class AccountList(Model):
    """Answer of `GET /accounts`."""

    accounts: list[str] = msgspec.field(default_factory=list[str])
    """Accounts of the session."""


class ThirdPartyPosition(AnswerRow):
    """One position of `GET /accounts/{account}/positions`."""

    position: Dec = None
    """Quantity held; negative when short."""
    average_cost: Dec = None
    """Average cost."""
    contract_id: Int = None
    """Conid."""


class ThirdPartyOrderState(AnswerRow):
    """One order as `GET` and `POST /accounts/{account}/orders` show it."""

    customer_order_id: Str = None
    """Your own id; as text, whichever way it was sent."""
    contract_id: Int = None
    """Conid."""
    ticker: Str = None
    """Symbol."""
    listing_exchange: Str = None
    """Exchange code."""
    remaining_quantity: Dec = None
    """Still open."""
    filled_quantity: Dec = None
    """Filled so far."""
    order_type: OrderTypeCode = None
    """Market, limit, stop or stop limit."""
    tif: TifCode = msgspec.field(default=None, name="TimeInForce")
    """How long it works."""
    outside_rth: Bool = msgspec.field(default=None, name="OutsideRTH")
    """May execute outside regular trading hours."""
    side: SideCode = None
    """Buy or sell."""
    price: Dec = None
    """Limit price."""
    aux_price: Dec = None
    """Stop price. The reference does not list it; it is read where it comes."""
    status: StatusCode = None
    """State of the order."""
    warning: Str = None
    """What IBKR has to say about it."""
    transaction_time: Str = None
    """Time of the last change, as sent."""

    @property
    def quantity(self) -> Decimal | None:
        """Filled and remaining together; None when either is not known."""
        if self.filled_quantity is None or self.remaining_quantity is None:
            return None
        return EXACT.add(self.filled_quantity, self.remaining_quantity)


class CancelAnswer(AnswerRow):
    """Answer of `DELETE /accounts/{account}/orders/CUST_ORDER_ID`."""

    customer_order_id: Str = None
    """Your own id."""
    symbol: Str = None
    """Symbol."""
    order_qty: Dec = None
    """Quantity of the order."""
    price: Dec = None
    """Limit price."""
    side: SideCode = None
    """Buy or sell."""
    status: StatusCode = None
    """State of the order; it may still fill until this is `CANCELED`."""
    warning: Str = None
    """What IBKR has to say about it."""
    order_type: OrderTypeCode = None
    """Market, limit, stop or stop limit."""


class ModifyAnswer(AnswerRow):
    """Answer of `PUT /accounts/{account}/orders/CUST_ORDER_ID`."""

    orig_customer_order_id: Str = None
    """Id that the order had."""
    customer_order_id: Str = None
    """Id that it has from now on."""
    order_qty: Dec = None
    """New total."""
    price: Dec = None
    """New limit price."""
    side: SideCode = None
    """Buy or sell."""
    status: StatusCode = None
    """State of the order."""
    warning: Str = None
    """What IBKR has to say about it."""
    order_type: OrderTypeCode = None
    """Market, limit, stop or stop limit."""


class OrderImpact(AnswerRow):
    """Answer of `POST /accounts/{account}/order_impact`: what an order would change."""

    equity_with_loan: Dec = None
    """Equity with loan value after the order, in `margin_currency`."""
    equity_with_loan_before: Dec = None
    """The same before it. The reference does not list it; others describe it."""
    init_margin: Dec = None
    """Initial margin after the order, in `margin_currency`."""
    init_margin_before: Dec = None
    """The same before it."""
    maint_margin: Dec = None
    """Maintenance margin after the order, in `margin_currency`."""
    maint_margin_before: Dec = None
    """The same before it."""
    margin_currency: Str = None
    """Currency of the margins."""
    commission: Dec = None
    """Estimated commission, in `commissions_currency`."""
    min_commissions: Dec = None
    """Least commission."""
    max_commissions: Dec = None
    """Greatest commission."""
    commissions_currency: Str = None
    """Currency of the commissions."""


class ThirdPartyTrade(AnswerRow):
    """One trade of `GET /accounts/{account}/trades`."""

    customer_order_id: Str = None
    """Your own id of the order."""
    contract_id: Int = None
    """Conid."""
    order_id: Str = None
    """IBKR's id of the order."""
    ticker: Str = None
    """Symbol."""
    listing_exchange: Str = None
    """Exchange code."""
    currency: Str = None
    """Currency of the prices."""
    side: SideCode = None
    """Buy or sell."""
    order_type: OrderTypeCode = None
    """Type of the order."""
    filled_quantity: Dec = None
    """Filled of the order so far."""
    remaining_quantity: Dec = None
    """Still open of the order."""
    quantity: Dec = None
    """Quantity of the order."""
    trade_price: Dec = None
    """Price of this trade."""
    trade_size: Dec = None
    """Size of this trade."""
    avg_price: Dec = None
    """Average price of the order so far."""
    execution_time: Str = None
    """Time of this trade (UTC), as sent."""
    exec_id: Str = None
    """IBKR's id of this trade."""
    commission: Dec = None
    """Commission, in `commission_currency`."""
    commission_currency: Str = None
    """Currency of the commission."""
    last_market: Str = None
    """Venue of this trade."""


class ThirdPartySecurityDefinition(AnswerRow):
    """A product of `GET /secdef`."""

    contract_id: Int = None
    """Conid."""
    ticker: Str = None
    """Symbol."""
    security_type: Str = None
    """Such as `STK`."""
    exchange: Str = None
    """Listing exchange."""
    company_name: Str = None
    """Name of the company."""
    currency: Str = None
    """Currency of its prices."""


def read_rows(type_: type[T], wire: Any, unread: Unread | None = None) -> tuple[T, ...]:
    """Read an array of objects, each key in one spelling; a bare object counts as an array of one.

    The reference and the Swagger description disagree about which of the two some answers are. With
    `unread` an odd row of an array is missing, and counted there.
    Errors: `msgspec.ValidationError` for anything else.
    """
    rows = wire if is_array(wire) else [wire]
    unified = [_unified(row) for row in rows]
    # An array of nothing but odd rows is not an empty one.
    some_fit = unread is not None and is_array(wire) and any(map(is_object, wire))
    counted = unread if some_fit else None
    found: list[T] = convert(list[type_], unified, counted)  # type: ignore[valid-type]  # a type at run time
    return tuple(found)


def _unified(row: Any) -> Any:
    if not is_object(row):
        return row
    unified = dict(row)
    for key in row:
        ours = _SPELLINGS.get(key.replace(" ", "").lower(), key)
        if ours not in unified:
            unified[ours] = unified.pop(key)
    return unified
