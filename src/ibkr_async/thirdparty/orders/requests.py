"""Orders and changes as the user writes them, with the keys that the wire has.

Responsible for holding them valid: each is checked as it is made, so that one which exists breaks
no rule of the reference that can be checked by itself. It must never send anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

import msgspec

from ibkr_async.errors import OrderInvalidError
from ibkr_async.thirdparty.fix import FixOrderType, FixSide, FixTif, InstrumentType
from ibkr_async.thirdparty.orders import rules
from ibkr_async.types import DecimalLike

_KEYS: Final = {
    "customer_order_id": "CustomerOrderId",
    "ticker": "Ticker",
    "listing_exchange": "ListingExchange",
    "currency": "Currency",
    "instrument_type": "InstrumentType",
    "contract_id": "ContractId",
    "quantity": "Quantity",
    "price": "Price",
    "order_type": "Order Type",
    "aux_price": "Aux Price",
    "tif": "Time In Force",
    "outside_rth": "Outside RTH",
    "side": "Side",
    "order_restrictions": "OrderRestrictions",
    "german_hft_algo": "GermanHftAlgo",
    "mifid2_decision_maker": "Mifid2DecisionMaker",
    "mifid2_algo": "Mifid2Algo",
    "mifid2_execution_trader": "Mifid2ExecutionTrader",
    "mifid2_execution_algo": "Mifid2ExecutionAlgo",
    "use_price_management_algo": "UsePricemanagementAlgo",
}
"""Our names to the reference's. It is the only place where keys with spaces are written."""

_IMPACT_KEYS: Final = frozenset(
    {
        "customer_order_id",
        "ticker",
        "listing_exchange",
        "currency",
        "instrument_type",
        "contract_id",
        "quantity",
        "price",
        "order_type",
        "aux_price",
        "tif",
        "side",
    }
)
"""What `POST /accounts/{account}/order_impact` takes of an order."""


class _Declarations(msgspec.Struct, frozen=True, kw_only=True, rename=_KEYS):
    """What orders and changes declare alike."""

    german_hft_algo: bool | None = None
    """False attests that the order is not subject to the German HFT act. True is refused.

    The library never attests by itself: None sends nothing."""
    mifid2_decision_maker: str | None = None
    """Preregistered MiFID II short code of the decision maker."""
    mifid2_algo: str | None = None
    """Preregistered short code of the algorithm that is responsible for the decision."""
    mifid2_execution_trader: str | None = None
    """Preregistered short code of the person who routes the order."""
    mifid2_execution_algo: str | None = None
    """Preregistered short code of the algorithm that routes the order."""
    use_price_management_algo: bool | None = None
    """True lets IBKR cap the limit price near the current reference price."""


class ThirdPartyOrder(_Declarations, frozen=True, kw_only=True, rename=_KEYS):
    """An order: `ThirdPartyOrder(contract_id=8314, side="BUY", quantity=10, order_type="LIMIT", price="220")`.

    The contract is `contract_id` alone, or `instrument_type="STK"` with `ticker` and
    `listing_exchange`, or `instrument_type="CASH"` with `ticker` and `currency`.
    Errors: `OrderInvalidError` that quotes the rule.
    Source: POST /accounts/{account}/orders, POST /accounts/{account}/order_impact.
    """

    side: FixSide | str | int
    """Buy or sell; also `"BUY"`, `Side.BUY`. Kept as `FixSide`."""
    quantity: DecimalLike
    """Contracts or shares; kept as `Decimal`."""
    order_type: FixOrderType | str | int
    """Market, limit, stop or stop limit; also `"LMT"`. Kept as `FixOrderType`."""
    price: DecimalLike | None = None
    """Limit price, of limit and stop limit orders; kept as `Decimal`."""
    aux_price: DecimalLike | None = None
    """Stop price, of stop and stop limit orders; kept as `Decimal`."""
    tif: FixTif | str | int = FixTif.DAY
    """How long it works; kept as `FixTif`."""
    outside_rth: bool | None = None
    """May execute outside regular trading hours."""
    contract_id: int | None = None
    """IBKR's contract id (conid)."""
    instrument_type: InstrumentType | str | None = None
    """`STK` or `CASH`, where the contract is named by its ticker."""
    ticker: str | None = None
    """Symbol of the product; for a currency pair the first currency."""
    listing_exchange: str | None = None
    """Exchange code (only for STK); names of the reference's table are translated."""
    currency: str | None = None
    """Second currency of a pair (only for CASH)."""
    customer_order_id: str | int | None = None
    """Your own id of the order; made for you when left out. Kept as text."""
    order_restrictions: Iterable[str] | str | int | None = None
    """One or more of 1 program trade, 2 index arbitrage, 3 non-index arbitrage."""

    def __post_init__(self) -> None:
        _check_order(self)

    def wire(self, customer_order_id: str) -> dict[str, Any]:
        """Write the order as `POST .../orders` takes it."""
        return _wire(self, customer_order_id)

    def impact_wire(self, customer_order_id: str) -> dict[str, Any]:
        """Write what `POST .../order_impact` takes of it."""
        allowed = {_KEYS[name] for name in _IMPACT_KEYS}
        wire = _wire(self, customer_order_id)
        return {key: value for key, value in wire.items() if key in allowed}


class OrderChange(_Declarations, frozen=True, kw_only=True, rename=_KEYS):
    """New terms of an order: only what is given changes.

    Errors: `OrderInvalidError` that quotes the rule.
    Source: PUT /accounts/{account}/orders/CUST_ORDER_ID.
    """

    quantity: DecimalLike | None = None
    """New total, what has been filled included; kept as `Decimal`."""
    price: DecimalLike | None = None
    """New limit price; kept as `Decimal`."""
    order_type: FixOrderType | str | int | None = None
    """Market, for a limit order: IBKR supports no other change of the type."""
    aux_price: DecimalLike | None = None
    """New stop price, if the original is a stop or stop limit order; kept as `Decimal`."""
    tif: FixTif | str | int | None = None
    """New time in force; the reference names day to GTC."""
    outside_rth: bool | None = None
    """May execute outside regular trading hours."""
    side: FixSide | str | int | None = None
    """Must be that of the original; never needed."""
    customer_order_id: str | int | None = None
    """Your own id of the *changed* order; made for you when left out. Kept as text."""

    def __post_init__(self) -> None:
        _check_change(self)


class Replacement(_Declarations, frozen=True, kw_only=True, rename=_KEYS):
    """The whole body of a PUT: the original's terms with the change laid over them."""

    orig_customer_order_id: str = msgspec.field(name="OrigCustomerOrderId")
    """Id that the order has now."""
    customer_order_id: str
    """Id that it will have."""
    side: FixSide
    """As in the original."""
    order_type: FixOrderType
    """As in the original, or market."""
    quantity: Decimal
    """New total."""
    price: Decimal | None = None
    """Limit price, where the type has one."""
    aux_price: Decimal | None = None
    """Stop price, where the type has one."""
    tif: FixTif | None = None
    """Time in force; None when the original does not say."""
    outside_rth: bool | None = None
    """None when the original does not say."""

    def wire(self) -> dict[str, Any]:
        """Write it as `PUT .../orders/CUST_ORDER_ID` takes it."""
        return _wire(self, self.customer_order_id)


def _check_order(order: ThirdPartyOrder) -> None:
    """Check an order and bring its values into their exact types.

    Errors: `OrderInvalidError`.
    """
    _normalise(order, required=("side", "quantity", "order_type", "tif"))
    _check_security(order)
    rules.check_prices(
        FixOrderType(str(order.order_type)), price=order.price, aux_price=order.aux_price
    )


def _check_change(change: OrderChange) -> None:
    """Check a change by itself, without the original, and bring its values into exact types.

    Errors: `OrderInvalidError`.
    """
    _normalise(change)
    said = {name for name in change.__struct_fields__ if getattr(change, name) is not None}
    if not said - {"customer_order_id", "side"}:
        raise OrderInvalidError("change", "changes nothing; name at least one new term")
    has_price = change.price is not None or change.aux_price is not None
    if change.order_type == FixOrderType.MARKET and has_price:
        raise OrderInvalidError("price", "a market order has no price")


def _normalise(request: ThirdPartyOrder | OrderChange, required: tuple[str, ...] = ()) -> None:
    for name in request.__struct_fields__:
        value = getattr(request, name)
        if value is not None or name in required:
            msgspec.structs.force_setattr(request, name, rules.READERS[name](name, value))
    if request.german_hft_algo:
        raise OrderInvalidError("german_hft_algo", rules.HFT)


def _check_security(order: ThirdPartyOrder) -> None:
    named = {
        name
        for name in ("instrument_type", "ticker", "listing_exchange", "currency")
        if getattr(order, name) is not None
    }
    if order.contract_id is not None:
        if named:
            raise OrderInvalidError(
                min(named), f"{rules.SECURITY}; not both, since they could differ"
            )
        return
    if order.instrument_type is None:
        raise OrderInvalidError("contract_id", f"the contract is missing: {rules.SECURITY}")
    other = {InstrumentType.STOCK: "listing_exchange", InstrumentType.CASH: "currency"}
    market = other[InstrumentType(order.instrument_type)]
    missing = {"ticker", market} - named
    if missing:
        raise OrderInvalidError(min(missing), f"is missing: {rules.SECURITY}")
    surplus = named - {"instrument_type", "ticker", market}
    if surplus:
        only = "CASH" if "currency" in surplus else "STK"
        raise OrderInvalidError(min(surplus), f"only for InstrumentType={only}")


def _wire(struct: msgspec.Struct, customer_order_id: str) -> dict[str, Any]:
    fields = {field.name: field.encode_name for field in msgspec.structs.fields(type(struct))}
    values = {name: getattr(struct, name) for name in fields}
    values["customer_order_id"] = customer_order_id
    if values["outside_rth"] is not None:
        # A number 0 or 1: the only value that is documented anywhere (Swagger).
        values["outside_rth"] = int(values["outside_rth"])
    if values.get("order_restrictions"):
        values["order_restrictions"] = " ".join(values["order_restrictions"])
    return {fields[name]: value for name, value in values.items() if value is not None}


def form_fields(wire: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Write a body as form fields, which are signed."""
    return tuple((key, _form_text(value)) for key, value in wire.items())


def _form_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else str(value)
