"""Uniting requests, narrowing what comes back, merging what waits."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.errors import UsageError
from ibkr_async.models.market_data import MarketDataUpdate
from ibkr_async.models.streaming import ProfitAndLoss
from ibkr_async.stream.wire.sharing import narrow, replace, unite, unite_arguments
from ibkr_async.stream.wire.topics import TOPICS


def test_requests_of_several_consumers_are_united() -> None:
    """Lists are united in order, flags restrict only if all say so, numbers grow."""
    united = unite_arguments(
        [
            {"fields": ["31", "84"], "realtimeUpdatesOnly": True, "days": 1, "keys": ["a"]},
            {"fields": ["84", "86"], "realtimeUpdatesOnly": False, "days": 7},
        ]
    )

    assert united == {"fields": ["31", "84", "86"], "realtimeUpdatesOnly": False, "days": 7}


def test_requests_that_cannot_be_united_are_refused() -> None:
    """One subscription has one bar size."""
    assert unite_arguments([{"bar": "1min"}, {"bar": "1min"}]) == {"bar": "1min"}
    with pytest.raises(UsageError, match="bar='1min'"):
        unite_arguments([{"bar": "1min"}, {"bar": "5min"}])


def update(**tags: str) -> MarketDataUpdate:
    """Decode a frame of contract 8314 with these fields."""
    row = {"server_id": "q1", "conid": 8314, "6119": "q1"} | {
        k.lstrip("t"): v for k, v in tags.items()
    }
    frame = msgspec.json.encode(row | {"topic": "smd+8314"})
    decoded = msgspec.json.decode(frame, type=MarketDataUpdate)
    decoded.raw = frame
    return decoded


def test_narrowed_update_has_only_the_wanted_fields() -> None:
    """A field that another consumer asked for does not show, rare ones included."""
    part = narrow(update(t31="1", t84="2", t7308="0.5", t7633="3"), frozenset({"31", "7308"}))

    assert part is not None
    assert part.changed == ("delivery_marker", "last", "delta")
    assert part.conid == 8314


def test_update_without_a_wanted_field_is_nothing() -> None:
    """It is another consumer's."""
    assert narrow(update(t84="2", t7308="0.5"), frozenset({"31"})) is None
    assert narrow(update(t7308="0.5"), frozenset({"7308"})) is not None


values = st.dictionaries(st.sampled_from(["t31", "t84", "t86", "t7308"]), st.sampled_from("123"))


@given(values, values)
def test_merging_market_data_changes_neither_side(
    first: dict[str, str], second: dict[str, str]
) -> None:
    """Other subscriptions may hold the same objects."""
    older, newer = update(**first), update(**second)
    before = (older.wire, newer.wire)
    merged = unite(older, newer)

    assert merged.wire == before[0] | before[1]
    assert (older.wire, newer.wire) == before


def test_merging_rows_keeps_unknown_keys() -> None:
    """Partial profit-and-loss rows lose nothing."""
    older = TOPICS["spl"].read({"args": {"DU1.Core": {"dpl": 1.5, "new": 1}}})  # type: ignore[misc]
    newer = TOPICS["spl"].read({"args": {"DU1.Core": {"upl": 2.5}}})  # type: ignore[misc]
    merged = unite(older[0], newer[0])

    assert isinstance(merged, ProfitAndLoss)
    assert (merged.key, merged.dpl, merged.upl, merged.extra) == ("DU1.Core", 1.5, 2.5, {"new": 1})


@pytest.mark.parametrize(
    ("each", "united"),
    [
        ([{"days": 7}, {"days": 1}, {"days": 3}], {"days": 7}),
        ([{"only": True}, {"only": True}], {"only": True}),
        ([{"only": True}, {"only": False}], {"only": False}),
        ([{"only": False}, {"only": True}], {"only": False}),
        ([{"fields": ("84",)}, {"fields": ["31", "84"]}], {"fields": ["84", "31"]}),
        ([{"fields": ["31"]}, {}], {}),
        ([{}, {"fields": ["31"]}], {}),
        ([{"bar": "1h", "x": None}, {"bar": "1h", "x": None}], {"bar": "1h", "x": None}),
    ],
)
def test_values_are_united_by_their_kind(
    each: list[dict[str, Any]], united: dict[str, Any]
) -> None:
    """Also when one alone has a key: absence asks for everything."""
    found = unite_arguments(each)

    assert found == united
    assert [type(value) for value in found.values()] == [type(value) for value in united.values()]


def test_third_text_that_differs_is_refused_too() -> None:
    """Not only the second."""
    with pytest.raises(UsageError, match="close the other subscription"):
        unite_arguments([{"bar": "1h"}, {"bar": "1h"}, {"bar": "1d"}])


def test_narrowing_leaves_the_update_as_it_is() -> None:
    """Other consumers get the same object. What is no field of market data stays in every part."""
    whole = update(t31="1", t84="2", t7308="0.5", note="x")
    part = narrow(whole, frozenset({"84"}))

    assert part is not None
    assert (part.last, part.bid, part.extra) == (None, 2.0, {"note": "x"})
    assert part.raw is whole.raw
    assert (whole.last, whole.bid, whole.extra) == (1.0, 2.0, {"7308": "0.5", "note": "x"})


def test_part_with_nothing_but_what_every_frame_has_is_nothing() -> None:
    """Server, contract and what is no field are no reason to wake anyone."""
    assert narrow(update(note="x"), frozenset({"31", "84"})) is None
    assert narrow(update(t31="1"), frozenset()) is None
    assert narrow(update(), frozenset({"6119", "31"})) is None


def test_row_that_is_whole_replaces_the_one_that_waits() -> None:
    """Nothing of the older one holds."""
    older, newer = update(t31="1"), update(t84="2")

    assert replace(older, newer) is newer
