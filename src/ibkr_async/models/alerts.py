"""Alerts: what one is asked for with, and the answers.

Responsible for their shapes only. Flags are 0 and 1 here and true and false there on the wire; all are
booleans here.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from ibkr_async.models.base import Bool, Int, Model, Str
from ibkr_async.models.times import parse_compact_utc

if TYPE_CHECKING:
    from datetime import datetime

AlertOperator: TypeAlias = Literal[">=", "<=", ">", "<", "=="]
AlertKind: TypeAlias = Literal[
    "price", "time", "margin", "trade", "volume", "mta_market", "mta_position", "mta_pnl"
]
ALERT_KINDS: dict[AlertKind, int] = {
    "price": 1,
    "time": 3,
    "margin": 4,
    "trade": 5,
    "volume": 6,
    "mta_market": 7,
    "mta_position": 8,
    "mta_pnl": 9,
}
"""IBKR's numbers of the kinds of conditions."""


class AlertEntry(Model, frozen=True):
    """One alert in the list. Source: `GET /iserver/account/{accountId}/alerts`."""

    order_id: Int = None
    """Id of the alert."""
    account: Str = None
    """Account."""
    alert_name: Str = None
    """Name."""
    alert_active: Bool = None
    """It is on."""
    order_time: Str = None
    """When it was made, `YYYYMMDD-HH:mm:ss` UTC; see `made_at`."""
    alert_triggered: Bool = None
    """It has fired."""
    alert_repeatable: Bool = None
    """It may fire again."""

    @property
    def made_at(self) -> datetime | None:
        """When it was made, as UTC datetime."""
        return parse_compact_utc(self.order_time)


class AlertCondition(Model, frozen=True):
    """One condition of an alert, as it is read."""

    condition_type: Int = None
    """Kind; see `ALERT_KINDS`."""
    conidex: Str = None
    """Contract and exchange, such as `265598@SMART`."""
    contract_description_1: Str = None
    """Contract for people."""
    condition_operator: Str = None
    """`>=`, `<=`, `>`, `<` or `==`."""
    condition_trigger_method: Str = None
    """Which price counts; `0` is IBKR's choice."""
    condition_value: Str = None
    """What it is compared with."""
    condition_logic_bind: Str = None
    """`a` and, `o` or, `n` last. A boolean is documented."""
    condition_time_zone: Str = None
    """Zone of a time."""


class Alert(Model, frozen=True):
    """One alert in full.

    Source: `GET /iserver/account/alert/{alertId}`, `GET /iserver/account/mta`.
    """

    PRIVATE = frozenset({"alert_email"})
    SPELLINGS = MappingProxyType({"alertName": "alert_name"})

    account: Str = None
    """Account."""
    order_id: Int = None
    """Id of the alert; that of the mobile trading assistant changes with each read."""
    alert_name: Str = None
    """Name."""
    tif: Str = None
    """`GTC`, or `GTD` until `expire_time`."""
    expire_time: Str = None
    """When it ends, `YYYYMMDD-HH:mm:ss` UTC."""
    alert_active: Bool = None
    """It is on."""
    alert_repeatable: Bool = None
    """It may fire again."""
    alert_email: Str = None
    """Address for mails. Never shown."""
    alert_send_message: Bool = None
    """A mail is sent."""
    alert_message: Str = None
    """Text of the message."""
    alert_show_popup: Bool = None
    """TWS shows a window."""
    alert_play_audio: Str = None
    """TWS plays a sound."""
    order_status: Str = None
    """Status of the order that the alert is to IBKR."""
    alert_triggered: Bool = None
    """It has fired."""
    order_time: Str = None
    """When it was made, `YYYYMMDD-HH:mm:ss` UTC; not always sent."""
    fg_color: Str = None
    """Colour on IBKR's own screens."""
    bg_color: Str = None
    """Colour on IBKR's own screens."""
    order_not_editable: Bool = None
    """It cannot be changed."""
    itws_orders_only: Bool = None
    """It is for orders of the mobile application only."""
    alert_mta_currency: Str = None
    """Currency of the mobile trading assistant's alert."""
    alert_mta_defaults: Str = None
    """Its settings, `type:KEY=VALUE,…` separated by `|`."""
    tool_id: Int = None
    """Its id that stays; None for any other alert."""
    time_zone: Str = None
    """Zone of times."""
    alert_default_type: Int = None
    """IBKR's own code."""
    condition_size: Int = None
    """How many conditions there are."""
    condition_outside_rth: Bool = None
    """It may fire outside trading hours."""
    conditions: tuple[AlertCondition, ...] | None = None
    """Its conditions."""


class AlertReply(Model, frozen=True):
    """What making, changing, switching or deleting an alert returns."""

    request_id: Int = None
    """IBKR's own number."""
    order_id: Int = None
    """Id of the alert."""
    success: Bool = None
    """It was done."""
    text: Str = None
    """What IBKR says."""
    order_status: Str = None
    """Status of the order that the alert is to IBKR."""
    warning_message: Str = None
    """What IBKR warns of."""
    failure_list: Str = None
    """Alerts for which it was not done."""


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One condition of an alert that is made: `Condition(conidex="265598@SMART", value="200")`."""

    kind: AlertKind = "price"
    """What is looked at."""
    conidex: str = "*"
    """Contract and exchange; `*` where the kind needs none."""
    operator: AlertOperator = ">="
    """How it is compared."""
    value: str
    """What it is compared with."""
    trigger_method: str = "0"
    """Which price counts; `0` is IBKR's choice."""
    or_next: bool = False
    """This one *or* the next must hold, not this one *and* the next."""
    time_zone: str | None = None
    """Zone of a time, such as `US/Eastern`."""


class AlertTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What an alert is made with."""

    name: str
    """Name."""
    message: str
    """Text of the message."""
    conditions: tuple[Condition, ...]
    """What must hold."""
    repeatable: bool = False
    """It may fire again."""
    outside_rth: bool = False
    """It may fire outside trading hours."""
    expire_time: str | None = None
    """When it ends, `YYYYMMDD-HH:mm:ss` UTC; None for never."""
    email: str | None = None
    """Address for a mail; None for none."""
    show_popup: bool = False
    """TWS shows a window."""
    itws_orders_only: bool = False
    """It is for orders of the mobile application only."""
