"""What IBKR really sent drives the core to the right state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ibkr_async.models.base import parse_json, to_wire
from ibkr_async.models.market_data import Availability
from ibkr_async.models.quotes import Quote
from ibkr_async.stream.core.channel import Wish
from ibkr_async.stream.core.protocol import Phase
from ibkr_async.stream.wire.topics import TOPICS
from stream.core_driver import Driver, Heard, make_buffer
from support.captures import read_captures
from support.lossless import differences

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
    driver, listener = Driver(), Heard(make_buffer())
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
    driver, listener = Driver(), Heard(make_buffer())
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


# --- values --------------------------------------------------------------------------------------

SUFFIXES = {"K": 10**3, "M": 10**6, "B": 10**9}


def shown_number(text: str) -> float:
    """Read a value as a person does: `C189.60`, `1,300`, `24.2M`, `0.54%`."""
    bare = text.lstrip("CH").replace(",", "").rstrip("%")
    factor = SUFFIXES.get(bare[-1:], 1)
    return float(bare.rstrip("KMB")) * factor


def delivered(row: Capture) -> list[Any]:
    """Let one recorded frame through the core, and give what its consumer gets."""
    driver, listener = Driver(), Heard(make_buffer())
    driver.connect()
    topic = msgspec.json.decode(row.raw)["topic"]
    code, _, target = topic.partition("+")
    driver.core.subscribe(Wish(TOPICS[code], target), listener, 0.0)
    driver.receive(row.raw)
    return listener.buffer.take_all()


def test_every_recorded_market_data_value_is_what_its_text_shows() -> None:
    """Not merely without an exception: each tag of each frame, as number, flag or text."""
    checked = 0
    for row in frames_of("ws_s*.jsonl"):
        if not row.topic_or_path.startswith("smd"):
            continue
        wire = msgspec.json.decode(row.raw)
        for update in delivered(row):
            assert update.wire == wire | {"topic": update.topic}
            for tag, sent in wire.items():
                if not tag.isdigit() or tag == "6119":
                    continue
                value = update.get(tag)
                if isinstance(value, bool | Availability):
                    assert str(value) == sent or value is (sent == "1"), (tag, sent)
                elif isinstance(value, float):
                    assert value == pytest.approx(
                        sent if isinstance(sent, float) else shown_number(str(sent)), rel=1e-12
                    )
                else:
                    assert str(value) == str(sent), (tag, sent)
                checked += 1

    assert checked > 20


def test_every_recorded_value_of_the_other_topics_is_what_its_text_shows() -> None:
    """Each key of each row reaches the consumer with its value: nothing lost, nothing made up."""
    for row in frames_of("ws_single_frames.jsonl"):
        wire = parse_json(row.raw)
        if wire["topic"].startswith("smd"):
            continue
        payload = next((wire[key] for key in ("args", "result", "data") if key in wire), wire)
        rows = payload if isinstance(payload, list) else [payload]
        if wire["topic"] == "spl":
            rows = [{**value, "key": key} for key, value in payload.items()]
        kept = [to_wire(item) for item in delivered(row)]

        odd = {"conidex": "conidEx"} if wire["topic"] == "str" else {}
        rows = [{odd.get(key, key): value for key, value in one.items()} for one in rows]
        assert differences(rows, kept) == [], row.raw
