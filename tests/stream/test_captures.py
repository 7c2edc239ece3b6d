"""What IBKR really sent drives the core to the right state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ibkr_async.models.market_data import Availability
from ibkr_async.models.quotes import Quote
from ibkr_async.stream.protocol import Phase
from ibkr_async.stream.registry import Listener, Wish
from ibkr_async.stream.topics import TOPICS
from stream.core_driver import Driver, make_buffer
from support.captures import read_captures

if TYPE_CHECKING:
    from support.captures import Capture

pytestmark = pytest.mark.captures


def test_recorded_handshake_greets_and_heartbeats_keep_it_alive() -> None:
    """The recording of a whole handshake and two minutes of heartbeats."""
    driver = Driver()
    driver.core.connection_made(0.0, "s")
    for row in read_captures("ws_handshake_and_heartbeats.jsonl"):
        if row.inbound:
            driver.now += 1.0
            driver.receive(row.raw)

    assert driver.core.phase is Phase.READY
    assert driver.names() == ["Connected", "AuthStatusChanged"]
    status = driver.core.status
    assert (status.authenticated, status.established, status.competing) == (True, True, False)
    assert (driver.core.stats.bad, driver.core.stats.unknown) == (0, 0)


def test_recorded_market_data_folds_to_the_right_quote() -> None:
    """The recorded request is what we send, and the deltas fold to the last values of each field."""
    rows = read_captures("ws_smd_single.jsonl")
    request = next(row.raw for row in rows if not row.inbound and row.raw.startswith("smd"))
    fields = msgspec.json.decode(request[request.index("{") :])
    driver, listener = Driver(), Listener(make_buffer())
    driver.core.subscribe(Wish(TOPICS["smd"], "265598", fields), listener, 0.0)
    driver.connect()
    assert driver.sent == [request.replace(" ", "")]

    newest: dict[str, Any] = {}
    for row in rows:
        if row.inbound:
            driver.receive(row.raw)
            if row.topic_or_path.startswith("smd"):
                newest |= msgspec.json.decode(row.raw)
    quote = Quote.empty(265598)
    for update in listener.buffer.take_all():
        quote = quote.apply(update)

    assert (str(quote.bid), str(quote.ask), str(quote.last)) == tuple(
        str(float(newest[tag])) for tag in ("84", "86", "31")
    )
    assert quote.change_pct == newest["83"]
    assert quote.updated_at_ms == newest["_updated"]
    assert quote.availability == Availability.parse(newest["6509"])
    assert (driver.core.stats.bad, driver.core.stats.unknown) == (0, 0)


def frames_of(pattern: str) -> list[Capture]:
    """Give the inbound rows of the files that match."""
    return [row for row in read_captures(pattern) if row.inbound]


def test_every_recorded_frame_reaches_its_consumer() -> None:
    """Single frames of every topic: each is delivered, none is bad or unknown."""
    rows = frames_of("ws_single_frames.jsonl")
    driver, listener = Driver(), Listener(make_buffer())
    driver.connect()
    for topic in dict.fromkeys(msgspec.json.decode(row.raw)["topic"] for row in rows):
        code, _, target = topic.partition("+")
        driver.core.subscribe(Wish(TOPICS[code], target), listener, 0.0)
    for row in rows:
        before = listener.buffer.stats.received
        driver.receive(row.raw)
        empty = msgspec.json.decode(row.raw).get("args") == []
        assert (listener.buffer.stats.received > before) is not empty, row.raw

    assert (driver.core.stats.bad, driver.core.stats.unknown, driver.core.stats.late) == (0, 0, 0)


def test_every_documented_frame_is_understood() -> None:
    """Samples out of documentation: no exception, nothing bad; only the unknown is unknown."""
    driver = Driver()
    driver.connect()
    for row in frames_of("ws_documentation_samples.jsonl"):
        code = row.topic_or_path.partition("+")[0]
        before = driver.core.stats.unknown
        driver.receive(row.raw)
        assert (driver.core.stats.unknown > before) == (code not in TOPICS), row.raw

    assert driver.core.stats.bad == 0
