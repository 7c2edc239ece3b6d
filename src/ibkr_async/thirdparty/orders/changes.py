"""What a change makes of an original order: the whole body of a PUT. Pure.

Responsible for the rules that compare the new terms with the old. It must never invent a term of
the original: one that is needed and not known has to be given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ibkr_async.errors import OrderInvalidError
from ibkr_async.thirdparty.fix import FixOrderType, FixSide, FixTif
from ibkr_async.thirdparty.orders import values
from ibkr_async.thirdparty.orders.requests import OrderChange, Replacement, ThirdPartyOrder
from ibkr_async.thirdparty.orders.rules import check_prices
from ibkr_async.types import to_decimal

if TYPE_CHECKING:
    from decimal import Decimal

    from ibkr_async.thirdparty.answers import ThirdPartyOrderState

_STOPS: Final = frozenset({FixOrderType.STOP, FixOrderType.STOP_LIMIT})
_DECLARATIONS: Final = (
    "german_hft_algo",
    "mifid2_decision_maker",
    "mifid2_algo",
    "mifid2_execution_trader",
    "mifid2_execution_algo",
    "use_price_management_algo",
)


class _Terms(NamedTuple):
    """What is known of the original."""

    customer_order_id: str
    side: FixSide
    order_type: FixOrderType
    quantity: Decimal | None
    price: Decimal | None
    aux_price: Decimal | None
    tif: FixTif | None
    outside_rth: bool | None


def replacement(
    original: ThirdPartyOrder | ThirdPartyOrderState,
    change: OrderChange,
    new_customer_order_id: str,
) -> Replacement:
    """Lay a change over the original order.

    Everything is sent, changed or not, so that the result does not depend on how the server reads
    an absent field. Declarations (MiFID II, HFT) of an `ThirdPartyOrder` are repeated.
    Errors: `OrderInvalidError` that quotes the rule.
    """
    terms = _terms_of(original)
    new_id = values.read_customer_order_id(
        "customer_order_id",
        new_customer_order_id if change.customer_order_id is None else change.customer_order_id,
    )
    if new_id == terms.customer_order_id:
        raise OrderInvalidError(
            "customer_order_id", "a separate Customer Order ID must be provided for a modification"
        )
    if change.side is not None and change.side != terms.side:
        raise OrderInvalidError("side", f"must match the original order, which is {_word(terms)}")
    order_type = _new_type(terms, change)
    if change.aux_price is not None and terms.order_type not in _STOPS:
        raise OrderInvalidError(
            "aux_price",
            "can only be modified if the original order was a stop or stop limit order",
        )
    price, aux_price = _prices(terms, change, order_type)
    quantity = terms.quantity if change.quantity is None else to_decimal(change.quantity)
    if quantity is None:
        raise OrderInvalidError("quantity", "the original does not say its quantity; give it")
    return Replacement(
        orig_customer_order_id=terms.customer_order_id,
        customer_order_id=new_id,
        side=terms.side,
        order_type=order_type,
        quantity=quantity,
        price=price,
        aux_price=aux_price,
        tif=terms.tif if change.tif is None else FixTif(str(change.tif)),
        outside_rth=terms.outside_rth if change.outside_rth is None else change.outside_rth,
        **_declarations(original, change),
    )


def _new_type(terms: _Terms, change: OrderChange) -> FixOrderType:
    if change.order_type is None or change.order_type == terms.order_type:
        return terms.order_type
    if (terms.order_type, change.order_type) != (FixOrderType.LIMIT, FixOrderType.MARKET):
        raise OrderInvalidError(
            "order_type", "IB only supports changing a limit order to a market order"
        )
    return FixOrderType.MARKET


def _prices(
    terms: _Terms, change: OrderChange, order_type: FixOrderType
) -> tuple[Decimal | None, Decimal | None]:
    if order_type != terms.order_type:
        return None, None  # from limit to market: `check_change` has seen that no price is given
    price = terms.price if change.price is None else to_decimal(change.price)
    aux_price = terms.aux_price if change.aux_price is None else to_decimal(change.aux_price)
    if order_type.is_known:
        # Answers repeat neither price of a market order; some do send 0 for "none".
        if order_type in {FixOrderType.MARKET, FixOrderType.STOP} and change.price is None:
            price = None
        if order_type not in _STOPS:
            aux_price = None
        check_prices(order_type, price=price, aux_price=aux_price)
    return price, aux_price


def _declarations(
    original: ThirdPartyOrder | ThirdPartyOrderState, change: OrderChange
) -> dict[str, Any]:
    found = {}
    for name in _DECLARATIONS:
        value = getattr(change, name)
        found[name] = getattr(original, name, None) if value is None else value
    return found


def _terms_of(original: ThirdPartyOrder | ThirdPartyOrderState) -> _Terms:
    known = {
        "customer_order_id": original.customer_order_id,
        "side": original.side,
        "order_type": original.order_type,
    }
    for name, value in known.items():
        if value is None:
            raise OrderInvalidError(
                name, "the original does not say it; pass the order as order() or orders() gave it"
            )
    return _Terms(
        customer_order_id=str(original.customer_order_id),
        side=FixSide(str(original.side)),
        order_type=FixOrderType(str(original.order_type)),
        quantity=_decimal(original.quantity),
        price=_decimal(original.price),
        aux_price=_decimal(original.aux_price),
        tif=None if original.tif is None else FixTif(str(original.tif)),
        outside_rth=original.outside_rth,
    )


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else to_decimal(value)


def _word(terms: _Terms) -> str:
    return terms.side.name
