"""The privates that tests look at, each behind one name.

A test builds its parts through `wiring` and touches what is public. Some facts have no public place,
because no user may have them: what is left of a topic after its last consumer, the books of the
simulator. They are reached here, so that a move is mended in one place.
"""
# The whole file is what the rule about privates excepts.

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from ibkr_async.rest.pacing import Pacer
from ibkr_async.rest.settings import PacingSettings

if TYPE_CHECKING:
    from ibkr_async import Client, OAuth1a, OAuthFlow
    from ibkr_async.feeds import Feed
    from ibkr_async.simulator import Simulator
    from ibkr_async.simulator.broker.broker import Broker
    from ibkr_async.stream.core.lifecycle import Lifecycle
    from ibkr_async.stream.core.protocol import StreamCore
    from ibkr_async.stream.core.registry import Registry
    from ibkr_async.stream.delivery.buffer import Buffer
    from ibkr_async.stream.multiplexer import Multiplexer
    from ibkr_async.wiring import Parts


def parts_of(client: Client) -> Parts:
    """Return what `wiring.build` made for a client."""
    return client._parts


def without_limits(client: Any, *, for_cancels: int = 2) -> None:
    """Take IBKR's limits away: they have a proof of their own, and no user may turn them off."""
    pipeline = client._parts.pipeline if hasattr(client, "_parts") else client._pipeline
    pipeline._pacer = Pacer((), PacingSettings(per_second=1000, for_cancels=for_cancels))


def core_of(engine: Multiplexer) -> StreamCore:
    """Return the clockwork without a socket."""
    return engine._core


def registry_of(core: StreamCore) -> Registry:
    """Return the channels of a core, and which frames are theirs."""
    return core._registry


def lifecycle_of(core: StreamCore) -> Lifecycle:
    """Return what confirms, retries and renews in a core."""
    return core._lifecycle


def buffer_of(feed: Feed[Any]) -> Buffer[Any]:
    """Return what the reader of the socket puts items into."""
    return feed._buffer


def line_of(feed: Feed[Any]) -> Any:
    """Return a feed's end of its connection."""
    return feed._line


def send_of(flow: OAuthFlow) -> Any:
    """Return how a flow sends, for a login that goes through the same transport."""
    return flow._transport.send


def simulator_parts(sim: Simulator) -> Any:
    """Return the parts of a simulator that runs."""
    return sim._running


def book_of(broker: Broker) -> Any:
    """Return the orders of a simulated broker."""
    return broker._book


def board_of(broker: Broker) -> Any:
    """Return the prices of a simulated broker."""
    return broker._board


def live_token_of(auth: OAuth1a) -> str | None:
    """Return the live session token in base64; None before a login."""
    return None if auth._token is None else base64.b64encode(auth._token.key.reveal()).decode()


def forget_contracts(client: Client) -> None:
    """Let the symbols of a client be looked up anew."""
    client.contracts._known.clear()
