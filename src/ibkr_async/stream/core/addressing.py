"""Whose frame is it, where its topic alone does not say?

**An exchange left out.** `smd+265598@ARCA` may be answered as `smd+265598`; then `conidEx` in the frame
decides, and failing that the only channel of the contract.

**One name for several requests.** Two bar sizes of one contract are two requests, and both are answered
as `smh+265598`. Neither period nor arguments come back reliably; `serverId` does, but a request does
not know its own before the answer. So:

1. Of the requests for one contract only one at a time waits for its answer (`may_request`); an answer
   with a `serverId` that is not known yet is therefore the answer to that one.
2. A request that timed out may be answered late. `barLength` (seconds) then says whose it cannot be,
   and among those left the oldest request is served first: the socket keeps order.
3. From then on `serverId` decides alone.
4. An answer that fits nobody is of a request that was given up before the server had named it: it
   occupies one of the five places until `umh+serverId` is sent, which is done immediately.

Responsible for these rules. They hold whatever the frames turn out to carry: no recording of `smh` newer
than 2021 is public. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ibkr_async.models.history import span_s

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ibkr_async.stream.core.channel import Channel


def may_request(channel: Channel) -> bool:
    """Tell whether a channel may be requested beside what the server serves already."""
    topic, room = channel.topic, channel.room
    if room is None:
        return True
    if room.is_full and channel not in room.served:
        return False
    return not topic.numbered or not any(
        other.name == channel.name and other.outstanding
        for other in room.served
        if other is not channel
    )


def addressee(channels: Sequence[Channel], topic: str, wire: Mapping[str, Any]) -> Channel | None:
    """Return the channel of a frame among those that its topic may mean; None when it is nobody's."""
    if not channels:
        return None
    if channels[0].topic.numbered:
        return _answered(channels, wire)
    if channels[0].key == topic:
        return channels[0]
    for channel in channels:
        if channel.target == wire.get("conidEx"):
            return channel
    return channels[0] if len(channels) == 1 else None


def _answered(namesakes: Sequence[Channel], wire: Mapping[str, Any]) -> Channel | None:
    """Return whose frame this is among the channels whose frames all carry the same topic."""
    server_id = str(wire.get("serverId") or "")
    if server_id:
        for channel in namesakes:
            if channel.server_id == server_id:
                return channel
    asked = [channel for channel in namesakes if channel.on_wire and not channel.server_id]
    known = [channel for channel in namesakes if channel.server_id]
    fitting = [
        channel
        for channel in (asked if server_id else [*asked, *known])
        if _may_be(channel, wire.get("barLength"))
    ]
    if not server_id and len(fitting) != 1:
        return None
    return min(fitting, key=lambda channel: channel.requested_at, default=None)


def _may_be(channel: Channel, bar_length: object) -> bool:
    bar = channel.asked_for.get("bar")
    if not isinstance(bar_length, int) or not isinstance(bar, str):
        return True
    return span_s(bar) == bar_length
