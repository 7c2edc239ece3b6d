from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ibkr_async.errors import UsageError
from ibkr_async.rest.door import open_request
from ibkr_async.rest.request import RestRequest, Urgency


def open_it(method: str, path: str, **more: Any) -> RestRequest[Any]:
    """Build the request of a raw call."""
    options: dict[str, Any] = {"query": None, "body": None, "result": Any, "replayable": False}
    return open_request(method, path, **(options | more))


def test_call_becomes_a_request() -> None:
    """What was said is kept; the pacing key is the path."""
    request = open_it(
        "POST", "/pa/performance", query={"a": "b c"}, body={"acctIds": ["DU1"]}, replayable=True
    )

    assert request == RestRequest[Any](
        method="POST",
        path="/pa/performance",
        query=(("a", "b c"),),
        body={"acctIds": ["DU1"]},
        result=Any,
        replayable=True,
    )
    assert request.urgency is Urgency.READ


def test_query_values_are_written_as_text() -> None:
    """Numbers without an exponent, booleans in small letters, None not at all; names may repeat."""
    mapping = open_it(
        "GET", "/x", query={"a": True, "b": 1, "c": Decimal("1E+3"), "d": 0.1, "e": None, "f": ""}
    )
    listed = open_it("GET", "/x", query=[("a", 1), ("a", 2)])

    assert mapping.query == (
        ("a", "true"), ("b", "1"), ("c", "1000"), ("d", "0.1"), ("f", "")
    )  # fmt: skip
    assert listed.query == (("a", "1"), ("a", "2"))


@pytest.mark.parametrize("value", [[1], b"x", float("nan"), object()])
def test_query_value_that_is_no_text_is_refused(value: Any) -> None:
    """The parameter is named."""
    with pytest.raises(UsageError, match="query parameter a="):
        open_it("GET", "/x", query={"a": value})


@pytest.mark.parametrize(
    "path",
    [
        "/iserver/accounts",
        "/gw/api/v1/bank-instructions:bulk",
        "/gw/api/v1/accounts/U1/status",
        "/oauth2/api/v1/token",
        "/iserver/account/DU%201/alerts",
        "/fyi/settings/M8",
        "/@evil.example",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_path_passes_as_it_is(method: str, path: str) -> None:
    """Nothing is rewritten."""
    assert open_it(method, path).label == f"{method} {path}"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "iserver/accounts",
        "https://evil.example/iserver/accounts",
        "//evil.example/x",
        "/a//b",
        "/a/",
        "/a/../b",
        "/a/./b",
        "/a/%2e%2e/b",
        "/a/%252e%252e/b",
        "/a/..;x/b",
        "/a%2fb",
        "/a%5Cb",
        "/a\\b",
        "/a b",
        "/a%00b",
        "/a%0d%0ab",
        "/a\nb",
        "/a%",
        "/a%zz",
        "/ä",
        "/{account_id}",
        "/x?a=1",
        "/x#a",
        "/v1/api/iserver/accounts",
    ],
)
def test_odd_path_is_refused(path: str) -> None:
    """Another host, another endpoint than it seems, or a query: the message says what to write."""
    with pytest.raises(UsageError, match="is not a path: "):
        open_it("GET", path)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        "/iserver/account/DU1/orders",
        "/iserver/account/DU1/order",
        "/iserver/account/DU1/order/7",
        "/iserver/account/orders",
        "/iserver/reply/abc",
        "/iserver/notification",
        "/iserver/questions/suppress",
        "/iserver/questions/suppress/reset",
        "/iserver/account/DU1/ORDERS",
        "/iserver/account/DU1/%6frders",
        "/iserver/account/DU1/%256frders",
        "/iserver/account/DU1/orders;a=b",
        "/iserver/account/DU1/orders%20",
        "/iserver/account/DU1/orders:bulk",
        "/iserver/account/DU1/orders/7",
        "/gw/api/v1/orders",
        "/iserver/exercise",
    ],
)
def test_what_can_change_an_order_is_refused(method: str, path: str) -> None:
    """Guards, journal and the question dialogue are in `ib.orders`."""
    with pytest.raises(UsageError, match=r"use ib\.orders"):
        open_it(method, path)


def test_orders_may_be_read_and_previewed() -> None:
    """Neither changes anything."""
    assert open_it("GET", "/iserver/account/orders").method == "GET"
    assert open_it("POST", "/iserver/account/DU1/orders/whatif", body={}).method == "POST"


@pytest.mark.parametrize("method", ["get", "HEAD", "TRACE", ""])
def test_unknown_method_is_refused(method: str) -> None:
    """The message lists what there is."""
    with pytest.raises(UsageError, match="not one of GET, POST"):
        open_it(method, "/x")


def test_read_with_a_body_is_refused() -> None:
    """It would not be sent."""
    with pytest.raises(UsageError, match="use query="):
        open_it("GET", "/x", body={})


@pytest.mark.parametrize(
    "name",
    [
        "bank-instructions", "bank-instructions:bulk",
        "external-asset-transfers", "external-asset-transfers:bulk",
        "external-cash-transfers", "external-cash-transfers:bulk",
        "internal-asset-transfers", "internal-asset-transfers:bulk",
        "internal-cash-transfers:bulk", "instructions/cancel:bulk", "instructions/query",
    ],
)  # fmt: skip
def test_202_is_success_of_what_is_only_taken(name: str) -> None:
    """Money could be sent twice if "accepted" were read as "ask again"."""
    assert open_it("POST", f"/gw/api/v1/{name}").success == {202}


def test_202_is_success_elsewhere_only_when_the_caller_says_so() -> None:
    """For everything else IBKR documents it as "nothing to return yet"."""
    assert open_it("GET", "/trsrv/secdef").success == frozenset()
    assert open_it("GET", "/gw/api/v1/bank-instructions").success == frozenset()
    assert open_it("POST", "/gw/api/v2/new", success=(202,)).success == {202}
