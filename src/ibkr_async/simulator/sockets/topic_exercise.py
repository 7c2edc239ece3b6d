"""`shs+exercise` and `inp+exercise`: the dialogue in which an option is exercised. Pure.

Responsible for the steps of the documentation: acknowledgement, content, `submit`, a warning,
`continue`, and then an order whose side is `EXER`. That order is reported to every socket and goes
no further here: no position is changed. What a server says to a step out of order is not known, so
nothing is said.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from ibkr_async.simulator.broker import spelling
from ibkr_async.simulator.wire import as_object

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ibkr_async.simulator.broker.broker import BrokerEvent
    from ibkr_async.simulator.broker.instruments import Instrument
    from ibkr_async.simulator.sockets.floor import Floor
    from ibkr_async.simulator.sockets.outlet import Outlet
    from ibkr_async.simulator.wire import Command

_FIRST_ORDER_ID = 827_785_001
"""Far from the numbers of the order book, which knows nothing of these orders."""
_WARNING = "An exercise is final: once it has been sent, the positions change and nothing can be taken back."


class ExerciseStream:
    """The exercise dialogue of one socket; a new start replaces the one before."""

    needs_brokerage = True
    topics: tuple[str, ...] = ()
    """A dialogue is no stream."""

    def __init__(self, floor: Floor, outlet: Outlet) -> None:
        self.commands: dict[str, Callable[[Command, float], None]] = {
            "shs": self._start,
            "inp": self._continue,
        }
        self._floor = floor
        self._outlet = outlet
        self._message_ids = count(16)
        self._dialogue_ids = count(5)
        self._order_ids = count(_FIRST_ORDER_ID)
        self._option: Instrument | None = None
        self._awaited = ""
        """Id of the frame that the next input must name; empty when none is awaited."""
        self._quantity = 0

    def advance(self, events: Sequence[BrokerEvent], now: float) -> None:
        """Do nothing: only the client moves a dialogue on."""

    def _start(self, command: Command, _now: float) -> None:
        conid = str(command.arguments.get("CEX", ""))
        if command.targets != ("exercise",) or not conid.isdecimal():
            return
        option = self._floor.broker.instruments.get(int(conid))
        if option is None or option.sec_type != "OPT":
            return
        self._option = option
        self._outlet.send({"topic": command.full_topic})
        self._awaited = str(next(self._dialogue_ids))
        underlying = self._floor.broker.market_fields(option.underlying, ("31",)).get("31", "")
        position = self._floor.broker.position(option.conid)
        self._send(
            command.full_topic,
            "content",
            {
                "user_action": _choices("submit", "cancel"),
                "underlying_price": f"${underlying.lstrip('CH')}",
                "contract": option.description,
                "exercise": {
                    "confirm": False,
                    "confirm_final": False,
                    "enabled": position > 0,
                },
                # A text here, a number in the prompt below.
                "id": self._awaited,
                "position": position,
                "deadline": option.expiry.strftime("%Y%m%d 17:25:00") if option.expiry else "",
            },
        )

    def _continue(self, command: Command, now: float) -> None:
        said = as_object(command.arguments.get("data"))
        option = self._option
        if option is None or not self._awaited or str(said.get("id")) != self._awaited:
            return
        self._awaited = ""
        choice = said.get("user_action")
        if choice == "submit":
            quantity = as_object(said.get("exercise")).get("value")
            self._quantity = quantity if isinstance(quantity, int) else 0
            number = next(self._dialogue_ids)
            self._awaited = str(number)
            warning = {
                "user_actions": _choices("continue", "cancel"),
                "id": number,
                "text": _WARNING,
                "title": "Warning",
            }
            self._send(command.full_topic, "prompt", warning)
        elif choice == "continue":
            self._floor.report_order(self._order(option, now))

    def _send(self, topic: str, action: str, content: dict[str, Any]) -> None:
        message_id = str(next(self._message_ids))
        self._outlet.send({"data": content, "action": action, "MID": message_id, "topic": topic})

    def _order(self, option: Instrument, now: float) -> dict[str, Any]:
        account_id, quantity = self._floor.broker.account_ids[0], self._quantity
        return {
            "acct": account_id,
            "conidex": str(option.conid),
            "conid": option.conid,
            "account": account_id,
            "orderId": next(self._order_ids),
            "cashCcy": option.currency,
            "sizeAndFills": f"0/{quantity}",
            "orderDesc": f"EXERCISE {quantity}, Day",
            "description1": option.symbol,
            "description2": f"{option.month} {option.strike} {option.right}",
            "ticker": option.symbol,
            "secType": option.sec_type,
            "remainingQuantity": float(quantity),
            "filledQuantity": 0.0,
            "totalSize": float(quantity),
            "companyName": option.company,
            "status": "Inactive",
            "order_ccp_status": "Pending Submit",
            "supportsTaxOpt": "1",
            "lastExecutionTime": spelling.order_time(now),
            "bgColor": "#000000",
            "fgColor": "#AFAFAF",
            "isEventTrading": "0",
            "lastExecutionTime_r": spelling.whole_seconds_ms(now),
            "side": "EXER",
        }


def _choices(*ids: str) -> list[dict[str, str]]:
    return [{"id": each, "text": each.capitalize()} for each in ids]
