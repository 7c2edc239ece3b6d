"""Order tickets as they arrive, checked and made exact.

Responsible for turning the JSON of a ticket into a `IncomingTicket` or a refusal in IBKR's manner. It
must never look at orders that exist, at prices or at accounts.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ibkr_async.simulator.broker.combinations import read_combination
from ibkr_async.types import to_decimal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibkr_async.simulator.broker.instruments import Instrument


class TicketError(Exception):
    """A ticket that the broker refuses; the text is the answer's `error`."""


@dataclass(frozen=True, slots=True)
class OrderKind:
    """What an order type needs and how the broker spells it back."""

    name: str
    """As tickets write it: `STOP_LIMIT`."""
    label: str
    """As live orders write it in `orderType` and descriptions: `Stop Limit`."""
    code: str
    """As `origOrderType` and order status write it: `STOP_LIMIT`."""
    trigger: str = ""
    """Which price elects it: `price`, `aux`, `trail`, or nothing."""
    touch: bool = False
    """Elected when the market comes to the trigger from the better side (if-touched)."""
    limit: str = ""
    """What holds the limit: `price`, or what it follows: `offset`, `mid`, `own` (pegged); or nothing."""
    at_close: bool = False
    """Trades at the close of the market, or not at all."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the ticket keys that must be present."""
        if self.name == "TRAIL":
            return ("trailingAmt",)
        if self.name == "TRAILLMT":
            return ("price", "auxPrice", "trailingAmt")
        fields = {"price": "price", "aux": "auxPrice"}
        return tuple(fields[use] for use in (self.limit, self.trigger) if use in fields)


ORDER_KINDS: tuple[OrderKind, ...] = (
    OrderKind("MKT", "Market", "MARKET"),
    OrderKind("LMT", "Limit", "LIMIT", limit="price"),
    OrderKind("STP", "Stop", "STOP", trigger="price"),
    OrderKind("STOP_LIMIT", "Stop Limit", "STOP_LIMIT", trigger="aux", limit="price"),
    OrderKind("TRAIL", "Trailing Stop", "TRAILING_STOP", trigger="trail"),
    # The limit follows the stop at the distance `auxPrice`.
    OrderKind("TRAILLMT", "Trailing Stop Limit", "TRAILING_STOP_LIMIT", "trail", limit="offset"),
    OrderKind("MIT", "Market If Touched", "MARKET_IF_TOUCHED", trigger="price", touch=True),
    OrderKind("LIT", "Limit If Touched", "LIMIT_IF_TOUCHED", "aux", touch=True, limit="price"),
    OrderKind("MIDPRICE", "Midprice", "MIDPRICE", limit="mid"),
    # Accepted live, and read back under these codes; the labels are a guess.
    OrderKind("MOC", "Market on Close", "MARKETONCLOSE", at_close=True),
    OrderKind("LOC", "Limit on Close", "LIMITONCLOSE", limit="price", at_close=True),
    OrderKind("REL", "Relative", "RELATIVE", limit="own"),
)
_KINDS: dict[str, OrderKind] = {kind.name: kind for kind in ORDER_KINDS}
# Spellings that the documentation also shows.
_KIND_ALIASES = {"LIMIT": "LMT", "MARKET": "MKT", "STOP": "STP"}

FRACTION_DIGITS = 4
_ZERO = Decimal(0)
TIFS = frozenset({"DAY", "GTC", "IOC", "OPG", "OVT", "OND"})


@dataclass(frozen=True, kw_only=True, slots=True)
class IncomingTicket:
    """A well-formed order request."""

    instrument: Instrument
    side: str
    """`BUY` or `SELL`."""
    quantity: Decimal
    """Units; 0 while only `cash` is known."""
    kind: OrderKind
    tif: str
    cash: Decimal | None = None
    """Amount of cash that was asked for instead of a quantity."""
    price: Decimal | None = None
    aux_price: Decimal | None = None
    trailing_amount: Decimal | None = None
    trailing_percent: bool = False
    outside_rth: bool = False
    all_or_none: bool = False
    coid: str = ""
    parent_coid: str = ""
    single_group: bool = False
    """Whether it forms an OCA group with the other tickets of the request."""
    referrer: str = ""

    @property
    def signed(self) -> Decimal:
        """Return the quantity, negative for a sale."""
        return self.quantity if self.is_buy else -self.quantity

    @property
    def is_buy(self) -> bool:
        """Tell whether it buys."""
        return self.side == "BUY"

    @property
    def stop_price(self) -> Decimal | None:
        """Return the fixed price that elects it, if its type has one."""
        return {"price": self.price, "aux": self.aux_price, "trail": self.price}.get(
            self.kind.trigger
        )

    @property
    def limit_price(self) -> Decimal | None:
        """Return the fixed limit, if its type has one."""
        return self.price if self.kind.limit == "price" else None


def tickets_of(body: Any) -> list[Mapping[str, Any]]:
    """Return the ticket objects of a placing request.

    Errors: `TicketError` when `body` is not `{"orders": [...]}` with at least one object.
    """
    orders = body.get("orders") if isinstance(body, dict) else None
    if not isinstance(orders, list) or not orders:
        raise TicketError("Bad Request: orders is required")
    if not all(isinstance(order, dict) for order in orders):
        raise TicketError("Bad Request: each order must be an object")
    return orders


def read_ticket(
    fields: Mapping[str, Any], instruments: Mapping[int, Instrument], *, fractions: bool = True
) -> IncomingTicket:
    """Check one ticket. Without `fractions` the account trades whole units only.

    Errors: `TicketError` with the sentence that goes into the answer.
    """
    instrument = _instrument(fields, instruments)
    kind = _kind(fields)
    for key in kind.needs:
        if _number(fields, key) is None:
            raise TicketError(f"{key} is required for order type {kind.name}")
    side = str(fields.get("side", "")).upper()
    if side not in {"BUY", "SELL"}:
        raise TicketError("Invalid order side. Side must be BUY or SELL")
    tif = str(fields.get("tif", "")).upper()
    if tif not in TIFS:
        raise TicketError(f"Invalid time in force: {fields.get('tif')}")
    cash = _cash(fields, instrument)
    ticket = IncomingTicket(
        instrument=instrument,
        side=side,
        quantity=_quantity(fields, instrument, fractions=fractions) if cash is None else _ZERO,
        cash=cash,
        kind=kind,
        tif=tif,
        price=_number(fields, "price"),
        aux_price=_number(fields, "auxPrice"),
        trailing_amount=_number(fields, "trailingAmt"),
        trailing_percent=str(fields.get("trailingType", "amt")) == "%",
        outside_rth=bool(fields.get("outsideRTH")),
        all_or_none=bool(fields.get("allOrNone")),
        coid=str(fields.get("cOID") or ""),
        parent_coid=str(fields.get("parentId") or ""),
        single_group=bool(fields.get("isSingleGroup")),
        referrer=str(fields.get("referrer") or ""),
    )
    _check_prices(ticket, instrument)
    return ticket


def _instrument(fields: Mapping[str, Any], instruments: Mapping[int, Instrument]) -> Instrument:
    # `conid` wins over `conidex`, whose exchange the simulator does not model.
    named = fields.get("conid") or str(fields.get("conidex") or "")
    instrument = read_combination(str(named), instruments)
    if instrument is None:
        try:
            instrument = instruments[int(str(named).partition("@")[0])]
        except (KeyError, ValueError):
            raise TicketError(f"No such contract: conid {named}") from None
    if not instrument.tradable:
        raise TicketError(f"{instrument.description} cannot be traded")
    return instrument


def _kind(fields: Mapping[str, Any]) -> OrderKind:
    name = str(fields.get("orderType", "")).upper()
    kind = _KINDS.get(_KIND_ALIASES.get(name, name))
    if kind is None:
        raise TicketError(f"Invalid order type: {fields.get('orderType')}")
    return kind


def _number(fields: Mapping[str, Any], key: str) -> Decimal | None:
    value = fields.get(key)
    if value is None or value == "":
        return None
    try:
        return to_decimal(value)
    except ValueError:
        raise TicketError(f"{key} is not a number") from None


def _quantity(fields: Mapping[str, Any], instrument: Instrument, *, fractions: bool) -> Decimal:
    quantity = _number(fields, "quantity")
    if quantity is None:
        raise TicketError("quantity is required")
    if quantity <= 0:
        raise TicketError("Order size must be positive")
    if quantity == quantity.to_integral_value() or instrument.sec_type == "CASH":
        return quantity
    if not instrument.takes_fractions:
        # Recorded, of another size.
        raise TicketError(
            f"The size, {quantity.normalize():f}, does not conform to the minimum variation of 1 "
            "for this contract."
        )
    if not fractions:
        raise TicketError("Fractional order size is not supported for this account")
    if quantity != round(quantity, FRACTION_DIGITS):
        raise TicketError(f"Fractional order size has more than {FRACTION_DIGITS} digits")
    return quantity


def _cash(fields: Mapping[str, Any], instrument: Instrument) -> Decimal | None:
    """Return the amount of cash that stands for a quantity. Of a currency conversion it is `fxQty`."""
    found = [cash for name in ("cashQty", "fxQty") if (cash := _number(fields, name)) is not None]
    if not found:
        return None
    if len(found) > 1 or _number(fields, "quantity") is not None:
        raise TicketError("Only one of quantity, cashQty and fxQty can be given")
    if instrument.sec_type not in {"STK", "CASH"} or (
        _number(fields, "fxQty") is not None and instrument.sec_type != "CASH"
    ):
        raise TicketError("Cash quantity is not supported for this contract")
    if found[0] <= 0:
        raise TicketError("Order size must be positive")
    return found[0]


def _check_prices(ticket: IncomingTicket, instrument: Instrument) -> None:
    for price in (ticket.price, ticket.aux_price):
        if price is not None and price % instrument.tick:
            raise TicketError(
                "The price does not conform to the minimum price variation of "
                f"{instrument.tick} for this contract"
            )
        if price is not None and price <= 0 and not instrument.legs:
            raise TicketError("The price must be positive")
    if ticket.trailing_amount is not None and ticket.trailing_amount <= 0:
        raise TicketError("trailingAmt must be positive")
