from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.stream.delivery.events import ErrorReceived
from ibkr_async.stream.settings import SocketSettings
from ibkr_async.stream.socket.connection import dial
from ibkr_async.world import RealNetwork
from stream.core_driver import Driver, smd
from stream.socket_servers import stream_server, target_of

if TYPE_CHECKING:
    from collections.abc import Sequence


def test_frames_of_one_read_are_delivered_in_order_and_counted() -> None:
    """Good, bad and foreign frames in one read; each goes its own way."""
    driver = Driver()
    driver.connect()
    listener = driver.listen("smd+1", "smd+2")
    before = driver.core.stats.frames
    reads = [smd(1, "10"), "{", smd(2, "20"), '{"topic":"smd+1"}', smd(1, "11")]

    driver.core.frames_received([frame.encode() for frame in reads], driver.now)

    taken = [item.last for item in listener.buffer.take_all()]
    stats = driver.core.stats
    assert taken == [10.0, 20.0, 11.0]
    assert (stats.frames - before, stats.bad, stats.without_payload) == (5, 1, 1)


def test_frame_of_a_topic_that_nobody_ever_asked_for_is_counted_as_late() -> None:
    """Another program of the same session may have asked; nothing is sent or reported for it."""
    driver = Driver()
    driver.connect()
    driver.listen("smd+1")
    driver.events.clear()
    driver.sent.clear()

    driver.receive('{"topic":"sor","args":[{"orderId":1}]}')
    driver.receive('{"serverId":"7","data":[],"topic":"smh+1"}')

    assert driver.core.stats.late == 2
    assert driver.events == driver.sent == []


def test_error_about_a_topic_that_nobody_asked_for_is_still_reported() -> None:
    """An error is never passed over."""
    driver = Driver()
    driver.connect()

    driver.receive('{"topic":"sor","error":"no permission"}')

    assert any(isinstance(event, ErrorReceived) for event in driver.events)


TARGETS = st.from_regex(r"[1-9][0-9]{0,9}(@[A-Z]{3,8})?", fullmatch=True)


@given(targets=st.sets(TARGETS, min_size=1, max_size=20))
def test_each_target_gets_its_own_frames_however_long_it_is(targets: set[str]) -> None:
    """Frames are told apart by their last bytes; no end of one topic passes for that of another."""
    driver = Driver()
    driver.connect()
    listeners = {target: driver.listen(f"smd+{target}") for target in targets}

    for target in targets:
        driver.receive(smd(target))

    heard = {target: listener.buffer.take_all() for target, listener in listeners.items()}
    assert {target: [item.topic for item in items] for target, items in heard.items()} == {
        target: [f"smd+{target}"] for target in targets
    }


@pytest.mark.parametrize(
    "frame",
    [
        '{"conid":265598,"31":"1","topic":"smd+1265598"}',
        '{"conid":265598,"31":"1","topic":"umd+265598"}',
        '{"conid":265598,"31":"1","topic":"265598"}',
        '{"conid":265598,"31":"1","topic":"smd+265598@ARCA"}',
    ],
)
def test_frame_whose_end_only_looks_alike_is_nobodys(frame: str) -> None:
    """Only the whole topic is a match."""
    driver = Driver()
    driver.connect()
    listener = driver.listen("smd+265598", "smd+65598", "smd+8")

    driver.receive(frame)

    assert listener.buffer.take_all() == []


@pytest.mark.parametrize("fast_framing", [True, False])
async def test_fast_framing_is_a_setting_that_changes_no_message(fast_framing: bool) -> None:
    """The same frames come either way, over a real socket."""
    heard: list[bytes] = []
    enough = asyncio.Event()

    def take(frames: Sequence[bytes]) -> None:
        heard.extend(frames)
        if len(heard) > 100:
            enough.set()

    settings = SocketSettings(cut_after_s=0.2, fast_framing=fast_framing)
    async with stream_server() as server:
        connection = await dial(target_of(server.port), None, settings, RealNetwork())
        reading = asyncio.create_task(connection.read(take))
        await server.until(lambda seen: bool(seen.connections))
        for number in range(100):
            await server.connections[0].send(smd(number, "1"))
        await asyncio.wait_for(enough.wait(), 10)
        await connection.close()
        loss = await reading

    assert heard[1:] == [smd(number, "1").encode() for number in range(100)]
    assert loss.code == 1000
