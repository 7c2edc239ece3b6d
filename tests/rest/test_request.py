from __future__ import annotations

import pytest

from ibkr_async.errors import UsageError
from ibkr_async.ports import HttpReply, HttpRequest
from ibkr_async.rest.request import RestRequest


def order_path(account: str) -> RestRequest[None]:
    """Build a request with one path parameter."""
    return RestRequest(
        method="POST",
        path="/iserver/account/{account_id}/orders",
        path_params={"account_id": account},
        result=None,
    )


@pytest.mark.parametrize(
    ("account", "segment"),
    [
        ("DU1", "DU1"),
        ("../x", "..%2Fx"),
        ("//evil.example", "%2F%2Fevil.example"),
        ("a@evil", "a%40evil"),
        ("a\r\nHost: evil", "a%0D%0AHost%3A%20evil"),
        ("ü?x#y", "%C3%BC%3Fx%23y"),
        ("100%", "100%25"),
        ("{account_id}", "%7Baccount_id%7D"),
    ],
)
def test_path_parameter_stays_one_segment(account: str, segment: str) -> None:
    """Nothing in a parameter can change the path, the host or the headers."""
    request = order_path(account)

    assert request.expanded_path == f"/iserver/account/{segment}/orders"
    assert request.label == f"POST /iserver/account/{segment}/orders"


@pytest.mark.parametrize("account", ["", ".", ".."])
def test_path_parameter_that_would_name_another_endpoint_is_refused(account: str) -> None:
    """Dot segments are resolved by every HTTP library, so encoding cannot save them."""
    with pytest.raises(UsageError, match="account_id cannot be"):
        _ = order_path(account).expanded_path


def test_path_without_parameters_is_taken_as_it_is() -> None:
    """The template is the path."""
    request: RestRequest[None] = RestRequest(method="GET", path="/iserver/accounts", result=None)

    assert request.expanded_path == "/iserver/accounts"


def test_reprs_of_what_crosses_the_seam_show_no_header_and_no_body() -> None:
    """A traceback with locals must not show a signature or a session."""
    request = HttpRequest(
        method="GET",
        url="https://example.test/v1/api/x",
        headers={"authorization": "canary"},
        content=b"canary",
        timeout_s=1.0,
        label="GET /x",
    )
    reply = HttpReply(status=200, headers={"set-cookie": "canary"}, content=b"canary")

    assert repr(request) == "HttpRequest('GET /x', 6 bytes)"
    assert repr(reply) == "HttpReply(200, 6 bytes)"
