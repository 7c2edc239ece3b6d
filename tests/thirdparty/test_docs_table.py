"""The table in `docs/third-party.md`: each row exists in the code, and none is missing."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from ibkr_async.errors import IbkrError
from ibkr_async.thirdparty import EXCHANGES as EXCHANGE_CODES
from ibkr_async.thirdparty import OrderChange, ThirdPartyClient, ThirdPartyOrder
from ibkr_async.thirdparty.statuses import MEANINGS
from support.captures import captures_dir
from support.third_party_bench import Bench
from support.third_party_names import ENDPOINTS, ENUMS, EXCHANGES, WORDED, rows

PAGE = Path(__file__).parents[2] / "docs" / "third-party.md"
_ROW = re.compile(r"\| (endpoint|parameter|field|status|value) \| (.+?) \| `(.+?)` \| `(.+?)` \|")


class Row(NamedTuple):
    """One row of the table."""

    kind: str
    of: str
    name: str
    here: str


TABLE = [Row(*found) for found in _ROW.findall(PAGE.read_text(encoding="utf-8"))]


def of_kind(kind: str) -> list[Any]:
    """Give the rows of one kind, named for pytest."""
    return [pytest.param(row, id=f"{row.of}: {row.name}") for row in TABLE if row.kind == kind]


def resolve(dotted: str) -> Any:
    """Find `thirdparty.Order` below the package; `AttributeError` when it is not there."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(("ibkr_async", *parts[:count])))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            found = getattr(found, part)
        return found
    raise AssertionError(dotted)


def wire_name(dotted: str) -> str:
    """Give the wire name of a struct's field."""
    owner, _, field = dotted.rpartition(".")
    names = {row.name: row.encode_name for row in msgspec.structs.fields(resolve(owner))}
    return names[field]


# --- complete ------------------------------------------------------------------------------------


def test_table_lists_every_name_of_the_reference() -> None:
    """Nothing is missing, nothing is made up, nothing is twice."""
    listed = [(row.kind, row.of, row.name) for row in TABLE]

    assert set(listed) == rows()
    assert len(listed) == len(set(listed))


def test_list_of_names_is_that_of_the_reference() -> None:
    """Where the reference is at hand, each of its names is in our list."""
    file = captures_dir().parent / "reference" / "third-party-web-api-v1.txt"
    if not file.is_file():
        pytest.skip("the text of the reference is not here")
    text = file.read_text(encoding="utf-8")
    endpoints = {
        f"{method} {path}"
        for method, path in re.findall(
            r"^(GET|POST|PUT|DELETE) (?:\* )?(/\S+)$", text, re.MULTILINE
        )
    }
    schema_words = {"type", "items", "properties", "accounts"}
    printed = set(re.findall(r'"(\w+)"\s*:\s*\{', text)) - schema_words
    fields = {
        part
        for names in ENDPOINTS.values()
        for name in names.fields.split("|")
        for part in name.split(".")
    }
    codes = dict(re.findall(r"^(\w+)(?: \([\w ]+\))? ?= ?'?(-?\w)'?$", text, re.MULTILINE))
    ours = {name for values in ENUMS.values() for name in re.findall(r"(\w+)=", values)}
    statuses = re.findall(
        r"^(?:Return codes|Unsuccessful Response\nReturn codes) (.+)$", text, re.MULTILINE
    )

    assert endpoints == set(ENDPOINTS)
    assert printed <= fields
    assert set(codes) == ours
    assert sorted(statuses) == sorted(
        ", ".join(names.statuses.split()[1:]) for names in ENDPOINTS.values()
    )
    for names in ENDPOINTS.values():
        for parameter in names.parameters.split("|"):
            assert parameter in text
    for name, code in EXCHANGES.items():
        assert f"{name} = {code}" in text
    for descriptions in WORDED.values():
        assert all(words in text for words in descriptions.values())


# --- true ----------------------------------------------------------------------------------------

ORDER = ThirdPartyOrder(contract_id=1, side="1", quantity=1, order_type="1", customer_order_id="ID")
CALLS: dict[str, Callable[[ThirdPartyClient], Awaitable[Any]]] = {
    "accounts": lambda tp: tp.accounts(),
    "positions": lambda tp: tp.positions("DU1"),
    "summary": lambda tp: tp.summary("DU1"),
    "orders": lambda tp: tp.orders("DU1"),
    "place_order": lambda tp: tp.place_order("DU1", ORDER),
    "order": lambda tp: tp.order("DU1", "ID"),
    "cancel_order": lambda tp: tp.cancel_order("DU1", "ID"),
    "modify_order": lambda tp: tp.modify_order("DU1", ORDER, OrderChange(quantity=2)),
    "order_impact": lambda tp: tp.order_impact("DU1", ORDER),
    "trades": lambda tp: tp.trades("DU1", "2026-11-20"),
    "secdef": lambda tp: tp.secdef(8314),
    "snapshot": lambda tp: tp.snapshot(8314),
    "exchange_components": lambda tp: tp.exchange_components(8314),
}
BY_SYMBOL: dict[str, Callable[[ThirdPartyClient], Awaitable[Any]]] = {
    name: lambda tp, name=name: getattr(tp, name)(  # type: ignore[misc]  # bound now, not at the call
        instrument_type="STK", symbol="IBM", exchange="NYSE", currency="USD"
    )
    for name in ("secdef", "snapshot")
}


@pytest.mark.parametrize("row", of_kind("endpoint"))
async def test_endpoint_is_called_by_its_method(row: Row, bench: Bench) -> None:
    """The method of the table sends exactly the request of the reference."""
    method = resolve(row.here)
    assert callable(method)
    if "/oauth/" in row.name:
        return  # the flow's own tests drive these three
    bench.server.will_answer(401, 401)  # whatever the call makes of it, it was sent

    with pytest.raises(IbkrError):
        await CALLS[method.__name__](bench.client)

    path = row.name.replace("{account}", "DU1").replace("CUST_ORDER_ID", "ID")
    assert bench.server.labels[0] == path
    assert f"Source: {row.name}" in (inspect.getdoc(method) or "")


@pytest.mark.parametrize("row", of_kind("parameter"))
async def test_parameter_exists(row: Row, bench: Bench) -> None:
    """A field has the reference's wire name; an argument ends in the path or query under it."""
    called = re.fullmatch(r"(.+)\((\w+)\)", row.here)
    if called is None:
        owner = resolve(row.here)
        if not callable(owner):
            assert wire_name(row.here) == row.name
        return
    target = resolve(called[1])
    assert called[2] in inspect.signature(target).parameters
    if "{account}" in row.of or "/oauth/" in row.of:
        return
    bench.server.will_answer(400, 400)
    for calls in (CALLS, BY_SYMBOL):
        if target.__name__ in calls:
            with pytest.raises(IbkrError):
                await calls[target.__name__](bench.client)

    sent = {
        name for index in range(len(bench.server.requests)) for name in bench.server.query(index)
    }
    assert row.name in sent


@pytest.mark.parametrize("row", of_kind("field"))
def test_field_has_the_wire_name_of_the_reference(row: Row) -> None:
    """Each response field is a field of the answer's struct."""
    assert wire_name(row.here) == row.name.rpartition(".")[2]


@pytest.mark.parametrize("row", of_kind("status"))
def test_status_has_its_answer_or_error(row: Row) -> None:
    """200 is a struct; every other status is the error of the table of meanings."""
    kind = resolve(row.here)

    if row.name == "200":
        assert issubclass(kind, msgspec.Struct)
    elif "/oauth/" in row.of:
        assert issubclass(kind, IbkrError)
    else:
        assert MEANINGS[int(row.name)].error is kind


@pytest.mark.parametrize("row", of_kind("value"))
def test_value_has_its_member(row: Row) -> None:
    """Each code of the reference is the value of the member that the table names."""
    name, _, code = row.name.rpartition(" = ")
    member = resolve(row.here)

    assert member.value == code
    assert member.is_known
    if row.of == "Exchanges":
        assert EXCHANGE_CODES[name] is member
