"""Where a channel can stand with the server, and which way it can go.

A channel's state changes along this table and no other way; `Channel.become` refuses the rest::

    from, to     WANTED   REQUESTED    RENEWING     LIVE          DOUBTED             ABANDONED
    WANTED                requested
    REQUESTED    lost     asked again               first frame   no answer, refused  given up
    RENEWING     lost                  asked again  first frame   no answer, refused  given up
    LIVE         lost                  asked again                refused             given up
    DOUBTED      lost     asked again               first frame                       given up
    ABANDONED

*Lost* is the connection, or the brokerage session. *Given up* leads to ABANDONED only where the server
has not said the number by which to give it up; every other channel that nobody wants is forgotten.

Responsible for the table; what moves a channel along it is `lifecycle`. Pure.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet


class ChannelState(Enum):
    """Where a channel stands with the server."""

    WANTED = auto()
    """Not requested on this connection."""
    REQUESTED = auto()
    """Requested; its first frame is waited for."""
    RENEWING = auto()
    """Live and requested anew, as its time runs out or it fell silent; its first frame is waited for."""
    LIVE = auto()
    """Its data flows."""
    DOUBTED = auto()
    """Refused or not answered. It may be answered late, and is asked for again after a while."""
    ABANDONED = auto()
    """Nobody wants it, and it has a place at the server until the server says its number."""


_LOST_OR_GIVEN_UP: Final = frozenset({ChannelState.WANTED, ChannelState.ABANDONED})
NEXT_STATES: Final[Mapping[ChannelState, AbstractSet[ChannelState]]] = {
    ChannelState.WANTED: {ChannelState.REQUESTED},
    ChannelState.REQUESTED: _LOST_OR_GIVEN_UP
    | {ChannelState.REQUESTED, ChannelState.LIVE, ChannelState.DOUBTED},
    ChannelState.RENEWING: _LOST_OR_GIVEN_UP
    | {ChannelState.RENEWING, ChannelState.LIVE, ChannelState.DOUBTED},
    ChannelState.LIVE: _LOST_OR_GIVEN_UP | {ChannelState.RENEWING, ChannelState.DOUBTED},
    ChannelState.DOUBTED: _LOST_OR_GIVEN_UP | {ChannelState.REQUESTED, ChannelState.LIVE},
    ChannelState.ABANDONED: frozenset(),
}
"""The table of transitions."""

# Tuples: an enum's member is found in one by identity, in a set by a hash that costs more.
FLOWING: Final = (ChannelState.LIVE, ChannelState.RENEWING)
"""Its data comes, so that an interruption is a gap."""
AWAITING: Final = (ChannelState.REQUESTED, ChannelState.RENEWING, ChannelState.DOUBTED)
"""Its next frame would be the first since a request."""
OUTSTANDING: Final = (ChannelState.REQUESTED, ChannelState.RENEWING, ChannelState.ABANDONED)
"""The server's next answer may be the one to this request."""
