"""A channel's life: requested, confirmed, renewed, interrupted, resumed, given up.

Responsible for moving each channel along and for saying so. It decides what to request and when;
what arrives and whether the connection lives is `protocol`'s business. Pure.

The path of a channel::

    wanted --request--> awaiting --first frame--> live --lifetime nearly over--> awaiting ...
                           |                       |
                           | no frame in 10 s      | connection or session lost
                           v                       v
              never was live: SubscriptionFailed   Gap; then, on the first frame
              was live: Gap, Stale, ask again      after the next request, Resumed

Topics that are never acknowledged (`sor`) count as live once they are requested.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibkr_async.errors import SubscriptionError
from ibkr_async.stream.events import Confirmed, Gap, Renewed, Resumed, Stale, SubscriptionFailed
from ibkr_async.stream.registry import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibkr_async.stream.core_settings import CoreSettings, CoreStats
    from ibkr_async.stream.output import Output
    from ibkr_async.stream.registry import Channel, Listener, Registry, Wish


class Lifecycle:
    """Moves the channels of a registry along."""

    def __init__(
        self,
        registry: Registry,
        output: Output,
        settings: CoreSettings,
        stats: CoreStats,
        random: Callable[[], float],
    ) -> None:
        self.ready = False
        """True while the server has greeted us, so that requests are heard."""
        self.brokerage: bool | None = None
        """Whether the brokerage session is up, as far as is known; None is unknown."""
        self._registry = registry
        self._output = output
        self._settings = settings
        self._stats = stats
        self._random = random

    # --- wishes ----------------------------------------------------------------------------------

    def subscribe(self, wish: Wish, listener: Listener, now: float) -> None:
        """Register a wish and request what that takes."""
        channel, shared = self._registry.add(wish, listener)
        if shared and channel.on_wire and channel.topic.confirmed:
            # Asked again, so that the newcomer too begins with a full frame, and with its fields.
            self._send_request(channel)
        self._request_if_wanted(channel, now)

    def unsubscribe(self, key: str, listener: Listener) -> None:
        """Take a wish back; the last one to leave tells the server."""
        abandoned = self._registry.remove(key, listener)
        if abandoned is not None:
            self._give_up(abandoned)

    def close(self) -> None:
        """Take every wish back and end every consumer's buffer."""
        for channel in self._registry:
            self._give_up(channel)
            for listener in tuple(channel.wishes):
                listener.buffer.end()
                self._registry.remove(channel.key, listener)
        self.ready = False

    def brokerage_is(self, up: bool, now: float) -> None:  # noqa: FBT001 - a fact, not a mode
        """Take note of the brokerage session: request what waited for it, or name what it took."""
        self.brokerage = up
        if up:
            self.request_wanted(now)
            return
        for channel in self._registry:
            # The streams of a brokerage session do not survive it.
            if channel.topic.needs_brokerage:
                self._interrupt(channel, "brokerage session lost", now)

    def connection_lost(self, reason: str, now: float) -> None:
        """Nothing survives a connection at the server: name what was interrupted."""
        self.ready = False
        for channel in self._registry:
            self._interrupt(channel, reason, now)

    def serve(self, channel: Channel, now: float) -> None:
        """Do what is due for a channel."""
        if now >= channel.confirm_by:
            waited = now - channel.requested_at
            channel.confirm_by = NEVER
            self._output.emit(Stale(at=now, topic=channel.key, silent_s=waited))
            self.fail(channel, f"no answer within {waited:.0f} s", now)
        elif now >= channel.retry_at:
            self._request(channel, now)
        elif now >= channel.renew_at:
            self._renew(channel, now)

    def request_wanted(self, now: float) -> None:
        """Compare what is wanted with what is on the wire, and request the difference."""
        for channel in self._registry:
            self._request_if_wanted(channel, now)

    def _request_if_wanted(self, channel: Channel, now: float) -> None:
        """Request a channel that is not on the wire, if it may be asked for now."""
        held_back = channel.topic.needs_brokerage and self.brokerage is False
        if self.ready and not channel.on_wire and not held_back:
            self._request(channel, now)

    def _request(self, channel: Channel, now: float) -> None:
        self._send_request(channel)
        channel.on_wire = True
        channel.requested_at = channel.started_at = now
        channel.retry_at = NEVER
        if channel.topic.lifetime_s is not None:
            spread = 1 + self._settings.renew_jitter * (2 * self._random() - 1)
            channel.renew_at = now + self._settings.renew_after_s * spread
        if channel.topic.confirmed:
            channel.awaiting = True
            channel.confirm_by = now + self._settings.confirm_timeout_s
        else:
            self.first_frame(channel, now, confirmed=False)

    def _send_request(self, channel: Channel) -> None:
        if channel.topic.requested:
            self._output.send(channel.topic.subscribe_text(channel.target, channel.arguments))

    def _give_up(self, channel: Channel) -> None:
        """Tell the server that a channel is not wanted any more, if it knows of it."""
        if channel.on_wire and self.ready:
            text = channel.topic.unsubscribe_text(channel.target, channel.server_id)
            if text:
                self._output.send(text)

    def first_frame(self, channel: Channel, now: float, *, confirmed: bool = True) -> None:
        """A channel is live: what was open about it is settled, before the frame is delivered."""
        channel.awaiting = False
        channel.confirm_by = channel.retry_at = NEVER
        for listener in channel.wishes:
            listener.failed.discard(channel.key)
        if channel.gap_since is not None:
            resumed = Resumed(
                at=now, topic=channel.key, gap_s=now - channel.gap_since, confirmed=confirmed
            )
            for listener in channel.told_of_gap:
                listener.mark(resumed)
            channel.gap_since, channel.told_of_gap = None, ()
            self._output.emit(resumed)
        elif channel.renewing:
            self._stats.renewals += 1
            self._output.emit(Renewed(at=now, topic=channel.key))
        elif confirmed:
            self._output.emit(Confirmed(at=now, topic=channel.key))
        channel.ever_live = True
        channel.renewing = False

    def _renew(self, channel: Channel, now: float) -> None:
        """Ask again before the server stops sending, which it does without a word."""
        lifetime = channel.topic.lifetime_s
        if lifetime is not None and now - channel.started_at > lifetime:
            self._open_gap(channel, "its lifetime ended before it was renewed", now)
        if self._settings.unsubscribe_to_renew:
            self._give_up(channel)
        self._request(channel, now)
        channel.renewing = True

    def fail(self, channel: Channel, detail: str, now: float) -> None:
        """A channel was refused or did not answer: ask again later, unless nobody is left to ask for."""
        channel.retry_at = now + self._settings.retry_interval_s
        channel.confirm_by = NEVER  # the renewal stays due: data may go on in spite of all
        channel.awaiting = True
        if channel.ever_live:
            self._open_gap(channel, detail, now)
            return
        failed = SubscriptionFailed(at=now, topic=channel.key, detail=detail)
        self._output.emit(failed)
        for listener in tuple(channel.wishes):
            listener.failed.add(channel.key)
            listener.mark(failed)
            if listener.failed >= listener.keys:
                listener.buffer.end(SubscriptionError(channel.key, detail))
                for key in tuple(listener.keys):
                    self.unsubscribe(key, listener)

    # --- gaps ------------------------------------------------------------------------------------

    def _interrupt(self, channel: Channel, reason: str, now: float) -> None:
        if channel.on_wire:
            channel.off_wire()
            if channel.ever_live:
                self._open_gap(channel, reason, now)

    def _open_gap(self, channel: Channel, reason: str, now: float) -> None:
        if channel.gap_since is not None:
            return
        gap = Gap(at=now, topic=channel.key, reason=reason)
        channel.gap_since = now
        channel.told_of_gap = tuple(channel.wishes)
        for listener in channel.told_of_gap:
            listener.buffer.stats.gaps += 1
            listener.mark(gap)
        self._stats.gaps += 1
        self._output.emit(gap)
