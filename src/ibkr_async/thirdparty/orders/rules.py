"""The reference's rules about fields, by name, and its words for them. Pure.

Responsible for refusing, before anything is sent, what the reference says cannot be: the error
names the field and quotes the rule. Which of them an order or a change must keep is said there, in
`requests`. It must never allow what the reference excludes because a server might accept it all the
same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ibkr_async.errors import OrderInvalidError
from ibkr_async.orders.write.rules import read_conid, read_flag, read_quantity
from ibkr_async.thirdparty.fix import FixOrderType, FixSide, FixTif, InstrumentType
from ibkr_async.thirdparty.orders import values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SECURITY: Final = (
    "a contract is ContractId, or InstrumentType=STK with Ticker and ListingExchange, or "
    "InstrumentType=CASH with Ticker and Currency"
)
_AUX: Final = "Aux Price is the price required to support Stop and Stop Limit orders"
HFT: Final = (
    "IBKR cannot accept orders where this flag is true, such orders will be rejected; False "
    "attests that the order is not subject to the German HFT act"
)
_STOPS: Final = frozenset({FixOrderType.STOP, FixOrderType.STOP_LIMIT})
_LIMITS: Final = frozenset({FixOrderType.LIMIT, FixOrderType.STOP_LIMIT})

READERS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "quantity": read_quantity,
    "price": values.read_price,
    "aux_price": values.read_price,
    "outside_rth": read_flag,
    "side": lambda field, value: values.read_code(field, value, FixSide),
    "order_type": lambda field, value: values.read_code(field, value, FixOrderType),
    "tif": lambda field, value: values.read_code(field, value, FixTif),
    "customer_order_id": values.read_customer_order_id,
    "contract_id": read_conid,
    "instrument_type": lambda field, value: values.read_code(field, value, InstrumentType),
    "ticker": values.read_symbol,
    "listing_exchange": values.read_exchange,
    "currency": values.read_currency,
    "order_restrictions": values.read_restrictions,
    "german_hft_algo": read_flag,
    "mifid2_decision_maker": values.read_short_code,
    "mifid2_algo": values.read_short_code,
    "mifid2_execution_trader": values.read_short_code,
    "mifid2_execution_algo": values.read_short_code,
    "use_price_management_algo": read_flag,
}


def check_prices(order_type: FixOrderType, *, price: Any, aux_price: Any) -> None:
    """Hold the prices to those that the order type has."""
    if order_type in _LIMITS and price is None:
        raise OrderInvalidError("price", f"a {_words(order_type)} order needs Price")
    if order_type not in _LIMITS and price is not None:
        advice = f"; {_AUX}" if order_type == FixOrderType.STOP else ""
        raise OrderInvalidError("price", f"a {_words(order_type)} order has no Price{advice}")
    if order_type in _STOPS and aux_price is None:
        raise OrderInvalidError("aux_price", f"{_AUX}: a {_words(order_type)} order needs it")
    if order_type not in _STOPS and aux_price is not None:
        raise OrderInvalidError("aux_price", f"{_AUX}: a {_words(order_type)} order has none")


def check_security_query(
    instrument_type: Any, symbol: Any, exchange: Any, currency: Any, *, needs_market: bool
) -> dict[str, str | None]:
    """Check the parameters that name a contract by its symbol; give them by their wire names.

    With `needs_market` the exchange is required for STK and the currency for CASH (secdef);
    without it either of the two will do (snapshot).
    """
    if instrument_type is None or symbol is None:
        raise OrderInvalidError("symbol", "pass conids, or type and symbol with exchange/currency")
    checked = {
        "type": values.read_symbol("instrument_type", instrument_type),
        "symbol": values.read_symbol("symbol", symbol),
        "exchange": None if exchange is None else values.read_exchange("exchange", exchange),
        "currency": None if currency is None else values.read_currency("currency", currency),
    }
    if needs_market and checked["type"] == InstrumentType.STOCK and exchange is None:
        raise OrderInvalidError("exchange", "the listing exchange is required for type=STK")
    if needs_market and checked["type"] == InstrumentType.CASH and currency is None:
        raise OrderInvalidError("currency", "the currency is required for type=CASH")
    if exchange is None and currency is None:
        raise OrderInvalidError("exchange", "type and symbol go with an exchange or a currency")
    return checked


def _words(order_type: FixOrderType) -> str:
    return order_type.name.lower().replace("_", " ")
