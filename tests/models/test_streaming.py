from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ibkr_async.models import streaming
from ibkr_async.models.base import parse_json, to_wire
from ibkr_async.models.streaming import Fills, LiveOrderUpdate, Notification, Prompt
from support.captures import Capture, read_captures
from support.lossless import differences

SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "ws"

# topic: (reader, key of the payload; empty where the whole frame is the payload)
READERS: dict[str, tuple[Callable[[Mapping[str, Any]], list[Any]], str]] = {
    "system": (streaming.read_system, ""),
    "sts": (streaming.read_auth_status, "args"),
    "act": (streaming.read_accounts, "args"),
    "tic": (streaming.read_tic, ""),
    "ntf": (streaming.read_notifications, "args"),
    "blt": (streaming.read_bulletins, "args"),
    "error": (streaming.read_error, ""),
    "plain": (streaming.read_plain, ""),
    "sor": (streaming.read_live_orders, "args"),
    "str": (streaming.read_trades, "args"),
    "spl": (streaming.read_profit_and_loss, "args"),
    "ssd": (streaming.read_account_summary, "result"),
    "sld": (streaming.read_account_ledger, "result"),
    "smh": (streaming.read_bars, ""),
    "sbd": (streaming.read_price_ladder, "data"),
    "shs": (streaming.read_exercise, "data"),
    "inp": (streaming.read_exercise, "data"),
}


def sample(topic: str, index: int = 0) -> dict[str, Any]:
    """Read one of our own frames."""
    frames = parse_json((SAMPLES / f"{topic}.json").read_bytes())
    frame: dict[str, Any] = frames[index]
    return frame


def lost(topic: str, frame: Mapping[str, Any]) -> list[str]:
    """Say what reading a frame loses or invents."""
    read, key = READERS[topic]
    payloads = [to_wire(payload) for payload in read(frame)]
    if not key:
        return differences([frame], payloads)
    beside = {key, "topic", "action"} | {
        name for payload in payloads for name in payload if name == "MID"
    }
    found = [f"$.{name} beside the payload" for name in frame if name not in beside]
    return found + differences(_expected(topic, frame[key]), payloads)


def _expected(topic: str, sent: Any) -> list[Any]:
    if topic == "spl":
        return [{**row, "key": key} for key, row in sent.items()]
    rows: list[Any] = sent if isinstance(sent, list) else [sent]
    if topic in {"shs", "inp"}:
        return [{**sent, "MID": {"shs": "16", "inp": "19"}[topic]}]
    if topic != "str":
        return rows
    odd = {"conidex": "conidEx", "comission": "commission"}
    return [{odd.get(key, key): value for key, value in row.items()} for row in rows]


@pytest.mark.parametrize("topic", READERS)
def test_sample_frames_are_read_with_nothing_lost(topic: str) -> None:
    """Every key of our samples is in a field or in `extra`, and nothing is made up."""
    for frame in parse_json((SAMPLES / f"{topic}.json").read_bytes()):
        assert lost(topic, frame) == []


def test_greeting_and_heartbeat_are_told_apart() -> None:
    """`success` opens the socket, `hb` only says that it lives."""
    (greeting,) = streaming.read_system(sample("system"))
    (heartbeat,) = streaming.read_system(sample("system", 1))

    assert (greeting.is_greeting, greeting.is_paper, greeting.is_ft) == (True, True, False)
    assert (heartbeat.is_greeting, heartbeat.hb) == (False, 1790000000500)
    assert heartbeat.is_paper is None


def test_status_says_only_what_was_sent() -> None:
    """A piecemeal status makes no statement about the rest."""
    (status,) = streaming.read_auth_status(sample("sts", 1))

    assert (status.competing, status.authenticated, status.connected) == (True, None, None)

    (worded,) = streaming.read_auth_status(sample("sts", 2))

    assert worded.authenticated is False
    assert worded.extra == {"shard": 3}


def test_accounts_are_read_as_in_the_rest_answer() -> None:
    """One struct serves both; what is new in it is kept."""
    (accounts,) = streaming.read_accounts(sample("act"))

    assert accounts.accounts == ("DU7654321",)
    assert accounts.acct_props is not None
    assert accounts.acct_props["DU7654321"].supports_cash_qty is True
    assert accounts.acct_props["DU7654321"].extra == {"newProperty": 1}
    assert accounts.is_paper is True


@pytest.mark.parametrize("topic", ["system", "sts", "act", "tic"])
def test_sessions_and_persons_stay_out_of_the_repr(topic: str) -> None:
    """A log line with such a payload gives nobody access and names nobody."""
    shown = repr(READERS[topic][0](sample(topic)))

    assert "feedface" not in shown
    assert "5f00ba11" not in shown
    assert "trader77" not in shown


def test_notice_and_prompt_are_told_apart() -> None:
    """`prompt` or `reqId` makes a question; documentation's single object works too."""
    (lone,) = streaming.read_notifications(sample("ntf"))
    notice, prompt = streaming.read_notifications(sample("ntf", 1))

    assert isinstance(lone, Notification)
    assert isinstance(notice, Notification)
    assert isinstance(prompt, Prompt)
    assert (prompt.order_id, prompt.req_id, prompt.options) == (
        "190000123", "4711", ("Send", "Change it"),
    )  # fmt: skip


def test_bulletin_is_read_in_both_shapes() -> None:
    """The documentation shows an object, the wire an array."""
    assert [b.id for b in streaming.read_bulletins(sample("blt"))] == ["1"]
    assert [b.id for b in streaming.read_bulletins(sample("blt", 1))] == ["1790000100", "2"]
    assert streaming.read_bulletins(sample("blt", 1))[1].exchanges == ("NYSE", "CBOE")


def test_error_is_read_with_and_without_topic() -> None:
    """The complaint, its number and its topic."""
    (unknown,) = streaming.read_error(sample("error"))
    (about,) = streaming.read_error(sample("error", 1))

    assert (unknown.error, unknown.code, unknown.topic) == ("Topic unknown xyz", 1, None)
    assert (about.topic, about.extra) == ("smd+1", {"hint": "none"})


def test_order_rows_keep_exact_quantities() -> None:
    """Prices and quantities are decimals; an empty price is none."""
    (full,) = streaming.read_live_orders(sample("sor"))
    submitted, part, done = streaming.read_live_orders(sample("sor", 2))

    assert (full.order_id, full.conid, full.account_id) == ("190000124", 8314, "DU7654321")
    assert (full.price, full.total_size, full.order_ref) == (Decimal("182.25"), 40, "bot-1")
    assert full.last_execution_time_ms == 1790000100000
    assert (submitted.status, submitted.fills, submitted.price) == ("Submitted", None, None)
    assert part.fills == Fills(Decimal(15), Decimal(25))
    assert (done.fills, done.price) == (Fills(Decimal(40), Decimal(0)), None)
    assert done.extra == {"outlook": {"fresh": True}}


def test_marker_row_is_recognised() -> None:
    """A row that names an order and says nothing about it."""
    (marker,) = streaming.read_live_orders(sample("sor", 1))

    assert marker.is_marker
    assert not streaming.read_live_orders(sample("sor"))[0].is_marker


def test_order_without_account_has_none() -> None:
    """No account is made up; either key is accepted."""
    assert LiveOrderUpdate().account_id is None
    assert LiveOrderUpdate(account="DU1").account_id == "DU1"


@pytest.mark.parametrize(
    ("text", "fills"),
    [
        ("0/1", Fills(Decimal(0), Decimal(1))),
        ("100/622", Fills(Decimal(100), Decimal(622))),
        ("722", Fills(Decimal(722), Decimal(0))),
        ("1,300/0.5", Fills(Decimal(1300), Decimal("0.5"))),
        (None, None),
        ("", None),
        ("1/", None),
        ("a/b", None),
    ],
)
def test_size_and_fills_forms(text: str | None, fills: Fills | None) -> None:
    """Filled and remaining, or everything filled."""
    assert streaming.parse_fills(text) == fills


def test_trades_read_both_spellings() -> None:
    """`conidex`, a quoted conid and the misspelt commission are understood."""
    assert streaming.read_trades(sample("str")) == []

    (first,) = streaming.read_trades(sample("str", 1))
    (second,) = streaming.read_trades(sample("str", 2))
    (odd,) = streaming.read_trades(sample("str", 3))

    assert (first.price, first.size, first.commission) == (Decimal("182.20"), 15, None)
    assert first.liquidation_trade is False
    assert second.commission == Decimal("1.05")
    assert (odd.conid, odd.conid_ex, odd.commission, odd.price) == (
        8314, "8314", Decimal("0.35"), None,
    )  # fmt: skip


def test_usual_spelling_is_never_replaced() -> None:
    """When both spellings come, the odd one is kept beside the usual one."""
    frame = {"args": [{"commission": "1.00", "comission": "2.00"}]}

    (trade,) = streaming.read_trades(frame)

    assert trade.commission == Decimal("1.00")
    assert trade.extra == {"comission": "2.00"}


def test_profit_key_is_split_into_account_and_segment() -> None:
    """One payload for each part; a model's name may hold points."""
    core, model = streaming.read_profit_and_loss(sample("spl", 1))

    assert (core.account_id, core.segment, core.dpl, core.nl) == ("DU7654321", "Core", 3.25, None)
    assert (model.account_id, model.segment) == ("DU7654321", "Fast.Model")
    assert model.extra == {"beta": Decimal("0.9")}


@pytest.mark.parametrize("topic", ["ssd", "sld"])
def test_row_reduced_to_key_and_time_is_unchanged(topic: str) -> None:
    """Such a row says: as before."""
    rows = READERS[topic][0](sample(topic))

    assert not rows[0].is_unchanged
    assert rows[-1].is_unchanged


def test_account_figures_are_exact() -> None:
    """Cash keeps its digits, exponent form or not."""
    money, ratio, _ = streaming.read_account_summary(sample("ssd"))
    (base, _) = streaming.read_account_ledger(sample("sld"))

    assert (money.monetary_value, money.currency) == (Decimal("240000.12"), "USD")
    assert (ratio.value, ratio.monetary_value) == ("0.96", None)
    assert (base.cash_balance, base.second_key) == (Decimal("231775.12"), "BASE")
    assert base.extra == {"carbonCredits": Decimal("1.5")}


def test_bars_are_read_as_in_the_rest_answer() -> None:
    """Shares are volume times factor."""
    (message,) = streaming.read_bars(sample("smh"))

    assert (message.server_id, message.topic, len(message.bars)) == ("551", "smh+8314", 2)
    assert message.shares(message.bars[0]) == 28020.0


def test_ladder_price_is_split_from_its_size() -> None:
    """Both documented forms of the price, as text and as number."""
    rows = streaming.read_price_ladder(sample("sbd"))

    assert [row.price for row in rows] == [182.26, 182.25, 182.24, 182.23]
    assert [row.size_at_price for row in rows] == [None, 1200.0, None, None]
    assert [row.focus for row in rows] == [False, True, False, False]
    assert (rows[0].ask_size, rows[0].bid_size, rows[2].bid_size) == (700.0, None, 1300.0)
    assert streaming.LadderRow().price is None


def test_rows_are_normalised() -> None:
    """An object is one row, null is none."""
    assert streaming.as_rows(None) == []
    assert streaming.as_rows({"a": 1}) == [{"a": 1}]
    assert streaming.as_rows([{"a": 1}]) == [{"a": 1}]


@pytest.mark.parametrize(
    ("topic", "frame"),
    [
        ("sts", {"args": "text"}),
        ("sor", {"args": [5]}),
        ("ntf", {"args": ["text"]}),
        ("spl", {"args": {"DU1.Core": 5}}),
        ("ssd", {"result": "unsubscribed from summary"}),
        ("act", {"args": [{"accounts": 5}]}),
    ],
)
def test_another_shape_is_a_validation_error(topic: str, frame: dict[str, Any]) -> None:
    """A frame that cannot be read is reported, and never half read."""
    with pytest.raises(msgspec.ValidationError):
        READERS[topic][0](frame)


@pytest.mark.parametrize("topic", READERS)
def test_frame_without_payload_gives_no_rows_or_an_empty_one(topic: str) -> None:
    """A frame with only a topic is no error."""
    read, key = READERS[topic]

    assert len(read({"topic": topic})) == (0 if key else 1)


def _other_frames() -> list[tuple[str, Capture]]:
    topics = ((row.topic_or_path.partition("+")[0], row) for row in read_captures("ws_*.jsonl"))
    return [(topic, row) for topic, row in topics if row.inbound and topic in READERS]


@pytest.mark.captures
def test_recorded_frames_are_read_with_nothing_lost() -> None:
    """Every frame that was seen on the wire, and every documented one, comes back key by key."""
    frames = _other_frames()
    recorded = {topic for topic, row in frames if row.recorded}

    assert recorded >= {
        "system",
        "sts",
        "act",
        "tic",
        "ntf",
        "blt",
        "sor",
        "str",
        "spl",
        "ssd",
        "sld",
    }
    for topic, row in frames:
        assert lost(topic, parse_json(row.raw)) == [], row
