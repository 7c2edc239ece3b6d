"""The text of socket frames."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.simulator.wire import (
    Command,
    SmdHead,
    read_command,
    read_session,
    shuffled_smd_frame,
    smd_frame,
)

HEAD = SmdHead("smd+265598", 265598, "265598", "q1", 1777552110061)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("tic", Command("tic", (), {})),
        ("utr", Command("utr", (), {})),
        ("sor+{}", Command("sor", (), {})),
        ("smd+265598@ARCA+{}", Command("smd", ("265598@ARCA",), {})),
        ("ssd+DU1234567", Command("ssd", ("DU1234567",), {})),
        ('sbd+DU1+8314+{"a":"x+{y"}', Command("sbd", ("DU1", "8314"), {"a": "x+{y"})),
    ],
)
def test_grammar(text: str, command: Command) -> None:
    """Code, targets and arguments are told apart; a plus inside JSON does not split."""
    assert read_command(text) == command


@pytest.mark.parametrize("text", ["", "+", "smd{}", "smd++{}", "smd+1+{", '{"session":"x"}'])
def test_text_outside_the_grammar(text: str) -> None:
    """What is not a command is recognised as such."""
    assert read_command(text) is None


@given(st.text())
def test_no_text_crashes_the_parsers(text: str) -> None:
    """Whatever a client sends is a command, a session or neither."""
    read_command(text)
    read_command(f"smd+1+{text}")
    read_session(text)


def test_full_topic_repeats_the_targets() -> None:
    """Answers echo the whole identity."""
    assert Command("sbd", ("DU1", "8314"), {}).full_topic == "sbd+DU1+8314"


@pytest.mark.parametrize(
    ("text", "session"),
    [
        ('{"session":"abc"}', "abc"),
        ('{"session": 5}', None),
        ("[]", None),
        ("{", None),
        ("\ud800", None),
    ],
)
def test_session_text(text: str, session: str | None) -> None:
    """Only an object with a text named session counts."""
    assert read_session(text) == session


def test_market_data_frames_have_the_recorded_key_orders() -> None:
    """Both orders of the recording, character for character."""
    values = {"31": "271.67", "84": "271.55", "86": "271.66", "83": 0.56}

    assert shuffled_smd_frame(HEAD, values, "DPB") == (
        '{"6509":"DPB","conidEx":"265598","topic":"smd+265598","conid":265598,'
        '"_updated":1777552110061,"6119":"q1","83":0.56,"server_id":"q1","84":"271.55",'
        '"31":"271.67","86":"271.66"}'
    )
    assert smd_frame(HEAD, values) == (
        '{"server_id":"q1","conidEx":"265598","conid":265598,"_updated":1777552110061,'
        '"6119":"q1","84":"271.55","31":"271.67","86":"271.66","83":0.56,"topic":"smd+265598"}'
    )


def test_availability_stands_before_the_topic_and_may_be_absent() -> None:
    """6509 comes where the first frame has it, and not otherwise."""
    assert list(json.loads(smd_frame(HEAD, {"7059": "1"}, "RpB")))[-3:] == [
        "7059",
        "6509",
        "topic",
    ]
    assert "6509" not in json.loads(shuffled_smd_frame(HEAD, {"55": "X"}, None))
