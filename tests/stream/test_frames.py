"""What is said of a frame before it is known whose it is, whatever its bytes are."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.models.base import Unread
from ibkr_async.stream.wire.frames import UNREADABLE, read_envelope, read_frame, sample, words_of

LARGEST = 100


# --- whose it is ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "topic", "error"),
    [
        (b'{"31":"182.25","conid":8314,"topic":"smd+8314"}', "smd+8314", None),
        (b'{"topic":"smd","error":"No accounts","code":500}', "smd", "No accounts"),
        (b'{"error":{"why":"no"}}', "", {"why": "no"}),
        (b'{"topic":"sor","error":null}', "sor", None),
        (b'{"message":"waiting for session"}', "", None),
        (b"{}", "", None),
    ],
)
def test_envelope_is_the_topic_and_the_error(frame: bytes, topic: str, error: object) -> None:
    """Both may be missing."""
    envelope = read_envelope(frame)

    assert (envelope.topic, envelope.error) == (topic, error)


@pytest.mark.parametrize("frame", [b"", b"tic", b"[]", b'{"topic":7}', b'{"topic":"smd', b"\xff"])
def test_envelope_of_what_is_no_frame_is_unreadable(frame: bytes) -> None:
    """With an error that its readers expect."""
    with pytest.raises(UNREADABLE):
        read_envelope(frame)


# --- everything in it ----------------------------------------------------------------------------


def test_frame_is_read_as_its_topic_and_everything_in_it() -> None:
    """The topic stays in it, and fractions are exact."""
    unread = Unread()
    topic, wire = read_frame(b'{"topic":"sor","args":[{"price":0.10}]}', LARGEST, unread)

    assert topic == "sor"
    assert wire == {"topic": "sor", "args": [{"price": Decimal("0.10")}]}
    assert unread.count == 0


def test_frame_without_a_topic_has_an_empty_one() -> None:
    """As a request for the session, and confirmations that something was unsubscribed."""
    assert read_frame(b'{"result":"unsubscribed from smd+1"}', LARGEST, Unread()) == (
        "",
        {"result": "unsubscribed from smd+1"},
    )


@pytest.mark.parametrize(
    "frame", [b"[]", b"7", b'"smd+1"', b"null", b'{"topic":7}', b'{"topic":null}', b'{"topic":[]}']
)
def test_what_is_no_object_with_a_topic_is_unreadable(frame: bytes) -> None:
    """Also what is JSON."""
    with pytest.raises(ValueError, match="not an object with a topic"):
        read_frame(frame, LARGEST, Unread())


@pytest.mark.parametrize("frame", [b"", b"tic", b'{"topic":"smd', b"[" * LARGEST])
def test_what_is_no_json_is_unreadable(frame: bytes) -> None:
    """Cut frames, and nested ones."""
    with pytest.raises(UNREADABLE):
        read_frame(frame, LARGEST, Unread())


def test_frame_may_be_so_long_and_no_longer() -> None:
    """The limit itself is allowed; what is longer is not parsed at all."""
    frame = b'{"topic":"blt"}'.ljust(LARGEST)

    assert read_frame(frame, LARGEST, Unread()) == ("blt", {"topic": "blt"})
    with pytest.raises(ValueError, match=r"^101 bytes are too many$"):
        read_frame(frame + b" ", LARGEST, Unread())


def test_number_that_nothing_can_hold_costs_itself() -> None:
    """The rest of the frame is read, and the loss is counted."""
    unread = Unread()
    topic, wire = read_frame(b'{"topic":"smd+1","31":1e99999999999999999999}', LARGEST, unread)

    assert (topic, wire["31"], unread.count) == ("smd+1", "1e99999999999999999999", 1)


@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
def test_hostile_bytes_raise_nothing_else(frame: bytes) -> None:
    """Whatever comes is read, or refused with what readers catch."""
    for read in (read_envelope, lambda it: read_frame(it, LARGEST, Unread()), sample):
        with suppress(UNREADABLE):
            read(frame)


# --- what is shown of it -------------------------------------------------------------------------


def test_sample_is_the_beginning() -> None:
    """No more than 200 letters of it, and bytes that are no text show as such."""
    assert sample(b"x" * 300) == "x" * 200
    assert sample(b'{"topic":"\xff"}') == '{"topic":"\N{REPLACEMENT CHARACTER}"}'


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("0123456789abcdefABCDEF01", "***"),
        ("f" * 32, "***"),
        ("f" * 23, "f" * 23),
        ("a" * 24 + "," + "B" * 40, "***,***"),
    ],
)
def test_sample_hides_session_ids(secret: str, shown: str) -> None:
    """Answers to `tic` have one; shorter numbers, as of an order, are shown."""
    frame = f'{{"session":"{secret}","id":265598}}'.encode()

    assert sample(frame) == f'{{"session":"{shown}","id":265598}}'


def test_session_id_that_the_sample_cuts_is_hidden_as_far_as_it_is_one() -> None:
    """Fewer than 24 of its letters authorise nothing."""
    shown = sample(b" " * 170 + b"f" * 64)

    assert shown == " " * 170 + "***"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("Topic unknown: 'smd+999+{}'", ["smd+999+{}"]),
        ("smd+1,smd+2;smd+3 smd+4\tsmd+5", ["smd+1", "smd+2", "smd+3", "smd+4", "smd+5"]),
        ('no "smd+1@ARCA": gone', ["smd+1@ARCA"]),
        ("smd is not allowed", []),
        ("", []),
    ],
)
def test_words_that_may_name_a_topic_have_a_plus(error: str, words: list[str]) -> None:
    """`str` in a sentence is just a word."""
    assert words_of(error) == words
