from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.errors import UsageError
from ibkr_async.models.market_data import MarketDataUpdate
from ibkr_async.models.streaming import ProfitAndLoss
from ibkr_async.stream.wire.sharing import narrow, unite, unite_arguments
from ibkr_async.stream.wire.topics import TOPICS


@pytest.mark.parametrize(
    ("code", "target", "arguments", "subscribe", "unsubscribe"),
    [
        (
            "smd",
            "265598",
            {"fields": ["31", "84"]},
            'smd+265598+{"fields":["31","84"]}',
            "umd+265598+{}",
        ),
        (
            "smd",
            "265598@ARCA",
            {"fields": ["31"]},
            'smd+265598@ARCA+{"fields":["31"]}',
            "umd+265598@ARCA+{}",
        ),
        ("sor", "", {}, "sor+{}", "uor+{}"),
        ("str", "", {"days": 1}, 'str+{"days":1}', "utr"),
        ("spl", "", {}, "spl+{}", "upl+{}"),
        ("ssd", "DU1234567", {}, "ssd+DU1234567+{}", "usd+DU1234567+{}"),
        ("sld", "DU1234567", {}, "sld+DU1234567+{}", "uld+DU1234567+{}"),
        ("sbd", "DU1234567+265598", {}, "sbd+DU1234567+265598+{}", "ubd+DU1234567"),
    ],
)
def test_requests_are_spelled_as_ibkr_documents(
    code: str, target: str, arguments: dict[str, object], subscribe: str, unsubscribe: str
) -> None:
    """One row of the table says how a topic is asked for and given up."""
    topic = TOPICS[code]
    topic.check_target(target)

    assert topic.subscribe_text(target, arguments) == subscribe
    assert topic.unsubscribe_text(target, "") == unsubscribe


def test_bars_are_given_up_by_the_number_that_the_server_gave_them() -> None:
    """Until the server has named them there is nothing to give up."""
    assert TOPICS["smh"].unsubscribe_text("265598", "341115") == "umh+341115"
    assert TOPICS["smh"].unsubscribe_text("265598", "") == ""


@pytest.mark.parametrize(
    ("code", "target"),
    [
        ("smd", "AAPL"),
        ("smd", ""),
        ("smd", "1+2"),
        ("smd", '1"'),
        ("smd", "1\n"),
        ("sor", "1"),
        ("ssd", ""),
        ("sbd", "DU1"),
    ],
)
def test_target_that_the_server_would_not_understand_is_refused(code: str, target: str) -> None:
    """Nothing can be smuggled into a request."""
    with pytest.raises(UsageError, match="is not a target"):
        TOPICS[code].check_target(target)


@pytest.mark.parametrize("target", ["265598", "265598@ARCA", "28812380;;;265598/1,8314/-1"])
def test_contract_targets_are_accepted(target: str) -> None:
    """A conid, a conid at an exchange, and a combination."""
    TOPICS["smd"].check_target(target)


def test_every_row_is_complete() -> None:
    """What is requested can be given up, what conflates can be told apart."""
    for row in TOPICS.values():
        assert row.heading
        assert row.call
        assert row.requested == bool(row.unsubscribe) or row.dialogue
        assert (row.read is None) == row.fast
        assert row.policy != "conflate" or row.identity


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
