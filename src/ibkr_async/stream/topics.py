"""IBKR's topics as one table: every irregularity of the protocol is a column here.

Responsible for what a topic is called, how it is asked for and given up, and what its frames hold.
It must never hold state: who is subscribed is `registry`, when something is sent is `protocol`.

Adding a topic is a row here and a payload struct in `models`. Nothing else branches by topic.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Any, Final

import msgspec

from ibkr_async.errors import UsageError
from ibkr_async.models import streaming
from ibkr_async.models.market_data import MarketDataUpdate
from ibkr_async.stream.buffer import Policy

Arguments = Mapping[str, Any]
"""The JSON object at the end of a request, such as `{"fields": ["31"]}`."""


class Target(Enum):
    """What stands between a topic's code and its arguments."""

    NOTHING = re.compile(r"")
    CONTRACT = re.compile(
        r"[0-9]+(@[A-Z0-9.]+)?|[0-9]+(@[A-Z0-9.]+)?;;;[0-9]+/-?[0-9]+(,[0-9]+/-?[0-9]+)*"
    )
    """`265598`, `265598@ARCA`, or the conidex of a combination: `28812380;;;265598/1,8314/-1`."""
    ACCOUNT = re.compile(r"[A-Za-z0-9]+")
    ACCOUNT_AND_CONTRACT = re.compile(r"[A-Za-z0-9]+\+[0-9]+(\+[A-Z0-9.]+)?")
    """`DU1234567+265598`, or with an exchange `DU1234567+265598+ISLAND`."""


class Control(Enum):
    """What a topic means to the connection itself."""

    NONE = auto()
    GREETING = auto()
    """Says who is logged in; until then nothing may be sent. Also the heartbeat."""
    STATUS = auto()
    """Says whether the brokerage session is usable."""
    KEEPALIVE = auto()
    """Answers our own keepalive."""
    ERROR = auto()
    """Says that something we sent was not understood."""


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    code: str
    """How it is subscribed, and the first part of `topic` in its frames."""
    heading: str
    """The section of IBKR's WebSocket documentation that describes it."""
    payload: Any
    """Struct of one item that a consumer receives."""
    read: Callable[[Mapping[str, Any]], Sequence[Any]] | None = None
    """Takes the items out of a parsed frame; None for `fast` topics, whose frame is the item."""
    identity: tuple[str, ...] = ()
    """Attributes that say which contract, account or row an item updates."""
    unsubscribe: str = ""
    """What ends it, as IBKR prints it; TARGET, ACCOUNT and SERVER_ID are filled in."""
    target: Target = Target.NOTHING
    unsolicited: bool = False
    """True when the server sends it by itself and nothing is ever requested."""
    confirmed: bool = True
    """True when the first frame proves that the subscription exists."""
    needs_brokerage: bool = True
    """True when it works only while the brokerage session is established."""
    lifetime_s: float | None = None
    """Seconds after which the server stops sending without a word; None means never."""
    at_most: int | None = None
    """How many may exist at once on one session."""
    policy: Policy = "fail"
    """What its buffers do when they are full, unless the caller chooses."""
    control: Control = Control.NONE
    fast: bool = False
    """True when frames end in `"topic":"…"}` and are decoded straight from their bytes.

    The payload must have `raw` and `conid`, which every frame but an odd one names."""

    @property
    def requested(self) -> bool:
        """True when it must be asked for."""
        return not self.unsolicited

    def check_target(self, target: str) -> None:
        """Refuse a target that would not be understood. Errors: `UsageError`."""
        if not self.target.value.fullmatch(target):
            raise UsageError(
                f"{target!r} is not a target of {self.code!r}; it needs {_EXAMPLES[self.target]}"
            )

    def topic_of(self, target: str) -> str:
        """Name of the subscription in frames: `smd+265598`, `sor`."""
        return f"{self.code}+{target}" if target else self.code

    def subscribe_text(self, target: str, arguments: Arguments) -> str:
        """Frame that asks for it: `smd+265598+{"fields":["31"]}`."""
        return f"{self.topic_of(target)}+{msgspec.json.encode(arguments).decode()}"

    def unsubscribe_text(self, target: str, server_id: str) -> str:
        """Frame that gives it up; empty when there is none, or the server has not named it yet."""
        if "SERVER_ID" in self.unsubscribe and not server_id:
            return ""
        return (
            self.unsubscribe.replace("TARGET", target)
            .replace("ACCOUNT", target.partition("+")[0])
            .replace("SERVER_ID", server_id)
        )


_EXAMPLES: Final = {
    Target.NOTHING: "none",
    Target.CONTRACT: "a conid (265598), conid@EXCHANGE (265598@ARCA) or a combination's conidex",
    Target.ACCOUNT: "an account (DU1234567)",
    Target.ACCOUNT_AND_CONTRACT: "an account and a conid (DU1234567+265598)",
}


TOPICS: Final[Mapping[str, Topic]] = {
    row.code: row
    for row in (
        Topic(
            code="smd",
            heading="Live Market Data",
            payload=MarketDataUpdate,
            identity=("topic",),
            unsubscribe="umd+TARGET+{}",
            target=Target.CONTRACT,
            # The changelog says 10 minutes, IBKR's support 15: the shorter one is assumed.
            lifetime_s=600.0,
            policy="conflate",
            fast=True,
        ),
        Topic(
            code="smh",
            heading="Historical Data",
            payload=streaming.BarsMessage,
            read=streaming.read_bars,
            unsubscribe="umh+SERVER_ID",
            target=Target.CONTRACT,
            at_most=5,
        ),
        Topic(
            code="sbd",
            heading="Price Ladders",
            payload=streaming.LadderRow,
            read=streaming.read_price_ladder,
            identity=("row",),
            unsubscribe="ubd+ACCOUNT",
            target=Target.ACCOUNT_AND_CONTRACT,
            confirmed=False,
            policy="conflate",
        ),
        Topic(
            code="sor",
            heading="Live Order Updates",
            payload=streaming.LiveOrderUpdate,
            read=streaming.read_live_orders,
            identity=("order_id",),
            unsubscribe="uor+{}",
            # Without an order event there is no frame at all, not even an acknowledgement.
            confirmed=False,
        ),
        Topic(
            code="str",
            heading="Trades Data",
            payload=streaming.TradeUpdate,
            read=streaming.read_trades,
            identity=("account", "execution_id"),
            unsubscribe="utr",
        ),
        Topic(
            code="spl",
            heading="Profit & Loss Updates",
            payload=streaming.ProfitAndLoss,
            read=streaming.read_profit_and_loss,
            identity=("key",),
            unsubscribe="upl+{}",
            needs_brokerage=False,
            policy="conflate",
        ),
        Topic(
            code="ssd",
            heading="Account Summary Updates",
            payload=streaming.SummaryRow,
            read=streaming.read_account_summary,
            identity=("key",),
            unsubscribe="usd+TARGET+{}",
            target=Target.ACCOUNT,
            needs_brokerage=False,
            policy="conflate",
        ),
        Topic(
            code="sld",
            heading="Account Ledger Updates",
            payload=streaming.LedgerRow,
            read=streaming.read_account_ledger,
            identity=("key",),
            unsubscribe="uld+TARGET+{}",
            target=Target.ACCOUNT,
            needs_brokerage=False,
            policy="conflate",
        ),
        Topic(
            code="system",
            heading="System Connection Messages",
            payload=streaming.SystemMessage,
            read=streaming.read_system,
            unsolicited=True,
            confirmed=False,
            needs_brokerage=False,
            control=Control.GREETING,
        ),
        Topic(
            code="sts",
            heading="Authentication Status",
            payload=streaming.AuthStatus,
            read=streaming.read_auth_status,
            unsolicited=True,
            confirmed=False,
            control=Control.STATUS,
        ),
        Topic(
            code="act",
            heading="Account Updates",
            payload=streaming.AccountsMessage,
            read=streaming.read_accounts,
            unsolicited=True,
            confirmed=False,
        ),
        Topic(
            code="ntf",
            heading="Notifications",
            payload=streaming.Notification | streaming.Prompt,
            read=streaming.read_notifications,
            unsolicited=True,
            confirmed=False,
        ),
        Topic(
            code="blt",
            heading="Bulletins",
            payload=streaming.Bulletin,
            read=streaming.read_bulletins,
            unsolicited=True,
            confirmed=False,
        ),
        Topic(
            code="tic",
            heading="Ping Session",
            payload=streaming.TicReply,
            read=streaming.read_tic,
            unsolicited=True,
            confirmed=False,
            needs_brokerage=False,
            control=Control.KEEPALIVE,
        ),
        Topic(
            code="error",
            heading="Error",
            payload=streaming.ErrorFrame,
            read=streaming.read_error,
            unsolicited=True,
            confirmed=False,
            needs_brokerage=False,
            control=Control.ERROR,
        ),
    )
}
