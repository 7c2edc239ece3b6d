"""Whose frame it is where the topic alone does not say, and who may be requested beside whom."""

from __future__ import annotations

from typing import Any

import pytest

from ibkr_async.stream.core.addressing import addressee, may_request
from ibkr_async.stream.core.channel import Channel, Room
from ibkr_async.stream.core.channel_state import ChannelState
from ibkr_async.stream.wire.topics import TOPICS

REQUESTED, LIVE, ABANDONED = ChannelState.REQUESTED, ChannelState.LIVE, ChannelState.ABANDONED


def bars(
    bar: str = "1min",
    *steps: ChannelState,
    room: Room | None = None,
    server_id: str = "",
    target: str = "1",
    at: float = 0.0,
) -> Channel:
    """Make a request for bars that has come to a state."""
    channel = Channel(TOPICS["smh"], target, f"smh+{target}+{bar}", room or Room(5))
    for step in steps:
        channel.become(step)
    channel.asked_for, channel.server_id, channel.requested_at = {"bar": bar}, server_id, at
    return channel


# --- who may be requested ------------------------------------------------------------------------


def test_topic_without_a_room_may_always_be_requested() -> None:
    """IBKR serves any number of it."""
    assert may_request(Channel(TOPICS["smd"], "1"))


def test_full_room_takes_nobody_but_those_in_it() -> None:
    """One that has a place may be asked for again."""
    room = Room(2)
    served = [bars("1min", REQUESTED, LIVE, room=room, target=target) for target in "12"]
    newcomer = bars(room=room, target="3")
    assert [may_request(one) for one in (*served, newcomer)] == [True, True, False]
    room.leave(served[0])

    assert may_request(newcomer)


@pytest.mark.parametrize(
    ("steps", "target", "expected"),
    [
        ((), "1", True),
        ((REQUESTED,), "1", False),
        ((REQUESTED, LIVE, ChannelState.RENEWING), "1", False),
        ((REQUESTED, ABANDONED), "1", False),
        ((REQUESTED, ChannelState.DOUBTED), "1", True),
        ((REQUESTED, LIVE), "1", True),
        ((REQUESTED,), "2", True),
    ],
)
def test_one_request_of_a_name_waits_for_its_answer_at_a_time(
    steps: tuple[ChannelState, ...], target: str, expected: bool
) -> None:
    """Another contract's answer has another name."""
    room = Room(5)
    bars("1min", *steps, room=room, target=target)

    assert may_request(bars("5min", room=room)) is expected


def test_request_is_not_in_its_own_way() -> None:
    """It may be repeated while its answer is waited for."""
    assert may_request(bars("1min", REQUESTED))


def test_topics_without_numbers_do_not_wait_for_each_other() -> None:
    """Their frames say whose they are."""
    room = Room(5)
    Channel(TOPICS["sbd"], "DU1+1", room=room).become(REQUESTED)

    assert may_request(Channel(TOPICS["sbd"], "DU1+1", room=room))


# --- frames of quotes ----------------------------------------------------------------------------


def test_frame_of_nobody_is_nobodys() -> None:
    """None listens."""
    assert addressee([], "smd+1", {}) is None


def test_frame_is_for_the_channel_of_its_topic() -> None:
    """Whatever else it says."""
    plain, arca = Channel(TOPICS["smd"], "1"), Channel(TOPICS["smd"], "1@ARCA")

    assert addressee([plain, arca], "smd+1", {"conidEx": "1@ARCA"}) is plain


@pytest.mark.parametrize(
    ("wire", "expected"), [({"conidEx": "1@ARCA"}, 1), ({"conidEx": "1@NYSE"}, 0), ({}, None)]
)
def test_exchange_that_the_topic_leaves_out_is_read_from_the_frame(
    wire: dict[str, Any], expected: int | None
) -> None:
    """Without one in the frame, two channels are a doubt and one is not."""
    both = [Channel(TOPICS["smd"], "1@NYSE"), Channel(TOPICS["smd"], "1@ARCA")]

    assert addressee(both, "smd+1", wire) is (None if expected is None else both[expected])
    assert addressee(both[:1], "smd+1", {}) is both[0]


# --- frames of bars ------------------------------------------------------------------------------


def test_number_that_is_known_decides_alone() -> None:
    """Whatever the length of its bars, and whoever else waits."""
    first = bars("1min", REQUESTED, LIVE, server_id="7")
    second = bars("5min", REQUESTED, LIVE, server_id="8")
    waiting = bars("1h", REQUESTED)
    for one, number in ((first, "7"), (second, "8")):
        assert addressee([waiting, first, second], "smh+1", {"serverId": number}) is one

    assert addressee([first, second], "smh+1", {"serverId": "7", "barLength": 300}) is first
    assert addressee([waiting, first], "smh+1", {"serverId": 7}) is first


def test_new_number_is_of_the_request_that_has_none() -> None:
    """One that was never sent is not meant, nor one that has its own."""
    named = bars("1min", REQUESTED, LIVE, server_id="7")
    unsent = bars("1min")
    asked = bars("1min", REQUESTED, at=9.0)

    assert addressee([named, unsent, asked], "smh+1", {"serverId": "8"}) is asked
    assert addressee([named, unsent], "smh+1", {"serverId": "8"}) is None


def test_late_answer_is_of_the_oldest_request_that_its_bars_fit() -> None:
    """The socket keeps order, and a length in seconds says whose it cannot be."""
    newer, older = bars("1min", REQUESTED, at=2.0), bars("5min", REQUESTED, at=1.0)
    ask = [newer, older]

    assert addressee(ask, "smh+1", {"serverId": "8"}) is older
    assert addressee(ask, "smh+1", {"serverId": "8", "barLength": 60}) is newer
    assert addressee(ask, "smh+1", {"serverId": "8", "barLength": 300}) is older
    assert addressee(ask, "smh+1", {"serverId": "8", "barLength": 3600}) is None
    assert addressee(ask, "smh+1", {"serverId": "8", "barLength": "60"}) is older
    newer.asked_for = {}
    assert addressee(ask, "smh+1", {"serverId": "8", "barLength": 3600}) is newer


@pytest.mark.parametrize("wire", [{}, {"serverId": None}, {"serverId": ""}])
def test_frame_without_a_number_is_for_the_only_one_that_it_fits(wire: dict[str, Any]) -> None:
    """Named ones included; among several it is nobody's."""
    named = bars("1min", REQUESTED, LIVE, server_id="7")
    asked, unsent = bars("5min", REQUESTED), bars("1h")

    assert addressee([named], "smh+1", wire) is named
    assert addressee([asked, unsent], "smh+1", wire) is asked
    assert addressee([named, asked], "smh+1", wire) is None
    assert addressee([named, asked], "smh+1", {**wire, "barLength": 60}) is named
    assert addressee([named, asked], "smh+1", {**wire, "barLength": 300}) is asked
    assert addressee([unsent], "smh+1", wire) is None
