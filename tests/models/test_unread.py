"""What cannot be read costs itself: a field, or a row, and it is counted."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async import models
from ibkr_async.models.accounts import AccountsReply
from ibkr_async.models.base import (
    Dec,
    Float,
    Int,
    Model,
    Unread,
    convert,
    decode,
    parse_json,
    to_wire,
)
from ibkr_async.models.history import HistoryReply
from ibkr_async.models.market_data import read_market_data, read_snapshot
from ibkr_async.models.orders import LiveOrders, Trade
from ibkr_async.models.portfolio import Position
from ibkr_async.models.session import TickleReply
from support.lossless import differences

BEYOND = b"1e99999999999999999999"
UNSET = [
    "2147483647",
    "2,147,483,647",
    "9223372036854775807",
    "9223372036854775808",
    "9223372036854776000",
    "9.223372036854775807E18",
    "170141183460469231731687303715884105727",
    "1.7014118346046923E38",
    "1.7976931348623157E308",
    "-1.7976931348623157E308",
]


class Leg(Model):
    ratio: Int = None


class Named(Model):
    key: str
    legs: tuple[Leg, ...] | None = None
    by_name: dict[str, Leg] | None = None
    texts: tuple[str, ...] = ()
    grid: dict[str, tuple[str, ...]] | None = None


def read(type_: Any, data: bytes) -> tuple[Any, Unread]:
    """Decode as REST answers are, and give what could not be read with it."""
    unread = Unread()
    return decode(type_, data, unread), unread


def test_odd_row_costs_itself() -> None:
    """A null, a text and an array among orders: the orders are there, the three are counted."""
    found, unread = read(LiveOrders, b'{"orders":[{"orderId":1},null,"x",[],{"orderId":2}]}')

    assert [order.order_id for order in found.orders] == ["1", "2"]
    assert unread.count == 3
    assert "orders[1]" in str(unread)
    assert found.extra["orders"][1:4] == [None, "x", []]


def test_odd_row_of_a_bare_array_costs_itself() -> None:
    """Trades and positions come without an object around them."""
    trades, unread = read(tuple[Trade, ...], b'[null,{"execution_id":"e"},5]')

    assert [trade.execution_id for trade in trades] == ["e"]
    assert unread.count == 2


def test_odd_row_of_an_object_costs_itself() -> None:
    """Ledgers and summaries name their rows."""
    rows, unread = read(dict[str, Leg], b'{"USD":null,"EUR":{"ratio":1},"BASE":"x"}')

    assert rows == {"EUR": Leg(ratio=1)}
    assert unread.count == 2


def test_odd_container_costs_itself_and_stays_in_extra() -> None:
    """The field is as if it had not been sent; what was sent is kept."""
    found, unread = read(AccountsReply, b'{"accounts":["DU1"],"groups":{"a":1},"aliases":[]}')

    assert found.accounts == ("DU1",)
    assert found.groups is None
    assert found.extra == {"groups": {"a": 1}, "aliases": []}
    assert unread.count == 2


def test_null_container_says_nothing() -> None:
    """It is neither odd nor counted."""
    found, unread = read(LiveOrders, b'{"orders":null,"snapshot":true}')

    assert found.orders == ()
    assert found.snapshot is True
    assert unread.count == 0


def test_number_where_text_belongs_is_read_as_text() -> None:
    """Whatever a single value is written as, it is read."""
    found, unread = read(Named, b'{"key":7,"texts":["a",1,2.50]}')

    assert (found.key, found.texts) == ("7", ("a", "1", "2.50"))
    assert unread.count == 0


def test_row_without_what_names_it_costs_itself() -> None:
    """Nobody could tell what it is about."""
    rows, unread = read(tuple[Named, ...], b'[{"texts":[null]},{"key":"a"}]')

    assert [row.key for row in rows] == ["a"]
    assert unread.count == 1


def test_oddity_within_a_row_costs_neither_row_nor_batch() -> None:
    """At any depth."""
    rows, unread = read(
        tuple[Named, ...],
        b'[{"key":"a","legs":[{"ratio":1},7],"by_name":{"x":null,"y":{"ratio":[]}},"grid":{"z":[{},"b"]}}]',
    )

    assert rows[0].legs == (Leg(ratio=1),)
    assert rows[0].by_name == {"y": Leg()}
    assert rows[0].by_name["y"].extra == {"ratio": []}
    assert rows[0].grid == {"z": ("b",)}
    assert unread.count == 3
    assert to_wire(rows[0])["grid"] == {"z": [{}, "b"]}


def test_alternatives_are_tried_in_turn() -> None:
    """Positions of a contract come as an array, or as an object by account."""
    kind = dict[str, tuple[Position, ...]] | tuple[Position, ...]
    by_account, _ = read(kind, b'{"DU1":[{"conid":"5"},null]}')
    alone, _ = read(kind, b'[{"conid":"5"},null]')

    assert [position.conid for position in by_account["DU1"]] == [5]
    assert [position.conid for position in alone] == [5]


def test_whole_of_another_shape_is_refused() -> None:
    """There is nothing in it that could be read."""
    with pytest.raises(msgspec.ValidationError):
        read(LiveOrders, b"[]")


@pytest.mark.parametrize(
    "odd",
    [BEYOND, b"9" * 5000, b"NaN", b"-Infinity", b"1e400", rb'"\ud83d"'],
    ids=["beyond", "digits", "NaN", "Infinity", "1e400", "half"],
)
@pytest.mark.parametrize(
    "kind", [AccountsReply, LiveOrders, TickleReply, HistoryReply, tuple[Trade, ...]]
)
def test_value_that_nothing_can_hold_costs_itself(kind: Any, odd: bytes) -> None:
    """In a field of ours, in one that nobody knows, and in a row."""
    row = b'{"new":%b,"orderId":5,"order_id":5,"price":%b,"message":"m"}' % (odd, odd)
    data = b"[%b]" % row if kind == tuple[Trade, ...] else b'{"x":%b,"orders":[%b]}' % (odd, row)

    found, _ = read(kind, data)

    rows = found if isinstance(found, tuple) else getattr(found, "orders", ())
    assert [(row.order_id, row.price) for row in rows] == [("5", None)] * len(rows)


def test_value_that_nothing_can_hold_is_a_decode_error_where_nobody_counts() -> None:
    """And nothing else, such as `decimal.InvalidOperation`."""
    with pytest.raises(msgspec.DecodeError):
        parse_json(b'{"a":%b}' % BEYOND)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["key", "legs", "by_name", "texts", "grid", "ratio", "x"]), inner
        )
    ),
    max_leaves=20,
)  # fmt: skip - the alternatives belong together


@given(_json)
def test_nothing_that_was_sent_is_lost(wire: Any) -> None:
    """What the fields do not say is in `extra`, however odd."""
    try:
        found: Named = convert(Named, wire, Unread())
    except msgspec.ValidationError:
        return

    said = {key: value for key, value in to_wire(found).items() if value != []}  # a default
    assert differences({key: value for key, value in wire.items() if value != []}, said) == []


# --- market data ---------------------------------------------------------------------------------


def test_contract_and_time_of_market_data_may_be_texts() -> None:
    """The price is what matters."""
    (update,) = read_market_data({"conid": "265598", "_updated": "1712596911593", "31": "189.60"})

    assert (update.conid, update.updated_ms, update.last) == (265598, 1712596911593, 189.6)


@pytest.mark.parametrize("odd", [[], {"a": 1}, True])
@pytest.mark.parametrize("key", ["_updated", "server_id", "conidEx", "6119", "84", "7741", "55"])
def test_odd_value_of_market_data_costs_itself(key: str, odd: Any) -> None:
    """It is counted and kept, and the rest is read."""
    unread = Unread()
    (update,) = read_market_data({"conid": 1, "31": "5", key: odd}, unread)

    assert update.last == 5.0
    if not (odd is True and key in {"server_id", "conidEx"}):
        assert update.extra == {key: odd}
        assert unread.count == 1


def test_market_data_of_a_contract_that_cannot_be_read_is_nobodys() -> None:
    """Its price must not be shown as another one's."""
    with pytest.raises(msgspec.ValidationError, match="conid"):
        read_market_data({"conid": "x", "31": "5"})


def test_snapshot_of_odd_rows_gives_what_can_be_read() -> None:
    """One odd row used to cost all of them."""
    updates = read_snapshot([{"conid": "5", "31": [1]}, {"conid": {}}, {"conid": 7, "31": "2"}])

    assert [(update.conid, update.last) for update in updates] == [
        (5, None),
        (None, None),
        (7, 2.0),
    ]


# --- numbers that mean "not set" -----------------------------------------------------------------


def _number_fields() -> list[tuple[type[Model], str, str]]:
    kinds = [getattr(models, name) for name in models.__all__]
    return [
        (kind, field.name, field.encode_name)
        for kind in kinds
        if isinstance(kind, type) and issubclass(kind, Model)
        for field in msgspec.structs.fields(kind)
        if field.type in {Float, Int, Dec}
    ]


@pytest.mark.parametrize("unset", UNSET)
def test_unset_number_is_none_in_every_field(unset: str) -> None:
    """As text, and as the number itself, whatever the field is."""
    fields = _number_fields()
    digits = unset.replace(",", "")

    wrong = [
        (kind.__name__, name, sent)
        for kind, name, key in fields
        for sent in (
            unset,
            Decimal(digits),
            float(digits),
            int(float(digits)),
            int(Decimal(digits)),
        )
        if getattr(convert(kind, _required(kind) | {key: sent}), name) is not None
    ]

    assert len(fields) > 200
    assert wrong == []


def _required(kind: type[Model]) -> dict[str, Any]:
    return {f.encode_name: "x" for f in msgspec.structs.fields(kind) if f.required}


def test_numbers_beside_unset_ones_are_numbers() -> None:
    """Only the exact ones mean nothing."""
    row = convert(
        Position, {"conid": 2147483646, "mktPrice": 2147483648.0, "position": "2147483647.5"}
    )

    assert (row.conid, row.mkt_price, row.position) == (
        2147483646,
        2147483648.0,
        Decimal("2147483647.5"),
    )


def test_other_spellings_are_read_at_every_level() -> None:
    """In rows of an object, of an array, in a field of a field, and where a type may be absent."""
    day = {"tradingScheduleDate": "20261130", "tradingtimes": [{"openingTime": "0930"}]}
    period = {"startNav": {"date": "20261102", "val": 1.5}}
    answer = {"accounts": {"DU1": {"periodsByName": {"1D": period}}}}

    schedules: Any = convert(tuple[models.VenueSchedule, ...], [{"schedules": [day]}])
    performance: Any = convert(models.AllPeriods, answer)
    funds: Any = convert(
        dict[str, models.AvailableFunds] | None, {"total": {"Lk Ahd Avlbl Fnds": "5 USD"}}
    )
    tree: Any = convert(
        models.ScannerParameters, {"location_tree": [{"locations": [{"type": "x"}]}]}
    )

    assert schedules[0].schedules[0].trading_times[0].opening_time == "0930"
    assert performance.accounts["DU1"].periods["1D"].start_nav.val == 1.5
    assert funds["total"].look_ahead_available == 5
    assert tree.location_tree[0].locations[0].type == "x"
