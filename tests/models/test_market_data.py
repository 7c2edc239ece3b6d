from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.errors import UnknownFieldError
from ibkr_async.models.availability import Availability
from ibkr_async.models.base import parse_json
from ibkr_async.models.fields import FIELDS
from ibkr_async.models.market_data import MarketDataUpdate, decode_update, read_snapshot
from ibkr_async.models.quotes import Quote
from support.captures import read_captures
from support.lossless import differences

SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "ws" / "smd.json"
FULL, DELTA, TOPIC_ONLY, EMPTIED = (
    bytes(frame) for frame in msgspec.json.decode(SAMPLES.read_bytes(), type=list[msgspec.Raw])
)


def update_of(**values: Any) -> MarketDataUpdate:
    """Decode a frame that carries these tags, written as `t84="1"`."""
    tags = {key.removeprefix("t"): value for key, value in values.items()}
    return decode_update(msgspec.json.encode({"conid": 8314, **tags, "topic": "smd+8314"}))


# --- one update ---


def test_values_are_read_on_access_and_the_text_stays() -> None:
    """Each shown field is a number, and its wire form is beside it."""
    update = decode_update(FULL)

    assert (update.conid, update.server_id, update.updated_ms) == (8314, "q5", 1790000100100)
    assert (update.bid, update.ask, update.last) == (182.24, 182.26, 181.90)
    assert (update.bid_size, update.ask_size, update.last_size) == (1300.0, 700.0, 100.0)
    assert (update.volume, update.volume_exact) == (2_400_000.0, 2_401_377.0)
    assert update.change_pct == 0.19
    assert update.bid_size_wire == "1,300"
    assert update.last_price.is_close
    assert update.availability == Availability("RpB")


@pytest.mark.parametrize(
    ("tag", "attribute"),
    [("82", "change"), ("70", "high"), ("71", "low"), ("7295", "open"), ("7296", "close"),
     ("7741", "prior_close"), ("7635", "mark_price")],
)  # fmt: skip
def test_each_number_comes_from_its_tag(tag: str, attribute: str) -> None:
    """No two tags are swapped."""
    update = update_of(**{f"t{tag}": "12.5"})

    assert getattr(update, attribute) == update.get(attribute) == 12.5
    assert FIELDS[tag].name == attribute


def test_every_slot_bears_the_name_of_its_field() -> None:
    """Struct and table agree on names."""
    for field in msgspec.structs.fields(MarketDataUpdate):
        if field.encode_name.isdigit():
            assert field.name == f"{FIELDS[field.encode_name].name}_wire"


def test_rare_fields_are_reached_by_name_and_by_tag() -> None:
    """A tag without a slot is read out of the frame."""
    update = decode_update(FULL)

    assert update.get("delta") == update.get("7308") == 0.52
    assert update.text("delta") == "0.52"
    assert update.extra == {"7308": "0.52"}
    assert update.get("gamma") is None


def test_unknown_tag_is_given_as_text() -> None:
    """A tag that is newer than the table is not lost."""
    update = update_of(t9999=5, t31="1")

    assert update.get("9999") == "5"
    assert update.changed == ("last", "9999")


def test_misspelt_field_is_an_error() -> None:
    """A name that cannot exist is told from one that was not sent."""
    with pytest.raises(UnknownFieldError):
        decode_update(FULL).get("bidd")


def test_present_and_empty_differs_from_absent() -> None:
    """`""` was sent and says nothing; an absent key is unchanged."""
    update = decode_update(EMPTIED)

    assert "bid" in update
    assert update.bid is None
    assert "last" not in update
    assert "delta" not in update
    assert update.changed == ("delivery_marker", "bid", "ask_size")


def test_topic_only_frame_is_empty() -> None:
    """IBKR sends such frames; they carry nothing."""
    assert decode_update(TOPIC_ONLY).is_empty
    assert not decode_update(DELTA).is_empty
    assert decode_update(TOPIC_ONLY).availability is None


def test_update_made_by_hand_has_no_extra() -> None:
    """Without a frame there is nothing more to find."""
    update = MarketDataUpdate(conid=1, bid_wire="5")

    assert update.extra == {}
    assert update.wire == {"conid": 1, "84": "5"}


def test_repr_shows_what_was_sent_and_no_more() -> None:
    """A delta is short to read."""
    assert repr(decode_update(EMPTIED)) == (
        "MarketDataUpdate(conid=8314, delivery_marker='q5', bid=None, ask_size=1900.0)"
    )


def test_number_in_place_of_text_is_accepted() -> None:
    """IBKR writes 83 as a number on the socket, and could do so with any other."""
    assert update_of(t83=0.04).change_pct == 0.04
    assert update_of(t84=5, t85=7.0).bid == 5.0
    assert update_of(t55=7).symbol == "7"


def test_snapshot_rows_become_updates() -> None:
    """REST rows have the same keys; a warm-up row is there and says nothing."""
    rows = parse_json(
        b'[{"conidEx":"756733","conid":756733,"_updated":1790000000000,"server_id":"q6",'
        b'"6119":"q6","6509":"RpB","31":"655.89","83":"0.54%","7308":"0.5","82":1.25},'
        b'{"conidEx":"1","conid":1}]'
    )

    first, warm_up = read_snapshot(rows)

    assert (first.last, first.change_pct, first.change, first.get("delta")) == (
        655.89, 0.54, 1.25, 0.5,
    )  # fmt: skip
    assert differences(rows[0], first.wire) == []
    assert warm_up.changed == ()


# --- merging ---


def test_merge_keeps_what_only_the_older_carries() -> None:
    """Conflation loses no value, rare and unknown ones included."""
    older, newer = decode_update(FULL), decode_update(DELTA)

    older.merge(newer)

    assert (older.bid, older.ask, older.last) == (182.24, 182.27, 182.25)
    assert not older.last_price.is_close
    assert older.get("delta") == 0.52
    assert older.extra["87_raw"] == 2_400_000
    assert older.updated_ms == 1790000101100
    assert older.raw == DELTA


_values = st.sampled_from(["1", "2.5", "C3", "H4", "1,300", "24.2M", "", "x", 5, 0.5])
_frames = st.dictionaries(
    st.sampled_from([*list(FIELDS), "87_raw", "9999", "_updated"]).filter(lambda tag: tag != "55"),
    _values,
    max_size=8,
).map(lambda tags: tags | ({"_updated": 7} if "_updated" in tags else {}))


def _update(tags: dict[str, Any]) -> MarketDataUpdate:
    return decode_update(msgspec.json.encode({"conid": 8314, **tags, "topic": "smd+8314"}))


def _fold(updates: list[MarketDataUpdate]) -> MarketDataUpdate:
    first, *rest = updates
    for update in rest:
        first.merge(update)
    return first


@given(st.lists(_frames, min_size=2, max_size=8), st.data())
def test_any_split_of_deltas_folds_to_the_same_state(
    frames: list[dict[str, Any]], data: st.DataObject
) -> None:
    """However a slow reader groups the deltas, state and quote come out alike."""
    cut = data.draw(st.integers(1, len(frames) - 1))
    expected: dict[str, Any] = reduce(lambda a, b: a | b, frames)

    whole = _fold([_update(frame) for frame in frames])
    halves = [
        _fold([_update(frame) for frame in frames[:cut]]),
        _fold([_update(frame) for frame in frames[cut:]]),
    ]
    one_by_one = reduce(Quote.apply, [_update(f) for f in frames], Quote.empty(8314))
    by_halves = reduce(Quote.apply, halves, Quote.empty(8314))

    assert by_halves == one_by_one
    assert _fold(halves).wire == whole.wire
    assert differences({"conid": 8314, **expected, "topic": "smd+8314"}, whole.wire) == []


# --- quotes ---


def test_quote_begins_empty_and_takes_what_is_sent() -> None:
    """Nothing is known until it was sent; later deltas replace only what they carry."""
    quote = Quote.empty(8314, "IBM").apply(decode_update(FULL), received_at=5.0)

    assert (quote.symbol, quote.bid, quote.last, quote.halted) == ("IBM", 182.24, 181.9, False)
    assert quote.last_is_close
    assert quote.high is None
    assert quote.received_at == 5.0

    later = quote.apply(decode_update(DELTA))

    assert (later.bid, later.ask, later.last) == (182.24, 182.27, 182.25)
    assert not later.last_is_close
    assert later.updated_at_ms == 1790000101100
    assert later.received_at == 5.0
    assert quote.last == 181.9


@pytest.mark.parametrize(
    ("tag", "attribute"),
    [("31", "last"), ("70", "high"), ("71", "low"), ("82", "change"), ("83", "change_pct"),
     ("84", "bid"), ("85", "ask_size"), ("86", "ask"), ("87", "volume"), ("88", "bid_size"),
     ("7059", "last_size"), ("7295", "open"), ("7296", "close"), ("7635", "mark_price"),
     ("7741", "prior_close"), ("7762", "volume_exact")],
)  # fmt: skip
def test_each_value_of_a_quote_comes_from_its_tag(tag: str, attribute: str) -> None:
    """From that one alone, and it changes nothing else."""
    quote = Quote.empty(8314).apply(update_of(**{f"t{tag}": "125"}))
    shown = {pair[0]: pair[1] for pair in quote.__rich_repr__()}

    assert shown == {"conid": 8314, attribute: 125}
    assert getattr(quote, attribute) == 125


def test_emptied_value_becomes_none() -> None:
    """A bid that is gone is not shown any more."""
    quote = Quote.empty(8314).apply(decode_update(FULL)).apply(decode_update(EMPTIED))

    assert quote.bid is None
    assert quote.ask_size == 1900.0


def test_halt_is_shown_until_a_price_comes_without_it() -> None:
    """The flag belongs to the last price and changes with it only."""
    halted = Quote.empty(8314).apply(update_of(t31="H10"))

    assert halted.halted
    assert halted.apply(update_of(t84="9")).halted
    assert not halted.apply(update_of(t31="11")).halted


def test_quote_reads_any_field_by_name() -> None:
    """Shown fields, rare fields, unknown tags and fields never sent."""
    quote = Quote.empty(8314).apply(decode_update(FULL)).apply(update_of(t9999="new", t55="IBM"))

    assert quote.get("delta") == 0.52
    assert quote.get("bid") == quote.get("84") == 182.24
    assert quote.get("availability") == Availability("RpB")
    assert quote.get("symbol") == "IBM"
    assert quote.get("9999") == "new"
    assert quote.get("vega") is None


def test_bid_of_minus_one_for_nothing_is_no_bid() -> None:
    """IBKR's "no quote" is not a price, wherever it is read; a combination may cost -1."""
    nobody = update_of(t84="-1", t88="0", t86="-1", t85="0")
    combination = Quote.empty(8314).apply(update_of(t84="-1", t88="5", t86="-0.5", t85="2"))
    quote = Quote.empty(8314).apply(nobody)

    for shown in (nobody, quote):
        assert (shown.bid, shown.ask) == (None, None)
        assert (shown.get("bid"), shown.get("86")) == (None, None)
        assert (shown.bid_size, shown.ask_size) == (0.0, 0.0)
    assert (combination.bid, combination.ask) == (-1.0, -0.5)
    assert (combination.mid, combination.spread) == (-0.75, 0.5)


def test_size_that_comes_later_takes_the_bid_away() -> None:
    """A delta carries what changed: price and size of one side may stand in two frames."""
    quote = Quote.empty(8314).apply(update_of(t84="-1")).apply(update_of(t88="0"))

    assert quote.bid is None


@pytest.mark.parametrize(
    ("tags", "mid", "spread"),
    [
        ({"t84": "182.24", "t86": "182.26"}, 182.25, 0.02),
        ({"t84": "0.1", "t86": "0.3"}, 0.2, 0.2),
        ({"t84": "5", "t86": "5"}, 5.0, 0.0),
        ({"t84": "182.24"}, None, None),
        ({"t86": "182.26"}, None, None),
        ({"t84": "182.24", "t86": "N/A"}, None, None),
        ({"t84": "-1", "t86": "-1"}, None, None),
        ({"t84": "-1", "t88": "0", "t86": "182.26"}, None, None),
    ],
)
def test_mid_and_spread_need_both_sides(
    tags: dict[str, str], mid: float | None, spread: float | None
) -> None:
    """To the digit, and never out of a side that is not there."""
    quote = Quote.empty(8314).apply(update_of(**tags))

    assert (quote.mid, quote.spread) == (mid, spread)


def test_symbol_that_says_nothing_leaves_the_name_that_was_given() -> None:
    """Recorded for an index without data: `"55":"-"`."""
    update = update_of(t55="-", t31="N/A")

    assert update.symbol is None
    assert Quote.empty(8314, "VIX").apply(update).symbol == "VIX"


def test_update_of_another_contract_is_refused() -> None:
    """Two contracts are never mixed."""
    with pytest.raises(ValueError, match="8314 does not belong to 1"):
        Quote.empty(1).apply(decode_update(FULL))


def test_empty_update_changes_nothing() -> None:
    """A frame with only a topic gives the very same quote."""
    quote = Quote.empty(8314)

    assert quote.apply(decode_update(TOPIC_ONLY)) is quote


def test_quote_reads_well() -> None:
    """Text for people, repr for developers: both leave out what is not known."""
    quote = Quote.empty(8314, "IBM").apply(decode_update(FULL))
    halted = Quote.empty(7).apply(decode_update(b'{"31":"H1234567.125","83":0.0}'))

    assert str(quote) == (
        "IBM 182.24 x 182.26 (1,300 x 700) last 181.9 (close) [real time, consolidated, book]"
    )
    assert str(halted) == "conid 7 - x - (- x -) last 1,234,567.125 HALTED"
    assert repr(halted) == "Quote(conid=7, last=1234567.125, change_pct=0.0, halted=True)"


def test_frame_with_unreadable_rest_gives_what_can_be_read() -> None:
    """Broken UTF-8 under a key that nobody knows must not reach whoever iterates."""
    update = decode_update(b'{"conid":8314,"84":"5","zz":"\xff","topic":"smd+8314"}')

    assert Quote.empty(8314).apply(update).bid == 5.0
    assert update.extra == {}


def test_null_is_no_statement() -> None:
    """A null is like an absent key: what was known stays."""
    quote = Quote.empty(8314).apply(update_of(t84="5"))

    assert quote.apply(decode_update(b'{"conid":8314,"84":null,"86":"6"}')).bid == 5.0


def test_quotes_are_equal_when_they_show_the_same() -> None:
    """However it was sent."""
    quote = Quote.empty(8314).apply(update_of(t84="5"))

    assert quote == Quote.empty(8314).apply(update_of(t84="5.0"))
    assert quote != Quote.empty(8314).apply(update_of(t84="6"))
    assert quote != 5.0


# --- recorded input ---


@pytest.mark.captures
def test_recorded_frames_decode_with_nothing_lost() -> None:
    """Every `smd` frame that was seen on the wire comes back key by key."""
    frames = [
        row
        for row in read_captures("ws_*.jsonl")
        if row.inbound and row.topic_or_path.startswith("smd+")
    ]

    assert len(frames) >= 10
    for row in frames:
        assert differences(parse_json(row.raw), decode_update(row.raw.encode()).wire) == [], row


@pytest.mark.captures
def test_recording_folds_to_the_right_quote() -> None:
    """The recorded minute ends where its last values say."""
    quote = Quote.empty(265598, "AAPL")
    for row in read_captures("ws_smd_single.jsonl"):
        if row.inbound and row.topic_or_path == "smd+265598":
            quote = quote.apply(decode_update(row.raw.encode()))

    assert (quote.bid, quote.ask, quote.last, quote.change_pct) == (271.70, 271.73, 271.71, 0.57)
    assert quote.availability is not None
    assert (quote.availability.delayed, quote.availability.snapshot) == (True, True)
    assert quote.updated_at_ms == 1777552169161
    assert "serviceID1=122" in str(quote.get("service_parameters"))
