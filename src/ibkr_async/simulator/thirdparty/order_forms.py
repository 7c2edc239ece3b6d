"""Orders of the Third-Party Web API as they arrive, checked by the reference's rules. Pure.

Responsible for turning FIX codes and keys with spaces into the broker's own tickets, or into a
refusal. Written apart from the client's rules on purpose. It must never look at accounts or
change an order.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ibkr_async.simulator.broker.tickets import IncomingTicket, TicketError, read_ticket

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from ibkr_async.simulator.broker.instruments import Instrument
    from ibkr_async.simulator.broker.order import Order

MARKET, LIMIT, STOP, STOP_LIMIT = "1", "2", "3", "4"
TYPE_NAMES = {MARKET: "MKT", LIMIT: "LMT", STOP: "STP", STOP_LIMIT: "STOP_LIMIT"}
SIDE_NAMES = {"1": "BUY", "2": "SELL"}
TIF_NAMES = {"0": "DAY", "1": "GTC", "2": "OPG", "3": "IOC", "7": "CLOSE"}
_STOPS = frozenset({STOP, STOP_LIMIT})
_RESTRICTIONS = frozenset("123")
_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"false", "0"})

_CONTRACT_KEYS = frozenset(
    {"Ticker", "ListingExchange", "Currency", "InstrumentType", "ContractId"}
)
_TERM_KEYS = frozenset(
    {"CustomerOrderId", "Quantity", "Price", "Order Type", "Aux Price", "Time In Force", "Side"}
)
_DECLARATION_KEYS = frozenset(
    {
        "Outside RTH",
        "GermanHftAlgo",
        "Mifid2DecisionMaker",
        "Mifid2Algo",
        "Mifid2ExecutionTrader",
        "Mifid2ExecutionAlgo",
        "UsePricemanagementAlgo",
    }
)
ORDER_KEYS = _CONTRACT_KEYS | _TERM_KEYS | _DECLARATION_KEYS | {"OrderRestrictions"}
IMPACT_KEYS = _CONTRACT_KEYS | _TERM_KEYS
CHANGE_KEYS = _TERM_KEYS | _DECLARATION_KEYS | {"OrigCustomerOrderId"}
_SWAGGER_SPELLINGS = {"Time in Force": "Time In Force"}
"""The public Swagger description and the reference print one key differently."""

EXCHANGE_CODES = {"NASDAQ": "ISLAND"}
"""The broker's name of an exchange to the reference's code, where they differ."""


class NewOrder(NamedTuple):
    """An order that is well formed."""

    customer_order_id: str
    ticket: IncomingTicket


def read_fields(body: Any, allowed: frozenset[str]) -> dict[str, str]:
    """Return the fields of a body as texts, in the reference's spelling.

    JSON and forms come alike: a JSON number or boolean is its text.
    Errors: `TicketError` for a body that is no object, and for a key that is not in the reference.
    """
    if not isinstance(body, dict):
        raise TicketError("the body must be an object or a form")
    fields: dict[str, str] = {}
    for key, value in body.items():
        name = _SWAGGER_SPELLINGS.get(key, key)
        if name not in allowed:
            raise TicketError(f"unknown parameter {key}")
        if isinstance(value, dict | list) or value is None:
            raise TicketError(f"{key} must be a single value")
        fields[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return fields


def read_order(fields: Mapping[str, str], instruments: Mapping[int, Instrument]) -> NewOrder:
    """Check a new order.

    Errors: `TicketError` with the rule that it breaks.
    """
    customer_order_id = _required(fields, "CustomerOrderId")
    _check_declarations(fields)
    instrument = find_security(fields, instruments)
    order_type = _code(fields, "Order Type", TYPE_NAMES)
    if order_type in _STOPS and "Aux Price" not in fields:
        raise TicketError("Aux Price is required to support Stop and Stop Limit orders")
    ticket = _ticket(
        instruments,
        {
            "conid": instrument.conid,
            "side": SIDE_NAMES[_code(fields, "Side", SIDE_NAMES)],
            "quantity": _required(fields, "Quantity"),
            "outsideRTH": fields.get("Outside RTH") in _TRUE,
            "cOID": customer_order_id,
        },
        order_type=order_type,
        price=fields.get("Price"),
        aux_price=fields.get("Aux Price"),
        tif=_code(fields, "Time In Force", TIF_NAMES),
    )
    return NewOrder(customer_order_id, ticket)


def read_change(
    fields: Mapping[str, str],
    order: Order,
    customer_order_id: str,
    instruments: Mapping[int, Instrument],
) -> NewOrder:
    """Check new terms for an order that is now called `customer_order_id`.

    Errors: `TicketError` with the rule that they break.
    """
    if _required(fields, "OrigCustomerOrderId") != customer_order_id:
        raise TicketError("OrigCustomerOrderId must be the order of the URL")
    new_id = _required(fields, "CustomerOrderId")
    if new_id == customer_order_id:
        raise TicketError("a separate CustomerOrderId must be provided for the modification")
    _check_declarations(fields)
    old = order.ticket
    if "Side" in fields and SIDE_NAMES[_code(fields, "Side", SIDE_NAMES)] != old.side:
        raise TicketError("Side must match the original order")
    old_type = type_code(old)
    order_type = _code(fields, "Order Type", TYPE_NAMES) if "Order Type" in fields else old_type
    if order_type != old_type and (old_type, order_type) != (LIMIT, MARKET):
        raise TicketError("IB only supports changing a Limit order to a Market order")
    if "Aux Price" in fields and old_type not in _STOPS:
        raise TicketError("Aux Price can only be modified if the original was STP or STP LMT")
    old_price, old_aux_price = _prices(old)
    tif = _code(fields, "Time In Force", TIF_NAMES) if "Time In Force" in fields else tif_code(old)
    ticket = _ticket(
        instruments,
        {
            "conid": old.instrument.conid,
            "side": old.side,
            "quantity": fields.get("Quantity", old.quantity),
            "outsideRTH": (
                fields["Outside RTH"] in _TRUE if "Outside RTH" in fields else old.outside_rth
            ),
            "cOID": old.coid,
        },
        order_type=order_type,
        price=fields.get("Price", old_price),
        aux_price=fields.get("Aux Price", old_aux_price),
        tif=tif,
    )
    return NewOrder(new_id, ticket)


def find_security(fields: Mapping[str, str], instruments: Mapping[int, Instrument]) -> Instrument:
    """Find the contract that an order or a query names.

    Errors: `TicketError` when it names none, or in a way that the reference does not know.
    """
    if "ContractId" in fields:
        conid = fields["ContractId"]
        instrument = instruments.get(int(conid)) if conid.isdecimal() else None
        if instrument is None:
            raise TicketError(f"no such contract: {conid}")
        return instrument
    kind, ticker = _required(fields, "InstrumentType"), _required(fields, "Ticker")
    if kind == "STK":
        if "Currency" in fields:
            raise TicketError("Currency is only for InstrumentType=CASH")
        return find_by_symbol(
            instruments, kind, ticker, exchange=_required(fields, "ListingExchange")
        )
    if kind == "CASH":
        if "ListingExchange" in fields:
            raise TicketError("ListingExchange is only for InstrumentType=STK")
        return find_by_symbol(instruments, kind, ticker, currency=_required(fields, "Currency"))
    raise TicketError("InstrumentType must be STK or CASH; name other contracts by ContractId")


def find_by_symbol(
    instruments: Mapping[int, Instrument],
    kind: str,
    symbol: str,
    *,
    exchange: str | None = None,
    currency: str | None = None,
) -> Instrument:
    """Find the one contract of a type and symbol; exchange and currency narrow it down.

    Errors: `TicketError` when there is none.
    """
    wanted = f"{symbol}.{currency}" if kind == "CASH" else symbol
    for instrument in instruments.values():
        if (
            (instrument.sec_type, instrument.symbol) == (kind, wanted)
            and exchange in {None, exchange_code(instrument)}
            and currency in {None, instrument.currency}
        ):
            return instrument
    raise TicketError(f"no such contract: {kind} {symbol} {exchange or currency or ''}".strip())


def exchange_code(instrument: Instrument) -> str:
    """Return the listing exchange as this API codes it."""
    return EXCHANGE_CODES.get(instrument.exchange, instrument.exchange)


def type_code(ticket: IncomingTicket) -> str:
    """Return the FIX order type; `P` for types that only the newer API has."""
    return next((code for code, name in TYPE_NAMES.items() if name == ticket.kind.name), "P")


def tif_code(ticket: IncomingTicket) -> str:
    """Return the FIX time in force; day for those that only the newer API has."""
    return next((code for code, name in TIF_NAMES.items() if name == ticket.tif), "0")


def side_code(ticket: IncomingTicket) -> str:
    """Return the FIX side."""
    return "1" if ticket.is_buy else "2"


def limit_price(ticket: IncomingTicket) -> Decimal | None:
    """Return what this API calls `Price`."""
    return _prices(ticket)[0]


def _prices(ticket: IncomingTicket) -> tuple[Decimal | None, Decimal | None]:
    """Return `Price` and `Aux Price`. The broker keeps a plain stop's trigger as its price."""
    if ticket.kind.name == TYPE_NAMES[STOP]:
        return None, ticket.price
    return ticket.price, ticket.aux_price


def _ticket(
    instruments: Mapping[int, Instrument],
    base: dict[str, Any],
    *,
    order_type: str,
    price: str | Decimal | None,
    aux_price: str | Decimal | None,
    tif: str,
) -> IncomingTicket:
    if order_type == MARKET:
        price = aux_price = None
    elif order_type == STOP:
        price, aux_price = aux_price, None
    elif order_type == LIMIT:
        aux_price = None
    # The broker has no closing auction: an order for it works like a day order.
    name = TIF_NAMES[tif]
    fields = {
        **base,
        "orderType": TYPE_NAMES.get(order_type, order_type),
        "price": price,
        "auxPrice": aux_price,
        "tif": "DAY" if name == "CLOSE" else name,
    }
    return replace(read_ticket(fields, instruments), tif=name)


def _check_declarations(fields: Mapping[str, str]) -> None:
    for key in ("GermanHftAlgo", "UsePricemanagementAlgo", "Outside RTH"):
        if key in fields and fields[key] not in _TRUE | _FALSE:
            raise TicketError(f"{key} must be true or false")
    if fields.get("GermanHftAlgo") in _TRUE:
        raise TicketError("orders with GermanHftAlgo set to true are not accepted")
    for restriction in fields.get("OrderRestrictions", "").split():
        if restriction not in _RESTRICTIONS:
            raise TicketError(f"OrderRestrictions: {restriction} is none of 1, 2 and 3")
    for key, value in fields.items():
        if key.startswith("Mifid2") and not value.strip():
            raise TicketError(f"{key} must be a preregistered short code")


def _required(fields: Mapping[str, str], key: str) -> str:
    value = fields.get(key, "").strip()
    if not value:
        raise TicketError(f"{key} is required")
    return value


def _code(fields: Mapping[str, str], key: str, table: Mapping[str, str]) -> str:
    code = _required(fields, key)
    if code not in table:
        raise TicketError(f"{key} must be one of {', '.join(table)}, not {code}")
    return code
