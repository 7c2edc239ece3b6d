"""Who wants what: found by topic, by the end of a frame, and by what an error says."""

from __future__ import annotations

from typing import Any

import pytest

from ibkr_async.errors import SubscriptionError, UsageError
from ibkr_async.models.market_data import decode_update
from ibkr_async.stream.core.channel import Channel, Listener
from ibkr_async.stream.core.channel_state import ChannelState
from ibkr_async.stream.core.registry import ENDING, Registry, route_of
from stream.core_driver import make_buffer, wish


def add(
    registry: Registry,
    topic: str,
    arguments: dict[str, Any] | None = None,
    *,
    waits: bool = False,
    listener: Listener | None = None,
) -> tuple[Channel, Listener]:
    """Want a topic, as a consumer of its own unless told otherwise."""
    listener = listener or Listener(make_buffer())
    channel, _ = registry.add(wish(topic, arguments, waits=waits), listener)
    return channel, listener


def ask(channel: Channel) -> None:
    """Let a channel be requested."""
    channel.become(ChannelState.REQUESTED)


def items(listener: Listener) -> list[Any]:
    """Take what was delivered."""
    return listener.buffer.take_all_marked()


# --- routes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "route"),
    [
        ("smd+12", b"smd+12"),
        ("smd+123", b'"topic":"smd+123"}'),
        ("smd+265598", b'pic":"smd+265598"}'),
        ("smd+1234567890", b':"smd+1234567890"}'),
        ("smd+12345678901", b'"smd+12345678901"}'),
        ("smd+123456789012", b"smd+123456789012"),
        ("smd+756733@ISLAND", b"smd+756733@ISLAND"),
    ],
)
def test_route_is_the_end_of_a_frame_where_that_holds_the_topic(key: str, route: bytes) -> None:
    """Else the topic alone: before a shorter one stands what differs from frame to frame."""
    assert route_of(key) == route
    assert ENDING == 18


# --- wishes --------------------------------------------------------------------------------------


def test_second_wish_shares_the_channel() -> None:
    """And says that the server may have to be asked for more."""
    registry = Registry()
    one, other = Listener(make_buffer()), Listener(make_buffer())
    first = registry.add(wish("smd+1"), one)
    second = registry.add(wish("smd+1", {"fields": ["84"]}), other)

    assert (first[1], second[1]) == (False, True)
    assert first[0] is second[0]
    assert list(registry) == [first[0]]
    assert first[0].arguments == {"fields": ["31", "84"]}
    assert set(one.keys) == set(other.keys) == {"smd+1"}
    assert [id(key) for key in registry.channels] == [id(first[0].key)]


def test_channels_come_in_the_order_of_their_wishes() -> None:
    """And may change while they are looked at."""
    registry = Registry()
    made = [add(registry, topic) for topic in ("smd+2", "sor", "smd+1")]
    found = []
    for channel in registry:
        registry.remove(channel.key, next(iter(channel.wishes)))
        found.append(channel)

    assert found == [channel for channel, _ in made]
    assert list(registry) == []


def test_what_cannot_be_wished_changes_nothing() -> None:
    """The same topic twice, a target that is none, arguments that do not go together."""
    registry = Registry()
    channel, listener = add(registry, "sor")
    before = dict(registry.channels)
    with pytest.raises(UsageError, match="sor is twice"):
        add(registry, "sor", listener=listener)
    with pytest.raises(UsageError, match="not a target"):
        add(registry, "smd+x")
    channel.wishes[listener] = wish("sor", {"days": "1"})
    with pytest.raises(UsageError, match="days='1'"):
        add(registry, "sor", {"days": "2"})

    assert registry.channels == before
    assert list(channel.wishes) == [listener]
    assert registry.find("smd+x") == []


def test_update_goes_to_those_who_listen_now() -> None:
    """To each who came, with what it wants, and to nobody who left."""
    registry = Registry()
    channel, one = add(registry, "smd+1")
    channel.put(decode_update(b'{"conid":1,"31":"5"}'))
    _, other = add(registry, "smd+1", {"fields": ["84"]})
    channel.put(decode_update(b'{"conid":1,"31":"6","84":"7"}'))
    registry.remove("smd+1", one)
    channel.put(decode_update(b'{"conid":1,"84":"9"}'))
    registry.remove("smd+1", other)
    channel.put(decode_update(b'{"conid":1,"31":"10"}'))

    assert [(item.last, item.bid) for item in items(one)] == [(5.0, None), (6.0, None)]
    assert [(item.last, item.bid) for item in items(other)] == [(None, 7.0), (None, 9.0)]


def test_only_fast_topics_have_a_route() -> None:
    """It goes with the last who listens."""
    registry = Registry()
    quotes, one = add(registry, "smd+265598")
    _, other = add(registry, "smd+265598")
    add(registry, "ssd+DU1")
    assert registry.routes == {route_of("smd+265598"): quotes}
    assert registry.remove("smd+265598", one) is None
    assert registry.routes
    assert registry.remove("smd+265598", other) is quotes

    assert registry.routes == {}
    assert list(other.keys) == []


def test_removing_what_is_not_there_is_harmless() -> None:
    """No such channel, or another's."""
    registry = Registry()
    channel, listener = add(registry, "smd+1")

    assert registry.remove("smd+2", listener) is None
    assert registry.remove("smd+1", Listener(make_buffer())) is None
    assert list(channel.wishes) == [listener]
    assert listener.keys == {"smd+1"}


# --- frames and their channels -------------------------------------------------------------------


def test_frame_may_leave_the_exchange_out() -> None:
    """Then it may be any of the contract's; the exact name comes first."""
    registry = Registry()
    arca, _ = add(registry, "smd+1@ARCA")
    nyse, _ = add(registry, "smd+1@NYSE")
    assert registry.find("smd+1") == [arca, nyse]
    plain, _ = add(registry, "smd+1")

    assert registry.find("smd+1") == [plain]
    assert registry.find("smd+1@ARCA") == [arca]
    assert registry.find("smd+2") == []
    assert registry.find("smd") == []


def test_ladder_may_be_called_by_its_account_alone() -> None:
    """Or by account and contract, without the exchange."""
    registry = Registry()
    ladder, _ = add(registry, "sbd+DU1+1+ISLAND")

    assert [registry.find(name) for name in ("sbd+DU1", "sbd+DU1+1", "sbd+DU1+1+ISLAND")] == [
        [ladder]
    ] * 3
    assert registry.find("sbd") == []


def test_bars_are_found_by_the_name_that_they_share() -> None:
    """One with an exchange is called so too, but is not meant where others have the very name."""
    registry = Registry()
    arca, _ = add(registry, "smh+1@ARCA", {"bar": "1h"})
    assert registry.find("smh+1") == [arca]
    minutes, _ = add(registry, "smh+1", {"bar": "1min"})
    hours, _ = add(registry, "smh+1", {"bar": "1h"})

    assert registry.find("smh+1") == [minutes, hours]
    assert registry.find(minutes.key) == [minutes]
    assert registry.find("smh+1@ARCA") == [arca]


def test_removed_channel_is_found_until_it_is_forgotten() -> None:
    """Its frames may still come, and the server may still say its number."""
    registry = Registry()
    channel, listener = add(registry, "smh+1")
    other, _ = add(registry, "smh+1", {"bar": "1h"})
    ask(channel)
    assert registry.remove(channel.key, listener) is channel
    registry.abandon(channel)
    assert list(registry.unnamed) == [channel]
    assert registry.find("smh+1") == [channel, other]
    assert channel.room is not None
    assert channel in channel.room.served
    registry.forget(channel)

    assert registry.find("smh+1") == [other]
    assert list(registry.unnamed) == []
    assert channel not in channel.room.served
    assert registry.remove(other.key, next(iter(other.wishes))) is other
    registry.forget(other)
    assert registry.find("smh+1") == []
    # That nothing is left behind shows nowhere else.
    assert registry._called == {}


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["smd+1"], "smd+1"),
        (['smd+1+{"fields":["31"]}'], "smd+1"),
        (["smd+1+a+b+c+d"], "smd+1"),
        (["sbd+DU1+1+ISLAND+{}"], "sbd+DU1+1+ISLAND"),
        (["smd+9", "ssd+DU1"], "ssd+DU1"),
        (["smd+12"], None),
        (["smd"], None),
        ([], None),
    ],
)
def test_error_names_a_topic_or_a_whole_request(words: list[str], expected: str | None) -> None:
    """A topic that is the beginning of another's digits is not meant."""
    registry = Registry()
    for topic in ("smd+1", "ssd+DU1", "sbd+DU1+1+ISLAND"):
        add(registry, topic)
    found = registry.named_in(words)

    assert (found and found.key) == expected


def test_longest_name_is_meant() -> None:
    """A ladder on an exchange is not the one without."""
    registry = Registry()
    whole, _ = add(registry, "sbd+DU1+1+ISLAND", waits=True)
    shorter, _ = add(registry, "sbd+DU1+1", waits=True)

    assert registry.named_in(["sbd+DU1+1+ISLAND"]) is whole
    assert registry.named_in(["sbd+DU1+1+ARCA"]) is shorter


def test_shared_name_in_an_error_means_the_one_that_waits_for_its_answer() -> None:
    """One that has it, or was not requested, was not refused."""
    registry = Registry()
    live, _ = add(registry, "smh+1", {"bar": "1min"})
    ask(live)
    live.become(ChannelState.LIVE)
    unsent, _ = add(registry, "smh+1", {"bar": "5min"})
    add(registry, "smh+1@ARCA", {"bar": "1h"})
    assert registry.named_in(["smh+1"]) is None
    assert registry.named_in([live.key]) is live
    ask(unsent)

    assert registry.named_in(["smh+1"]) is unsent
    assert registry.named_in(["smh+1+{}"]) is unsent


def test_name_without_the_exchange_in_an_error_is_not_taken_for_another_channel() -> None:
    """Who was requested with one is named with it."""
    registry = Registry()
    arca, _ = add(registry, "smd+1@ARCA")
    ask(arca)

    assert registry.named_in(["smd+1"]) is None


# --- room ----------------------------------------------------------------------------------------


def test_sixth_request_for_bars_is_refused_unless_it_waits() -> None:
    """Waiting ones count; another topic has a room of its own."""
    registry = Registry()
    for conid in range(4):
        ask(add(registry, f"smh+{conid}")[0])
    add(registry, "smh+4", waits=True)
    with pytest.raises(SubscriptionError, match=r"IBKR serves 5 .* 5 are open: smh\+0") as caught:
        add(registry, "smh+5")

    assert caught.value.topic == "smh+5+{}"
    assert registry.find("smh+5") == []
    add(registry, "smh+3")
    add(registry, "smh+5", waits=True)
    add(registry, "sbd+DU1+1")
    add(registry, "smd+1")


def test_abandoned_request_is_in_nobodys_way() -> None:
    """Its place is free as soon as the server has said its number."""
    registry = Registry()
    for conid in range(5):
        channel, listener = add(registry, f"smh+{conid}")
        ask(channel)
    registry.remove(channel.key, listener)
    registry.abandon(channel)

    assert add(registry, "smh+9")[0].room is channel.room
    with pytest.raises(SubscriptionError, match="5 are open"):
        add(registry, "smh+10")


def test_each_account_has_one_ladder() -> None:
    """The refusal says which is open and what is possible."""
    registry = Registry()
    ladder, _ = add(registry, "sbd+DU1+1")
    other, _ = add(registry, "sbd+DU2+1")
    with pytest.raises(SubscriptionError, match=r"sbd\+DU1\+1 is open.*when_full='wait'"):
        add(registry, "sbd+DU1+2")

    assert add(registry, "sbd+DU1+1")[0] is ladder
    assert ladder.room is not other.room
    assert add(registry, "smd+1")[0].room is None
