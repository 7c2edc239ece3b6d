from __future__ import annotations

import copy
import importlib
import pickle
import pkgutil
import types
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any, Literal, NewType, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

import ibkr_async
from ibkr_async.models.base import Model, decode, parse_json
from ibkr_async.models.fact import Fact
from ibkr_async.models.history import Bar, HistoryReply
from ibkr_async.models.market_data import MarketDataUpdate, decode_update
from ibkr_async.models.oauth import AccessTokenReply
from ibkr_async.models.orders import LiveOrder
from ibkr_async.models.quotes import Quote
from ibkr_async.models.scalars import Bool, Dec, Float, Int, Str
from ibkr_async.models.streaming import LadderRow, PriceLadder
from ibkr_async.orders.known.events import Execution, Fill, OrderState, StatusChange
from ibkr_async.stream.delivery.events import Gap
from ibkr_async.types import OrderId

PRICE = Decimal("189.500000000000000000001")
SCALARS: dict[Any, Any] = {
    Str: "text", Dec: PRICE, Float: 0.1, Int: 7, Bool: True,
    str: "text", Decimal: PRICE, float: 0.1, int: 7, bool: True, Any: "anything",
}  # fmt: skip


def facts() -> list[type[Any]]:
    """Find every class of ours that can be written out, in modules that users import."""
    for module in pkgutil.walk_packages(ibkr_async.__path__, "ibkr_async."):
        if not module.name.startswith(("ibkr_async.cli", "ibkr_async.simulator")):
            importlib.import_module(module.name)

    def below(kind: type[Any]) -> list[type[Any]]:
        return [kind, *(deep for one in kind.__subclasses__() for deep in below(one))]

    found = {kind for kind in below(Fact) if issubclass(kind, msgspec.Struct)}
    ours = [kind for kind in found if kind.__module__.startswith("ibkr_async")]
    # A quote and an update are read on access and have tests of their own.
    return sorted(set(ours) - {Quote, MarketDataUpdate}, key=lambda kind: kind.__qualname__)


def filled(kind: Any, inside: tuple[Any, ...] = ()) -> Any:  # noqa: C901, PLR0911 - a branch for each kind of annotation
    """Make a value of a type with something in every field that is not private, and in `extra`."""
    if isinstance(kind, NewType):
        return filled(kind.__supertype__, inside)
    if kind in SCALARS:
        return SCALARS[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return filled(next(one for one in arguments if one is not type(None)), inside)
    if origin is Literal:
        return arguments[0]
    if origin is tuple and arguments[-1] is not ...:
        return tuple(filled(one, inside) for one in arguments)
    if origin in {tuple, list, frozenset}:
        return origin([filled(arguments[0], inside)])
    if origin in {dict, Mapping}:
        return {filled(arguments[0], inside): filled(arguments[1], inside)}
    if issubclass(kind, Enum):
        return next(iter(kind))
    hints = get_type_hints(kind)
    names = set(kind.__struct_fields__) - kind.PRIVATE
    if kind in inside:  # an order knows other orders: once is enough
        names -= set(kind.__struct_fields__[-len(kind.__struct_defaults__) :])
    value = kind(**{name: filled(hints[name], (*inside, kind)) for name in names})
    if issubclass(kind, Model) and not kind.PRIVATE:
        vars(value)["_extra"] = {"newKey": [PRICE]}
    return value


def read_back(kind: Any, written: Any) -> Any:  # noqa: C901, PLR0911 - as in `filled`
    """Make the value again out of its dict, by field names alone."""
    if isinstance(kind, NewType):
        return read_back(kind.__supertype__, written)
    if kind in SCALARS or written is None:
        return float(written) if isinstance(SCALARS.get(kind), float) else written
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return read_back(next(one for one in arguments if one is not type(None)), written)
    if origin is Literal:
        return written
    if origin is tuple and arguments[-1] is not ...:
        return tuple(read_back(*pair) for pair in zip(arguments, written, strict=True))
    if origin in {tuple, list, frozenset}:
        return origin(read_back(arguments[0], one) for one in written)
    if origin in {dict, Mapping}:
        key_type, item_type = arguments
        return {
            int(key) if key_type is int else key: read_back(item_type, item)
            for key, item in written.items()
        }
    if issubclass(kind, Enum):
        return kind(written)
    hints, fields = get_type_hints(kind), dict(written)
    extra = fields.pop("extra", None)
    if "type" not in kind.__struct_fields__:
        fields.pop("type", None)
    value = kind(**{name: read_back(hints[name], item) for name, item in fields.items()})
    if extra is not None:
        vars(value)["_extra"] = extra
    return value


def bared(value: Any) -> Any:
    """Take away what a value need not say, at every depth."""
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(value)
        needed = {f.name: bared(getattr(value, f.name)) for f in fields if f.default is not None}
        return type(value)(**needed)
    if isinstance(value, tuple | list):
        return type(value)(bared(one) for one in value)
    return {key: bared(one) for key, one in value.items()} if isinstance(value, dict) else value


FACTS = [pytest.param(kind, id=kind.__qualname__) for kind in facts()]


@pytest.mark.parametrize("kind", FACTS)
def test_value_comes_back_out_of_its_dict_and_its_json(kind: Any) -> None:
    """By field names, at every depth, with exact decimals, unknown keys and all."""
    value = filled(kind)
    written = value.to_dict()

    again = read_back(kind, written)
    from_json = read_back(kind, parse_json(value.to_json()))

    fields = (
        set(written) - {"extra"} - ({"type"} if "type" not in kind.__struct_fields__ else set())
    )
    assert fields == set(kind.__struct_fields__) - kind.PRIVATE
    assert again == from_json == value
    if issubclass(kind, Model) and not kind.PRIVATE:
        assert again.extra == from_json.extra == {"newKey": [PRICE]}


@pytest.mark.parametrize("kind", FACTS)
def test_repr_shows_nothing_that_was_not_said(kind: Any) -> None:
    """No None, no empty `extra`, no secret, and the same through rich."""
    every = filled(kind)
    hints = get_type_hints(kind)
    private = {name: filled(hints[name]) for name in kind.PRIVATE}
    bare = bared(every)

    assert "None" not in repr(bare)
    assert "extra=" not in repr(bare)
    for value in (every, msgspec.structs.replace(every, **private)):
        shown = {name for name, _ in value.__rich_repr__()} - {"extra"}
        assert shown == set(kind.__struct_fields__) - kind.PRIVATE
        assert all(f"{name}=" in repr(value) for name in shown)
        assert not any(f"{name}=" in repr(value) for name in kind.PRIVATE)


@pytest.mark.parametrize("kind", [param for param in FACTS if issubclass(param.values[0], Model)])
@pytest.mark.parametrize(
    "way", [lambda v: pickle.loads(pickle.dumps(v)), copy.copy, copy.deepcopy]  # noqa: S301 - ours
)  # fmt: skip
def test_copy_of_a_model_is_complete(kind: Any, way: Any) -> None:
    """`extra` goes with the fields."""
    value = filled(kind)

    assert way(value) == value
    assert way(value).extra == value.extra
    assert bool(value.extra) is not bool(kind.PRIVATE)


def test_names_are_ours_and_not_those_of_the_wire() -> None:
    """`o` is `open`, `filledQuantity` is `filled_quantity`."""
    reply = decode(HistoryReply, b'{"serverId":"q1","data":[{"o":1.5,"t":7,"q":2}],"new":0.10}')

    written = reply.to_dict()

    assert written["server_id"] == "q1"
    assert written["data"] == [
        {"open": 1.5, "close": None, "high": None, "low": None, "volume": None, "t": 7,
         "extra": {"q": 2}}
    ]  # fmt: skip
    assert written["extra"] == {"new": Decimal("0.10")}
    assert '"new":0.10' in reply.to_json()


def test_decimal_stays_one_in_the_dict_and_exact_in_json() -> None:
    """Money is never a float, and never a text."""
    order = decode(LiveOrder, b'{"price":"189.50","totalSize":1E+2}')

    assert order.to_dict()["price"] == Decimal("189.50")
    assert '"price":189.50,' in order.to_json()
    assert '"total_size":100,' in order.to_json()


def test_event_names_its_class_and_carries_its_order() -> None:
    """A line of JSON says what happened to what."""
    one = Execution(execution_id="e1", size=Decimal(5))
    state = OrderState(order_id=OrderId("17"), executions=(one,))
    gap = Gap(at=1.0, topic="smd+1", reason="silence")

    written = Fill(at=1.5, state=state, execution=one).to_dict()

    assert (written["type"], written["at"]) == ("Fill", 1.5)
    assert written["state"]["executions"][0]["size"] == Decimal(5)
    assert gap.to_dict() == {
        "type": "Gap", "at": 1.0, "topic": "smd+1", "reason": "silence", "silent_s": 0.0,
    }  # fmt: skip


def test_repr_of_an_event_is_short() -> None:
    """Of 16 facts about an order the two that are known."""
    state = OrderState(order_id=OrderId("17"), status="Submitted")
    event = StatusChange(at=1.5, state=state, status="Submitted", previous=None)

    assert repr(event) == (
        "StatusChange(at=1.5, state=OrderState(order_id='17', status='Submitted', "
        "filled=Decimal('0'), in_doubt=False), inferred=False, status='Submitted')"
    )


def test_false_and_zero_are_said() -> None:
    """Not authenticated is a statement; nothing is none."""
    assert repr(LadderRow(row=0, focus=False)) == "LadderRow(row=0, focus=False)"
    assert repr(Bar()) == "Bar()"


def test_ladder_is_written_by_its_rows() -> None:
    """The index of a row is its key."""
    ladder = PriceLadder(MappingProxyType({3: LadderRow(row=3, price_text="5 @ 10")}))

    assert ladder.to_dict()["rows"][3]["price_text"] == "5 @ 10"
    assert parse_json(ladder.to_json())["rows"]["3"]["row"] == 3


def test_secret_is_written_nowhere() -> None:
    """Nor is what IBKR sent beside it and we do not know."""
    reply = decode(
        AccessTokenReply, b'{"oauth_token":"t0ken","oauth_token_secret":"s","x":"t0ken"}'
    )

    assert "t0ken" not in repr(reply) + str(reply.to_dict()) + reply.to_json()
    assert reply.oauth_token == "t0ken"


def test_update_is_written_as_what_it_carried() -> None:
    """Numbers by name; what a number cannot say, and what nobody knows, is in `extra`."""
    update = decode_update(
        b'{"server_id":"q5","conid":8314,"84":"","31":"C189.60","85":"1,300","7308":"0.5",'
        b'"87_raw":2.5,"9999":"x","topic":"smd+8314"}'
    )

    assert update.to_dict() == {
        "server_id": "q5",
        "conid": 8314,
        "topic": "smd+8314",
        "bid": None,
        "last": 189.6,
        "ask_size": 1300.0,
        "delta": 0.5,
        "extra": {"31": "C189.60", "87_raw": Decimal("2.5"), "9999": "x"},
    }
    assert parse_json(update.to_json())["extra"]["87_raw"] == Decimal("2.5")
    assert "#raw" not in update.to_json()


def test_quote_is_written_as_what_it_shows() -> None:
    """Every shown value by name, None where nothing was said."""
    quote = Quote.empty(8314, "IBM").apply(
        decode_update(b'{"conid":8314,"84":"5","6509":"RpB","7308":"0.5","topic":"smd+8314"}')
    )

    written = quote.to_dict()

    assert (written["symbol"], written["bid"], written["ask"]) == ("IBM", 5.0, None)
    assert written["availability"] == "RpB"
    assert written["halted"] is False
    assert written["extra"] == {"7308": "0.5"}
    assert "wire" not in written
    assert parse_json(quote.to_json())["bid"] == 5
    assert "halted" not in repr(quote)
