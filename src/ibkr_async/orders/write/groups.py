"""Orders that go out together: brackets, and groups of which one cancels the rest.

Responsible for holding them valid as a whole; each order in them is valid by itself. What they
become on the wire is `tickets`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ibkr_async.errors import OrderInvalidError
from ibkr_async.orders.write.order_types import (
    LimitOrder,
    SingleOrder,
    StopLimitOrder,
    StopOrder,
    TrailingStopLimitOrder,
    TrailingStopOrder,
)
from ibkr_async.orders.write.rules import opposite, read_number, read_tif
from ibkr_async.types import ContractLike, DecimalLike, Side, TimeInForce, to_decimal

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal


class OcaGroup(msgspec.Struct, frozen=True):
    """Orders of which one fill cancels the rest: `OcaGroup((buy_low, sell_high))`.

    Each order has its own client order id. They must be of one account.
    """

    orders: tuple[SingleOrder, ...]
    """Two or more; kept as a tuple."""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "orders", tuple(self.orders))
        if len(self.orders) < 2 or not all(isinstance(one, SingleOrder) for one in self.orders):  # noqa: PLR2004 - one order cancels nothing
            raise OrderInvalidError("orders", "a group needs two orders or more")
        if len({order.account_id for order in self.orders}) > 1:
            raise OrderInvalidError("orders", "all orders of a group must be of one account")


class Bracket(msgspec.Struct, frozen=True, kw_only=True):
    """An entry with a profit target, a protective stop, or both: one cancels the other.

    Brackets are not atomic at IBKR: a leg may be refused while the others go live. `submit` checks
    every leg and says what is live.
    """

    entry: SingleOrder
    """Order that opens the position."""
    take_profit: DecimalLike | LimitOrder | None = None
    """Limit price of the exit with profit, or the order itself."""
    stop_loss: (
        DecimalLike | StopOrder | StopLimitOrder | TrailingStopOrder | TrailingStopLimitOrder | None
    ) = None
    """Stop price of the exit with loss, or the order itself."""
    exit_tif: TimeInForce | str = TimeInForce.GTC
    """How long exits given as a price work. Day exits would leave a position bare overnight."""

    def __post_init__(self) -> None:
        if not isinstance(self.entry, SingleOrder):
            raise OrderInvalidError("entry", "must be an order, such as LimitOrder(...)")
        if self.entry.quantity is None:
            raise OrderInvalidError("entry.quantity", "exits need it; cash cannot be divided")
        if self.take_profit is None and self.stop_loss is None:
            raise OrderInvalidError("take_profit", "a bracket needs take_profit, stop_loss or both")
        force = msgspec.structs.force_setattr
        force(self, "exit_tif", read_tif(self.exit_tif))
        if self.take_profit is not None:
            force(self, "take_profit", self._limit_exit(self.take_profit))
        if self.stop_loss is not None:
            force(self, "stop_loss", self._stop_exit(self.stop_loss))
        for name, order in self.exits():
            self._check_exit(name, order)
        self._check_prices()

    @property
    def legs(self) -> tuple[SingleOrder, ...]:
        """Entry, then take-profit and stop-loss as far as they are there."""
        return (self.entry, *(order for _, order in self.exits()))

    def _limit_exit(self, wanted: Any) -> LimitOrder:
        if isinstance(wanted, LimitOrder):
            return wanted
        price = read_number("take_profit", wanted)
        return LimitOrder(*self._exit_start(), price, **self._exit_options())

    def _stop_exit(self, wanted: Any) -> SingleOrder:
        if isinstance(
            wanted, StopOrder | StopLimitOrder | TrailingStopOrder | TrailingStopLimitOrder
        ):
            return wanted
        price = read_number("stop_loss", wanted)
        return StopOrder(*self._exit_start(), price, **self._exit_options())

    def _exit_start(self) -> tuple[ContractLike, Side, DecimalLike | None]:
        return self.entry.conid, opposite(Side(self.entry.side)), self.entry.quantity

    def _exit_options(self) -> dict[str, Any]:
        # outside_rth is not handed on: IBKR rejects stops that carry it during regular hours.
        entry = self.entry
        return {
            "tif": self.exit_tif,
            "exchange": entry.exchange,
            "listing_exchange": entry.listing_exchange,
            "sec_type": entry.sec_type,
            "manual_indicator": entry.manual_indicator,
            "ext_operator": entry.ext_operator,
            "manual_order_time": entry.manual_order_time,
        }

    def exits(self) -> tuple[tuple[str, Any], ...]:
        """Return the exits that there are, by the names of their fields."""
        pairs = (("take_profit", self.take_profit), ("stop_loss", self.stop_loss))
        return tuple((name, order) for name, order in pairs if order is not None)

    def _check_exit(self, name: str, order: SingleOrder) -> None:
        entry = self.entry
        if order.side == entry.side:
            raise OrderInvalidError(f"{name}.side", f"an exit must not be a {entry.side} as well")
        if order.conid != entry.conid:
            raise OrderInvalidError(f"{name}.conid", "an exit trades the entry's contract")
        if order.quantity is None:
            raise OrderInvalidError(f"{name}.quantity", "is missing")
        if to_decimal(order.quantity) > to_decimal(entry.quantity or 0):
            raise OrderInvalidError(f"{name}.quantity", "an exit cannot be larger than its entry")
        if order.coid is not None:
            raise OrderInvalidError(f"{name}.coid", "children of a bracket carry no own coid")
        if order.account_id not in {None, entry.account_id}:
            raise OrderInvalidError(f"{name}.account_id", "must be the entry's account")

    def _check_prices(self) -> None:
        """Hold stop < entry < take-profit for a buy, and the reverse for a sell."""
        known = [
            (name, price)
            for name, price in (
                ("stop_loss", _level(self.stop_loss)),
                ("entry", _level(self.entry)),
                ("take_profit", _level(self.take_profit)),
            )
            if price is not None
        ]
        if self.entry.side == Side.SELL:
            known.reverse()
        for (low, low_price), (high, high_price) in pairwise(known):
            if low_price >= high_price:
                field = low if high == "entry" else high
                rule = f"{low} {low_price} must be below {high} {high_price}"
                raise OrderInvalidError(field, f"for a {self.entry.side} entry {rule}")


Group = TypeVar("Group", bound=SingleOrder | Bracket | OcaGroup)


def replace_each(order: Group, change: Callable[[SingleOrder], SingleOrder]) -> Group:
    """Return the order, or the group of orders, with every single order changed."""
    replaced: Any  # the kind of order that came in
    if isinstance(order, OcaGroup):
        legs = tuple(change(leg) for leg in order.orders)
        replaced = msgspec.structs.replace(order, orders=legs)
    elif isinstance(order, Bracket):
        exits = {name: change(leg) for name, leg in order.exits()}
        replaced = msgspec.structs.replace(order, entry=change(order.entry), **exits)
    else:
        replaced = change(order)
    return replaced  # type: ignore[no-any-return]  # as declared above


def _level(order: SingleOrder | DecimalLike | None) -> Decimal | None:
    """Return the price at which an order comes into play, as far as it is known."""
    if isinstance(order, LimitOrder):
        return to_decimal(order.price)
    if isinstance(order, StopOrder | StopLimitOrder | TrailingStopOrder | TrailingStopLimitOrder):
        return None if order.stop_price is None else to_decimal(order.stop_price)
    return None
