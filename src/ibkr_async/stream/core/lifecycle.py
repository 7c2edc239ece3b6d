"""A channel's life: requested, confirmed, renewed, interrupted, resumed, given up.

Responsible for moving each channel along and for saying so. It decides what to request and when;
what arrives and whether the connection lives is `protocol`'s business. Pure.

Which way a channel can go is the table in `channel_state`. What is said on the way: `Confirmed`, `Resumed` or
`Renewed` with the first frame after a request, whichever says most; `Gap` when data that flowed stops;
`SubscriptionFailed` when it has never flowed and is refused or not answered.

A renewal repeats the request, so that nothing is missed. Where the server does not let that count, as topics
show that fall silent when their first request ends, each is ended first, with a `Gap`.

Topics that are never acknowledged (`sor`) count as live once they are requested. A live topic that falls
silent in a suspicious way (`staleness`) is asked for again. Where IBKR serves only so many, the rest
stays wanted until there is room (`addressing`).

Nothing that happens to one channel looks at all of them: their times are in an `agenda`, and those that
wait for a place are in the queue of their `Room`. Only a new connection or session does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ibkr_async.errors import SubscriptionError
from ibkr_async.stream.core.addressing import may_request
from ibkr_async.stream.core.agenda import Agenda
from ibkr_async.stream.core.channel import NEVER
from ibkr_async.stream.core.channel_state import ChannelState
from ibkr_async.stream.core.staleness import Staleness
from ibkr_async.stream.delivery.events import (
    Confirmed,
    Gap,
    Renewed,
    Resumed,
    Stale,
    SubscriptionFailed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibkr_async.stream.core.channel import Channel, Listener, Room, Wish
    from ibkr_async.stream.core.output import Output
    from ibkr_async.stream.core.registry import Registry
    from ibkr_async.stream.core.stats import CoreStats
    from ibkr_async.stream.settings import CoreSettings
    from ibkr_async.stream.wire.topic_row import Topic


_SLACK_S: Final = 15.0
"""How much later than the documents say a topic may end; also what looking once in five seconds costs."""
_CONVINCING: Final = 3
"""So many topics that fall silent when their first request ends show that repeating it does not count."""


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
        self._agenda = Agenda()
        self._lapses_seen = 0
        """Topics that fell silent when their first request ended, although it was repeated in time."""
        self._released: set[str] = set()
        """Server ids that were given up on this connection."""
        self._asked: dict[str, dict[Channel, None]] = {}
        """Channels that were asked for since their topic's code was refused, by that code."""

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
            channel.server_id = ""
            self._request(channel, now)

    def unsubscribe(self, key: str, listener: Listener, now: float) -> None:
        """Take a wish back; the last one to leave tells the server."""
        channel = self._registry.remove(key, listener)
        if channel is None:
            return
        known = self.ready and channel.on_wire
        self._give_up(channel)
        if known and channel.topic.numbered and not channel.server_id:
            # It has a place at the server, and no name yet by which to give it back.
            channel.become(ChannelState.ABANDONED)
            channel.act_at = channel.requested_at + 2 * self._settings.confirm_timeout_s
            channel.renew_at = NEVER
            self._registry.abandon(channel)
            self._agenda.note(channel)
        else:
            self._forget(channel)
        self._fill(channel.room, now)

    def _forget(self, channel: Channel) -> None:
        self._registry.forget(channel)
        self._staleness.forget(channel)
        self._asked.get(channel.topic.code, {}).pop(channel, None)
        channel.act_at = channel.renew_at = NEVER
        self._agenda.drop(channel)

    def close(self) -> None:
        """Take every wish back and end every consumer's buffer."""
        for channel in self._registry:
            self._give_up(channel)
            for listener in tuple(channel.wishes):
                listener.buffer.end()
                self._registry.remove(channel.key, listener)
            self._forget(channel)
        self.ready = False

    def brokerage_is(self, up: bool, now: float) -> None:  # noqa: FBT001 - a fact, not a mode
        """Take note of the brokerage session: request what waited for it, or name what it took."""
        if up is self.brokerage:
            return
        self.brokerage = up
        if up:
            self.request_wanted(now)
            return
        self._forget_unnamed()
        for channel in self._registry:
            # The streams of a brokerage session do not survive it.
            if channel.topic.needs_brokerage:
                self._interrupt(channel, "brokerage session lost", now)

    def connection_lost(self, reason: str, now: float, silent_s: float) -> None:
        """Nothing survives a connection at the server: name what was interrupted."""
        self.ready = False
        self._released.clear()
        self._forget_unnamed()
        for channel in self._registry:
            self._interrupt(channel, reason, now, silent_s)

    def _forget_unnamed(self) -> None:
        for channel in tuple(self._registry.unnamed):
            self._forget(channel)

    # --- what is due -----------------------------------------------------------------------------

    @property
    def next_due(self) -> float:
        """When `serve_due` must be called at the latest, or `NEVER`."""
        return min(self._agenda.next_due, self._staleness.next_due)

    def serve_due(self, now: float) -> None:
        """Do everything that is due."""
        for channel in self._agenda.take_due(now):
            self._serve(channel, now)
            self._agenda.note(channel)
        for channel in self._staleness.take_due(now):
            if channel.state is ChannelState.LIVE:
                self._look_at_silence(channel, now)

    def postpone(self, grace_s: float) -> None:
        """Credit the server with the time in which we were not listening."""
        for channel in (*self._registry, *self._registry.unnamed):
            channel.postpone(grace_s)
        self._agenda.settle()
        self._staleness.postpone(grace_s)

    def _serve(self, channel: Channel, now: float) -> None:
        if now < channel.act_at:
            if now >= channel.renew_at:
                self._renew(channel, now)
        elif channel.state is ChannelState.ABANDONED:
            self._forget(channel)
            self._fill(channel.room, now)
        elif channel.state is not ChannelState.DOUBTED:
            waited = now - channel.requested_at
            self._output.emit(Stale(at=self._output.unix(now), topic=channel.key, silent_s=waited))
            self.fail(channel, f"no answer within {waited:.0f} s", now)
        elif may_request(channel):
            self._request(channel, now)
        else:
            channel.act_at = now + self._settings.retry_interval_s

    def greeted(self, now: float) -> None:
        """From now on requests are heard: make those that are wanted."""
        self.ready = True
        self._staleness.begin(now)
        self.request_wanted(now)

    def request_wanted(self, now: float) -> None:
        """Compare what is wanted with what is on the wire, and request the difference."""
        for channel in self._registry:
            self._request_if_wanted(channel, now)

    def _request_if_wanted(self, channel: Channel, now: float) -> None:
        """Request a channel that is not on the wire, if it may be asked for now."""
        held_back = channel.topic.needs_brokerage and self.brokerage is False
        if self.ready and not channel.on_wire and not held_back and may_request(channel):
            self._request(channel, now)

    def _fill(self, room: Room | None, now: float) -> None:
        """Request those that waited for a place, or for another one's answer."""
        while room is not None and not room.is_full:
            channel = next(filter(may_request, room.waiting), None)
            if channel is None:
                return
            self._request_if_wanted(channel, now)
            if not channel.on_wire:
                return

    def _request(self, channel: Channel, now: float) -> None:
        self._send_request(channel)
        if not channel.flows:
            channel.begun_at = now
        channel.become(ChannelState.RENEWING if channel.flows else ChannelState.REQUESTED)
        self._asked.setdefault(channel.topic.code, {})[channel] = None
        channel.requested_at = channel.started_at = now
        channel.act_at = now + self._settings.confirm_timeout_s
        if channel.topic.watched:
            self._staleness.watch(channel, now)
        if channel.topic.lifetime_s is not None:
            spread = 1 + self._settings.renew_jitter * (2 * self._random() - 1)
            channel.renew_at = now + self._settings.renew_after_s * spread
        if channel.topic.confirmed:
            self._agenda.note(channel)
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
        """Let the server know that a channel is not wanted any more, if it knows of it."""
        if not channel.on_wire or not self.ready:
            return
        text = channel.topic.unsubscribe_text(channel.target, channel.server_id)
        if text:
            self._output.send(text)
            self._released.add(channel.server_id)

    def name(self, channel: Channel, server_id: str, now: float) -> None:
        """Take note of the number that the server gave a request; free it if nobody wants it."""
        if channel.state is ChannelState.ABANDONED:
            self._forget(channel)
            self.release(channel.topic, server_id)
            self._fill(channel.room, now)
        else:
            channel.server_id = server_id

    def release(self, topic: Topic, server_id: str) -> None:
        """Free what the server serves under a number that is nobody's; once for each number."""
        if self.ready and server_id and server_id not in self._released:
            self._released.add(server_id)
            self._output.send(topic.unsubscribe_text("", server_id))

    def first_frame(self, channel: Channel, now: float, *, confirmed: bool = True) -> None:
        """A channel is live: what was open about it is settled, before the frame is delivered."""
        at, renewed = self._output.unix(now), channel.state is ChannelState.RENEWING
        channel.become(ChannelState.LIVE)
        channel.act_at = NEVER
        self._agenda.note(channel)
        for listener in channel.wishes:
            listener.forget_failure(channel.key)
        if channel.gap_since is not None:
            resumed = Resumed(
                at=at, topic=channel.key, gap_s=now - channel.gap_since, confirmed=confirmed
            )
            for listener in channel.told_of_gap:
                listener.buffer.mark(resumed)
            channel.gap_since, channel.told_of_gap = None, ()
            self._output.emit(resumed)
        elif renewed:
            self._stats.renewals += 1
            self._output.emit(Renewed(at=at, topic=channel.key, silent_s=channel.silent_s))
        elif confirmed:
            self._output.emit(Confirmed(at=at, topic=channel.key))
        channel.heard_at = now
        if channel.topic.numbered:
            self._fill(channel.room, now)  # one of the same name may have waited for this answer

    def _renew(self, channel: Channel, now: float) -> None:
        """Ask again before the server stops sending, which it does without a word."""
        lifetime = channel.topic.lifetime_s
        if lifetime is not None and channel.flows:
            if now - channel.started_at > lifetime:
                self._open_gap(channel, "its lifetime ended before it was renewed", now)
            elif self._settings.unsubscribe_to_renew or self._lapses_seen >= _CONVINCING:
                self._open_gap(channel, "it is ended to be renewed", now)
        # Remembered, since the answer hides what it heals.
        is_silent = channel.topic.watched and not channel.spoke
        channel.silent_s = now - channel.heard_at if is_silent else 0.0
        self._ask_again(channel, now)

    def _note_lapse(self, channel: Channel) -> None:
        """Count a topic that fell silent when its first request ended, although it was repeated.

        That a repeated request counts is documented, not proven: IBKR's support wants it ended first.
        """
        lifetime = channel.topic.lifetime_s
        if lifetime is not None and channel.begun_at < channel.requested_at:
            # IBKR's documents say 10 minutes, its support 15.
            ends = (channel.begun_at + lifetime, channel.begun_at + 1.5 * lifetime)
            self._lapses_seen += any(abs(end - channel.heard_at) < _SLACK_S for end in ends)

    def _ask_again(self, channel: Channel, now: float) -> None:
        # What lies between the two requests is lost, so it needs a gap that says so.
        if channel.gap_since is not None:
            self._give_up(channel)
            channel.begun_at = now
        self._request(channel, now)

    def _look_at_silence(self, channel: Channel, now: float) -> None:
        """Ask again for a topic that used to be busy and says nothing, as it may have stalled."""
        if channel.spoke:
            channel.heard_at = now
        silent_s = self._staleness.look(channel)
        if silent_s is None:
            return
        self._note_lapse(channel)
        stale = Stale(at=self._output.unix(now), topic=channel.key, silent_s=silent_s)
        self._output.emit(stale)
        for listener in channel.wishes:
            listener.buffer.mark(stale)
        self._open_gap(channel, "it was busy and fell silent", now, silent_s)
        self._ask_again(channel, now)

    def refuse(self, code: str, detail: str, now: float) -> None:
        """All requests of a topic were refused together: those that wait for an answer have it."""
        for channel in self._asked.pop(code, {}):
            if channel.is_refusable:
                self.fail(channel, detail, now)

    def fail(self, channel: Channel, detail: str, now: float) -> None:
        """A channel was refused or did not answer: ask again later, unless nobody is left to ask for."""
        if channel.state is ChannelState.DOUBTED:
            return
        flowed = channel.flows
        channel.become(ChannelState.DOUBTED)
        channel.act_at = now + self._settings.retry_interval_s
        self._agenda.note(channel)  # the renewal stays due: data may go on in spite of all
        if flowed:
            self._open_gap(channel, detail, now)
        elif channel.gap_since is None:
            self._tell_of_failure(channel, detail, now)
        if channel.topic.numbered:
            self._fill(channel.room, now)

    def _tell_of_failure(self, channel: Channel, detail: str, now: float) -> None:
        failed = SubscriptionFailed(at=self._output.unix(now), topic=channel.key, detail=detail)
        self._output.emit(failed)
        for listener in tuple(channel.wishes):
            listener.note_failure(channel.key)
            listener.buffer.mark(failed)
            if listener.failed >= listener.keys:
                self._end(listener, SubscriptionError(channel.key, detail), now)

    def _end(self, listener: Listener, error: SubscriptionError, now: float) -> None:
        listener.buffer.end(error)
        for key in tuple(listener.keys):
            self.unsubscribe(key, listener, now)

    # --- gaps ------------------------------------------------------------------------------------

    def _interrupt(self, channel: Channel, reason: str, now: float, silent_s: float = 0.0) -> None:
        if not channel.on_wire:
            if channel.room is not None:
                channel.room.note(channel)  # behind those that came before it and are lost now
            return
        flowed = channel.flows
        channel.lose()
        self._agenda.note(channel)
        self._staleness.forget(channel)
        if channel.topic.dialogue:
            detail = (
                f"{reason} in the middle of the dialogue; look at the orders before you repeat it"
            )
            for listener in tuple(channel.wishes):
                self._end(listener, SubscriptionError(channel.key, detail), now)
        elif flowed:
            self._open_gap(channel, reason, now, silent_s)

    def _open_gap(self, channel: Channel, reason: str, now: float, silent_s: float = 0.0) -> None:
        if channel.gap_since is not None:
            return
        gap = Gap(at=self._output.unix(now), topic=channel.key, reason=reason, silent_s=silent_s)
        channel.gap_since = now
        channel.told_of_gap = tuple(channel.wishes)
        for listener in channel.told_of_gap:
            listener.buffer.mark(gap)
        self._stats.gaps += 1
        self._output.emit(gap)
