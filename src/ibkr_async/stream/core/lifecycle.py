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

Topics that are never acknowledged (`sor`) count as live once they are requested. A live topic that falls
silent in a suspicious way (`staleness`) goes the way of the right branch too. Where IBKR serves only so
many, the rest stays wanted until there is room (`addressing`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibkr_async.errors import SubscriptionError
from ibkr_async.stream.core.addressing import may_request
from ibkr_async.stream.core.channel import NEVER
from ibkr_async.stream.core.events import (
    Confirmed,
    Gap,
    Renewed,
    Resumed,
    Stale,
    SubscriptionFailed,
)
from ibkr_async.stream.core.staleness import Staleness

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibkr_async.stream.core.channel import Channel, Listener, Wish
    from ibkr_async.stream.core.output import Output
    from ibkr_async.stream.core.registry import Registry
    from ibkr_async.stream.core.settings import CoreSettings, CoreStats
    from ibkr_async.stream.core.topic_row import Topic


class Lifecycle:
    """Moves the channels of a registry along."""

    def __init__(
        self,
        registry: Registry,
        output: Output,
        settings: CoreSettings,
        stats: CoreStats,
        *,
        random: Callable[[], float],
        is_open: Callable[[str], bool | None],
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
        self._staleness = Staleness(settings, is_open)
        self._look_at = NEVER
        """When the watched channels are looked at next."""
        self._due: float | None = None
        """What `next_due` found last; None when a time has changed since."""
        self._released: set[str] = set()
        """Server ids that were given up on this connection."""

    # --- wishes ----------------------------------------------------------------------------------

    def subscribe(self, wish: Wish, listener: Listener, now: float) -> None:
        """Register a wish and request what that takes."""
        channel, shared = self._registry.add(wish, listener)
        if shared and channel.on_wire and channel.topic.begins_full:
            self._repeat_for_newcomer(channel, now)
        self._request_if_wanted(channel, now)

    def _repeat_for_newcomer(self, channel: Channel, now: float) -> None:
        """Ask again, so that the newcomer too begins with a full frame, and with its fields."""
        if not channel.topic.numbered:
            self._send_request(channel)
        elif channel.server_id:
            # A second request would take a second place and come under another number.
            self._give_up(channel)
            self._begin_renewal(channel, now)
            self._request(channel, now)

    def unsubscribe(self, key: str, listener: Listener, now: float) -> None:
        """Take a wish back; the last one to leave tells the server."""
        self._due = None
        abandoned = self._registry.remove(key, listener)
        if abandoned is not None:
            self._give_up(abandoned)
            if abandoned.topic.at_most is not None:
                self.request_wanted(now)

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
        self._due = None
        if up:
            self.request_wanted(now)
            return
        self._registry.unnamed.clear()
        for channel in self._registry:
            # The streams of a brokerage session do not survive it.
            if channel.topic.needs_brokerage:
                self._interrupt(channel, "brokerage session lost", now)

    def connection_lost(self, reason: str, now: float, silent_s: float) -> None:
        """Nothing survives a connection at the server: name what was interrupted."""
        self.ready = False
        self._due = None
        self._registry.unnamed.clear()
        self._released.clear()
        for channel in self._registry:
            self._interrupt(channel, reason, now, silent_s)

    # --- what is due -----------------------------------------------------------------------------

    @property
    def next_due(self) -> float:
        """When `serve_due` must be called at the latest, or `NEVER`."""
        # Looking at 100 channels costs 15 µs, and most wake-ups have changed no time.
        if self._due is None:
            self._due = self.find_next_due()
        return self._due

    def find_next_due(self) -> float:
        """Look at every channel for what is due next."""
        due, watching = NEVER, False
        for channel in self._registry:
            due = min(due, channel.due)
            watching = watching or (channel.topic.watched and channel.on_wire)
        for channel in self._registry.unnamed:
            due = min(due, channel.confirm_by)
        return min(due, self._look_at) if watching else due

    def serve_due(self, now: float) -> None:
        """Do everything that is due."""
        self._due = None
        unnamed = self._registry.unnamed
        if any(now >= channel.confirm_by for channel in unnamed):
            unnamed[:] = [channel for channel in unnamed if now < channel.confirm_by]
            self.request_wanted(now)
        for channel in self._registry:
            if now >= channel.due:
                self.serve(channel, now)
        if now >= self._look_at:
            self._look_at = now + self._staleness.period_s
            for channel in self._registry:
                if channel.topic.watched and channel.on_wire and not channel.awaiting:
                    self._look_at_silence(channel, now)

    def postpone(self, grace_s: float) -> None:
        """Give the server the time back in which we were not listening."""
        self._due = None
        for channel in (*self._registry, *self._registry.unnamed):
            channel.postpone(grace_s)
        self._look_at += grace_s

    def serve(self, channel: Channel, now: float) -> None:
        """Do what is due for a channel."""
        if now >= channel.confirm_by:
            waited = now - channel.requested_at
            channel.confirm_by = NEVER
            self._output.emit(Stale(at=now, topic=channel.key, silent_s=waited))
            self.fail(channel, f"no answer within {waited:.0f} s", now)
        elif now >= channel.retry_at:
            if self._has_room(channel):
                self._request(channel, now)
            else:
                channel.retry_at = now + self._settings.retry_interval_s
        elif now >= channel.renew_at:
            self._renew(channel, now)

    def greeted(self, now: float) -> None:
        """From now on requests are heard: make those that are wanted."""
        self.ready = True
        self._due = None
        self._look_at = now + self._staleness.period_s
        self.request_wanted(now)

    def request_wanted(self, now: float) -> None:
        """Compare what is wanted with what is on the wire, and request the difference."""
        for channel in self._registry:
            self._request_if_wanted(channel, now)

    def _request_if_wanted(self, channel: Channel, now: float) -> None:
        """Request a channel that is not on the wire, if it may be asked for now."""
        held_back = channel.topic.needs_brokerage and self.brokerage is False
        if self.ready and not channel.on_wire and not held_back and self._has_room(channel):
            self._request(channel, now)

    def _has_room(self, channel: Channel) -> bool:
        topic = channel.topic
        if topic.at_most is None and not topic.numbered:
            return True
        return may_request(channel, (*self._registry, *self._registry.unnamed))

    def _request(self, channel: Channel, now: float) -> None:
        self._due = None
        self._send_request(channel)
        channel.on_wire = True
        channel.requested_at = channel.started_at = now
        channel.retry_at = NEVER
        if channel.topic.watched and self._look_at <= now:
            self._look_at = now + self._staleness.period_s  # nothing was watched in the meantime
        if channel.topic.lifetime_s is not None:
            spread = 1 + self._settings.renew_jitter * (2 * self._random() - 1)
            channel.renew_at = now + self._settings.renew_after_s * spread
        if channel.topic.confirmed:
            channel.awaiting = True
            channel.confirm_by = now + self._settings.confirm_timeout_s
        else:
            self.first_frame(channel, now, confirmed=False)

    def _send_request(self, channel: Channel) -> None:
        topic = channel.topic
        if topic.requested:
            channel.asked_for = channel.arguments
            if channel.gap_since is not None:
                channel.asked_for = {**channel.asked_for, **topic.after_gap}
            self._output.send(topic.subscribe_text(channel.target, channel.asked_for))

    def _give_up(self, channel: Channel) -> None:
        """Tell the server that a channel is not wanted any more, if it knows of it."""
        if not channel.on_wire or not self.ready:
            return
        text = channel.topic.unsubscribe_text(channel.target, channel.server_id)
        if text:
            self._output.send(text)
            self._released.add(channel.server_id)
        elif channel.topic.numbered:
            # It has a place at the server, and no name yet by which to give it back.
            channel.confirm_by = channel.requested_at + 2 * self._settings.confirm_timeout_s
            self._registry.unnamed.append(channel)
        channel.server_id = ""

    def name(self, channel: Channel, server_id: str, now: float) -> None:
        """Take note of the number that the server gave a request; free it if nobody wants it."""
        if channel in self._registry.unnamed:
            self._due = None
            self._registry.unnamed.remove(channel)
            self.release(channel.topic, server_id)
            self.request_wanted(now)
        else:
            channel.server_id = server_id

    def release(self, topic: Topic, server_id: str) -> None:
        """Give back what the server serves under a number that is nobody's; once for each number."""
        if self.ready and server_id and server_id not in self._released:
            self._released.add(server_id)
            self._output.send(topic.unsubscribe_text("", server_id))

    def first_frame(self, channel: Channel, now: float, *, confirmed: bool = True) -> None:
        """A channel is live: what was open about it is settled, before the frame is delivered."""
        self._due = None
        channel.awaiting = False
        channel.confirm_by = channel.retry_at = NEVER
        for listener in channel.wishes:
            listener.forget_failure(channel.key)
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
            renewed = Renewed(at=now, topic=channel.key, silent_s=channel.silent_s)
            self._output.emit(renewed)
        elif confirmed:
            self._output.emit(Confirmed(at=now, topic=channel.key))
        channel.ever_live = True
        channel.renewing = False
        channel.heard_at = now
        if channel.topic.numbered:
            self.request_wanted(now)  # another one of the same name may have waited for this answer

    def _renew(self, channel: Channel, now: float) -> None:
        """Ask again before the server stops sending, which it does without a word."""
        lifetime = channel.topic.lifetime_s
        if lifetime is not None and now - channel.started_at > lifetime:
            self._open_gap(channel, "its lifetime ended before it was renewed", now)
        self._begin_renewal(channel, now)
        self._ask_again(channel, now)

    def _begin_renewal(self, channel: Channel, now: float) -> None:
        """Remember for how long nothing had come: the answer will hide a stall that it heals."""
        channel.renewing = True
        watched = channel.topic.watched and not channel.spoke
        channel.silent_s = now - channel.heard_at if watched else 0.0

    def _ask_again(self, channel: Channel, now: float) -> None:
        if self._settings.unsubscribe_to_renew:
            self._give_up(channel)
        self._request(channel, now)

    def _look_at_silence(self, channel: Channel, now: float) -> None:
        """Ask again for a topic that used to be busy and says nothing, as it may have stalled."""
        if channel.spoke:
            channel.heard_at = now
        silent_s = self._staleness.look(channel)
        if silent_s is None:
            return
        stale = Stale(at=now, topic=channel.key, silent_s=silent_s)
        self._output.emit(stale)
        for listener in channel.wishes:
            listener.mark(stale)
        self._open_gap(channel, "it was busy and fell silent", now, silent_s)
        self._ask_again(channel, now)

    def fail(self, channel: Channel, detail: str, now: float) -> None:
        """A channel was refused or did not answer: ask again later, unless nobody is left to ask for."""
        self._due = None
        channel.retry_at = now + self._settings.retry_interval_s
        channel.confirm_by = NEVER  # the renewal stays due: data may go on in spite of all
        channel.awaiting = True
        if channel.ever_live:
            self._open_gap(channel, detail, now)
            return
        failed = SubscriptionFailed(at=now, topic=channel.key, detail=detail)
        self._output.emit(failed)
        for listener in tuple(channel.wishes):
            listener.note_failure(channel.key)
            listener.mark(failed)
            if listener.failed >= listener.keys:
                self._end(listener, SubscriptionError(channel.key, detail), now)
        if channel.topic.numbered:
            self.request_wanted(now)

    def _end(self, listener: Listener, error: SubscriptionError, now: float) -> None:
        listener.buffer.end(error)
        for key in tuple(listener.keys):
            self.unsubscribe(key, listener, now)

    # --- gaps ------------------------------------------------------------------------------------

    def _interrupt(self, channel: Channel, reason: str, now: float, silent_s: float = 0.0) -> None:
        if not channel.on_wire:
            return
        channel.off_wire()
        if channel.topic.dialogue:
            detail = (
                f"{reason} in the middle of the dialogue; look at the orders before you repeat it"
            )
            for listener in tuple(channel.wishes):
                self._end(listener, SubscriptionError(channel.key, detail), now)
        elif channel.ever_live:
            self._open_gap(channel, reason, now, silent_s)

    def _open_gap(self, channel: Channel, reason: str, now: float, silent_s: float = 0.0) -> None:
        if channel.gap_since is not None:
            return
        gap = Gap(at=now, topic=channel.key, reason=reason, silent_s=silent_s)
        channel.gap_since = now
        channel.told_of_gap = tuple(channel.wishes)
        for listener in channel.told_of_gap:
            listener.buffer.stats.gaps += 1
            listener.mark(gap)
        self._stats.gaps += 1
        self._output.emit(gap)
