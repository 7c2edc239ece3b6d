"""A channel and those who listen to it: who counts it as served, who gets what, and when it is due."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ibkr_async.models.market_data import MarketDataUpdate
from ibkr_async.models.streaming import SummaryRow
from ibkr_async.stream.core.channel import ANY_CONID, NEVER, Channel, Listener, Room, Wish
from ibkr_async.stream.core.channel_state import ChannelState
from ibkr_async.stream.wire.topics import TOPICS
from stream.core_driver import Heard, make_buffer, smd, wish

WANTED, REQUESTED, RENEWING, LIVE, DOUBTED, ABANDONED = ChannelState


def listening(channel: Channel, **arguments: Any) -> Heard:
    """Let one more consumer listen."""
    listener = Heard(make_buffer())
    channel.wishes[listener] = Wish(channel.topic, channel.target, arguments)
    listener.join(channel)
    channel.refresh()
    return listener


def quote(**tags: str) -> MarketDataUpdate:
    """Decode one frame of contract 1."""
    return msgspec.json.decode(smd(1, **tags), type=MarketDataUpdate)


# --- listeners -----------------------------------------------------------------------------------


def test_listener_counts_the_channels_that_are_not_live() -> None:
    """It is served when none is left, whichever way it joins and leaves."""
    one, other = Channel(TOPICS["smd"], "1"), Channel(TOPICS["smd"], "2")
    other.become(REQUESTED)
    other.become(LIVE)
    listener = listening(one)
    other.wishes[listener] = wish("smd+2")
    listener.join(other)
    counts = [listener.unserved]
    for channel, state in (
        (one, REQUESTED), (one, LIVE), (other, RENEWING), (other, LIVE), (one, DOUBTED), (one, LIVE),
    ):  # fmt: skip
        channel.become(state)
        counts.append(listener.unserved)
    one.become(DOUBTED)
    listener.leave(other)
    counts.append(listener.unserved)
    listener.leave(one)
    counts.append(listener.unserved)

    assert counts == [1, 1, 0, 1, 0, 1, 0, 1, 0]


def test_listener_knows_its_channels_and_which_of_them_failed() -> None:
    """Leaving a channel forgets its failure; listeners share nothing."""
    one, other = Channel(TOPICS["smd"], "1"), Channel(TOPICS["smd"], "2")
    listener, bystander = Listener(make_buffer()), Listener(make_buffer())
    listener.join(one)
    listener.join(other)
    listener.note_failure(one.key)
    listener.note_failure(other.key)
    assert listener.failed == listener.keys == {"smd+1", "smd+2"}
    listener.forget_failure(one.key)
    assert listener.failed == {"smd+2"}
    listener.leave(other)

    assert (set(listener.keys), set(listener.failed)) == ({"smd+1"}, set())
    assert (set(bystander.keys), set(bystander.failed)) == (set(), set())
    bystander.forget_failure(one.key)


# --- rooms ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at_most", "served", "full"), [(2, 1, False), (2, 2, True), (None, 9, False)]
)
def test_room_is_full_at_its_number(at_most: int | None, served: int, full: bool) -> None:
    """Without a number never; those that wait take no place."""
    room = Room(at_most)
    for number in range(served + 3):
        channel = Channel(TOPICS["smh"], str(number), room=room)
        if number < served:
            channel.become(REQUESTED)

    assert (len(room.waiting), len(room.served)) == (3, served)
    assert room.is_full is full


def test_room_follows_its_channels() -> None:
    """One that is wanted again goes to the end of the queue."""
    room = Room(5)
    first, second = (Channel(TOPICS["smh"], target, room=room) for target in "12")
    first.become(REQUESTED)
    assert (list(room.waiting), list(room.served)) == ([second], [first])
    first.become(ABANDONED)
    assert list(room.served) == [first]
    second.become(REQUESTED)
    second.lose()
    third = Channel(TOPICS["smh"], "3", room=room)
    room.note(second)
    assert list(room.waiting) == [third, second]
    room.leave(third)
    room.leave(first)

    assert (list(room.waiting), list(room.served)) == ([second], [])


# --- what is known of a channel ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topic", "target", "conid"),
    [
        ("smd", "265598", 265598),
        ("smd", "265598@ARCA", 265598),
        ("smd", "28812380;;;265598/1,8314/-1", ANY_CONID),
        ("sbd", "DU1+265598", ANY_CONID),
        ("ssd", "1234567", ANY_CONID),
        ("sor", "", ANY_CONID),
    ],
)
def test_contract_of_the_frames_is_read_from_the_target(
    topic: str, target: str, conid: int
) -> None:
    """Only where the target is one contract; an account of digits is none."""
    assert Channel(TOPICS[topic], target).conid == conid


def test_channel_is_called_by_its_frames_unless_several_share_their_name() -> None:
    """Two bar sizes of one contract are two channels."""
    quotes = Channel(TOPICS["smd"], "1", "another")
    bars = Channel(TOPICS["smh"], "1", 'smh+1+{"bar":"1min"}')

    assert (quotes.name, quotes.key) == ("smd+1", "smd+1")
    assert (bars.name, bars.key) == ("smh+1", 'smh+1+{"bar":"1min"}')
    assert Channel(TOPICS["smh"], "1").key == "smh+1"
    assert quotes.frame_without_payload == len('{"topic":"smd+1"}')


def test_what_is_due_is_the_earlier_of_two_times() -> None:
    """At first nothing is."""
    channel = Channel(TOPICS["smd"], "1")
    dues = [channel.due]
    for channel.act_at, channel.renew_at in ((10.0, NEVER), (10.0, 5.0), (3.0, 5.0)):
        dues.append(channel.due)

    assert dues == [NEVER, 10.0, 5.0, 3.0]


def test_lost_channel_remembers_nothing_of_its_connection() -> None:
    """And its gap, which a connection does not end."""
    channel = Channel(TOPICS["smd"], "1")
    channel.become(REQUESTED)
    channel.server_id, channel.spoke, channel.busy, channel.idle = "7", True, 3, 4
    channel.act_at, channel.renew_at, channel.gap_since = 1.0, 2.0, 3.0
    assert channel.on_wire
    channel.lose()

    assert (channel.state, channel.on_wire) == (WANTED, False)
    assert (channel.server_id, channel.spoke, channel.busy, channel.idle) == ("", False, 0, 0)
    assert (channel.act_at, channel.renew_at, channel.gap_since) == (NEVER, NEVER, 3.0)


@pytest.mark.parametrize(
    ("steps", "act_at"),
    [((REQUESTED,), 12.0), ((REQUESTED, ABANDONED), 12.0), ((REQUESTED, DOUBTED), 10.0)],
)
def test_server_is_credited_for_an_answer_that_is_waited_for(
    steps: tuple[ChannelState, ...], act_at: float
) -> None:
    """Our own time to ask again stays."""
    channel = Channel(TOPICS["smd"], "1")
    for step in steps:
        channel.become(step)
    channel.act_at, channel.heard_at = 10.0, 5.0
    channel.postpone(2.0)

    assert (channel.act_at, channel.heard_at) == (act_at, 7.0)


def test_arguments_satisfy_everyone() -> None:
    """The union of the fields."""
    channel = Channel(TOPICS["smd"], "1")
    listening(channel, fields=["31"])
    listening(channel, fields=["31", "84"])

    assert channel.arguments == {"fields": ["31", "84"]}


# --- who gets what -------------------------------------------------------------------------------


def test_only_listener_is_called_directly() -> None:
    """A loop over one would cost time with each frame; nobody is no mistake."""
    channel = Channel(TOPICS["smd"], "1")
    channel.put("to nobody")
    listener = listening(channel, fields=["31"])

    assert channel.put == listener.buffer.put
    channel.wishes.clear()
    channel.refresh()
    channel.put("to nobody")
    assert len(listener.buffer) == 0


def test_each_listener_gets_its_own_fields() -> None:
    """Who asked for all that is sent gets the object itself, in whatever order; others a part."""
    channel = Channel(TOPICS["smd"], "1")
    one = listening(channel, fields=["31"])
    everything = listening(channel, fields=["84", "31"])
    ask = listening(channel, fields=["84"])
    update = quote()
    channel.put(update)

    (part,) = one.buffer.take_all()
    (whole,) = everything.buffer.take_all()
    assert whole is update
    assert (part is update, part.last, part.bid) == (False, 189.60, None)
    assert ask.buffer.take_all() == []
    assert (ask.buffer.stats.filtered, one.buffer.stats.filtered) == (1, 0)


def test_each_listener_gets_its_own_rows() -> None:
    """Rows are chosen by their key; without a choice all come, under the channel's name."""
    channel = Channel(TOPICS["ssd"], "DU1")
    chosen = listening(channel, keys=["Cash"])
    both = listening(channel, keys=["Cash", "Margin"])
    rows = [SummaryRow(key="Cash"), SummaryRow(key="Margin")]
    for row in rows:
        channel.put(row)
    assert (chosen.buffer.take_all(), both.buffer.take_all()) == (rows[:1], rows)
    assert chosen.buffer.stats.filtered == 1
    everything = listening(channel)
    for row in rows:
        channel.put(row)

    assert (chosen.buffer.take_all(), both.buffer.take_all(), everything.buffer.take_all()) == (
        rows[:1],
        rows,
        rows,
    )


def test_wish_for_another_target_is_the_same_wish() -> None:
    """Its key says which channel serves it."""
    first = wish("smd+1", {"fields": ["84"]}, waits=True)
    second = first.for_target(2)

    assert (first.key, second.key) == ("smd+1", "smd+2")
    assert (second.arguments, second.waits) == ({"fields": ["84"]}, True)
    assert Wish(TOPICS["smh"], "1", {"bar": "1h"}).key == 'smh+1+{"bar":"1h"}'
