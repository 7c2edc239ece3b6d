"""What a topic is: the columns of the table in `topics`, and how its requests are spelled.

Responsible for the shape of a row and for the text of requests. It must never hold state, and never
branch by the code of a topic: whatever is peculiar to one is a column.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

from ibkr_async.errors import UsageError
from ibkr_async.models.base import Unread

Arguments = Mapping[str, Any]
"""The JSON object at the end of a request, such as `{"fields": ["31"]}`."""

NO_ARGUMENTS: Final[Arguments] = MappingProxyType({})

Policy = Literal["conflate", "fail", "latest", "drop_oldest"]
"""What a buffer does when it is full; see `ibkr_async.stream.delivery.buffer`."""


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
    EXERCISE = re.compile(r"exercise")
    """The one word that names the dialogue about exercising an option."""


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
    call: str
    """How a user asks for it, as a method of `ib.stream`."""
    payload: Any
    """Struct of one item that a consumer receives."""
    read: Callable[[Mapping[str, Any], Unread | None], Sequence[Any]]
    """Takes the items out of a parsed frame, and counts what cannot be read. Of `fast` topics it reads
    only the frames that are not as usual."""
    identity: tuple[str, ...] = ()
    """Attributes that say which contract, account or row an item updates."""
    merge: Callable[[Any, Any], Any] | None = None
    """Makes one item of an older and a newer one of the same identity: `unite` for partial updates,
    `replace` for whole rows; None where each message counts and must be kept."""
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
    after_gap: Arguments = NO_ARGUMENTS
    """Arguments that replace the caller's in the first request after a gap, so that it is filled."""
    at_most: int | None = None
    """How many may exist at once on one session, or for each account if that is in `unsubscribe`."""
    numbered: bool = False
    """True when answers to different requests share one `topic` and are told apart by `serverId`."""
    dialogue: bool = False
    """True when it is a conversation that must not be taken up again on another connection."""
    watched: bool = False
    """True when silence of a topic that used to be busy is a reason to ask again."""
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

    @property
    def begins_full(self) -> bool:
        """True when a repeated request brings the whole state, which a newcomer needs."""
        return self.requested and (self.confirmed or self.policy == "conflate")

    def check_target(self, target: str) -> None:
        """Refuse a target that would not be understood. Errors: `UsageError`."""
        if not self.target.value.fullmatch(target):
            raise UsageError(
                f"{target!r} is not a target of {self.code!r}; it needs {_EXAMPLES[self.target]}"
            )

    def topic_of(self, target: str) -> str:
        """Name that its frames carry: `smd+265598`, `sor`."""
        return f"{self.code}+{target}" if target else self.code

    def key_of(self, target: str, arguments: Arguments) -> str:
        """Name of one subscription: that of its frames, or the whole request if several share that."""
        return self.subscribe_text(target, arguments) if self.numbered else self.topic_of(target)

    def group_of(self, target: str) -> str:
        """Name of those that share the room of `at_most`: an account, or the whole session."""
        return target.partition("+")[0] if "ACCOUNT" in self.unsubscribe else ""

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
    Target.EXERCISE: "the word exercise",
}
