"""Two steps, a pace, and a token that nobody sees."""

from __future__ import annotations

import logging
from collections import deque
from datetime import date
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import respx

from ibkr_async.errors import (
    ConnectionBrokenError,
    NotReadyError,
    RefusedError,
    ServerError,
    UnreadableResponseError,
    UsageError,
)
from ibkr_async.flex import FLEX_URL, FlexClient, FlexTicket
from ibkr_async.flex.client import next_slot
from support.fake_time import FakeTime, fake_world
from support.third_party_bench import ScriptedServer

TOKEN = "123456789012345678901"
REPORT = b'<FlexQueryResponse queryName="Mine" type="AF"><FlexStatements/></FlexQueryResponse>'


def accepted(url: str = "https://gdcdyn.interactivebrokers.com/x/GetStatement") -> bytes:
    """Write IBKR's answer to a request for a report."""
    return (
        "<FlexStatementResponse timestamp='28 November, 2026'><Status>Success</Status>"
        f"<ReferenceCode>777</ReferenceCode><Url>{url}</Url></FlexStatementResponse>"
    ).encode()


def refused(code: object, text: str = "no") -> bytes:
    """Write a refusal, or a "later"."""
    return (
        f"<FlexStatementResponse><Status>Fail</Status><ErrorCode>{code}</ErrorCode>"
        f"<ErrorMessage>{text}</ErrorMessage></FlexStatementResponse>"
    ).encode()


class Bench:
    """A client whose server answers from a script, in a time of its own."""

    def __init__(self, *answers: Any) -> None:
        self.time = FakeTime()
        self.server = ScriptedServer()
        self.server.will_answer(*answers)
        self.flex = FlexClient(TOKEN, transport=self.server, world=fake_world(self.time))

    @property
    def asked(self) -> list[tuple[str, dict[str, str]]]:
        """Address and query of each request, the token apart."""
        parts = [urlsplit(request.url) for request in self.server.requests]
        queries = [dict(parse_qsl(part.query)) for part in parts]
        assert all(query.pop("t") == TOKEN for query in queries)
        return [
            (f"{part.scheme}://{part.netloc}{part.path}", query)
            for part, query in zip(parts, queries, strict=True)
        ]


async def test_report_is_asked_for_and_fetched() -> None:
    """Where IBKR says, with the reference code; a report that is being made is waited for."""
    bench = Bench(accepted(), refused(1019), refused(1001), REPORT)

    report = await bench.flex.report(4711)

    assert report.query_name == "Mine"
    assert bench.asked == [
        (f"{FLEX_URL}/SendRequest", {"q": "4711", "v": "3"}),
        *[("https://gdcdyn.interactivebrokers.com/x/GetStatement", {"q": "777", "v": "3"})] * 3,
    ]
    assert all(request.headers["User-Agent"] for request in bench.server.requests)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://gdcdyn.interactivebrokers.com/GetStatement",
        "https://interactivebrokers.com.evil.example/GetStatement",
        "https://evilinteractivebrokers.com/GetStatement",
        "file:///etc/passwd",
        "https://[",
    ],
)
async def test_token_goes_to_nobody_else(url: str) -> None:
    """An address that is not IBKR's is not used."""
    bench = Bench(accepted(url), REPORT)

    await bench.flex.report(4711)

    assert bench.asked[1][0] == f"{FLEX_URL}/GetStatement"


@pytest.mark.parametrize(
    ("period", "sent"),
    [
        ({}, {}),
        ({"days": 7}, {"p": "7"}),
        (
            {"since": date(2026, 11, 1), "until": date(2026, 11, 3)},
            {"fd": "20261101", "td": "20261103"},
        ),
    ],
)
async def test_period_is_sent(period: dict[str, Any], sent: dict[str, str]) -> None:
    """The query's own, the last days, or between two days."""
    bench = Bench(accepted())

    await bench.flex.request("4711", **period)

    assert bench.asked[0][1] == {"q": "4711", "v": "3", **sent}


@pytest.mark.parametrize(
    "period",
    [
        {"since": date(2026, 11, 1)},
        {"until": date(2026, 11, 1)},
        {"since": date(2026, 11, 1), "until": date(2026, 11, 3), "days": 1},
        {"days": 0},
        {"days": 366},
        {"since": "20261101", "until": "20261103"},
    ],
)
async def test_odd_period_is_refused(period: dict[str, Any]) -> None:
    """Before anything is sent."""
    bench = Bench()

    with pytest.raises(
        UsageError, match=r"since and until together|IBKR gives 1 to 365|is no date"
    ):
        await bench.flex.request("4711", **period)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (1012, "make a new one"),
        (1014, "the query id is wrong"),
        (1003, "will not help"),
        ("?", "will not help"),
    ],
)
async def test_final_refusal_is_said_with_what_cures_it(code: object, advice: str) -> None:
    """It is not asked again."""
    bench = Bench(refused(code, "IBKR's words"))

    with pytest.raises(RefusedError, match=advice) as caught:
        await bench.flex.report(4711)

    assert "IBKR's words" in str(caught.value)
    assert len(bench.asked) == 1


async def test_report_that_is_never_made_ends_the_patience() -> None:
    """The ticket is good for another try."""
    bench = Bench(accepted(), *[refused(1019)] * 50)
    ticket = await bench.flex.request(4711)
    began = bench.time.at

    with pytest.raises(NotReadyError, match="1019"):
        await bench.flex.statement(ticket, patience_s=100.0)

    assert 60 <= bench.time.at - began <= 100
    bench.server.will_answer(REPORT)


async def test_answer_without_a_reference_is_refused() -> None:
    """Success of nothing."""
    empty = b"<FlexStatementResponse><Status>Success</Status></FlexStatementResponse>"

    with pytest.raises(RefusedError, match="no reference code"):
        await Bench(empty).flex.request(4711)


@pytest.mark.parametrize(
    "answer", [b"<FlexStatementResponse", b"<!DOCTYPE a><FlexStatementResponse/>"]
)
async def test_unreadable_answer_is_said(answer: bytes) -> None:
    """Cut, or with a document type."""
    with pytest.raises(UnreadableResponseError, match="Flex"):
        await Bench(answer).flex.request(4711)


async def test_page_of_something_else_is_no_ticket() -> None:
    """Such as a proxy's."""
    with pytest.raises(RefusedError, match="no reference code"):
        await Bench(b"<html/>").flex.request(4711)


async def test_pace_is_kept() -> None:
    """One a second and ten a minute."""
    bench = Bench(*[accepted()] * 25)
    times = []
    for _ in range(25):
        await bench.flex.request(4711)
        times.append(bench.time.at)

    assert all(later - sooner >= 1.0 for sooner, later in pairwise(times))
    assert all(times[n + 10] - times[n] >= 60.0 for n in range(15))
    assert times[9] - times[0] == pytest.approx(9.0)


def test_first_request_waits_for_nothing() -> None:
    """Nor does one after a pause."""
    assert next_slot(deque(), 5.0) == 5.0
    assert next_slot(deque([1.0]), 5.0) == 5.0


@respx.mock
async def test_token_is_in_no_log_error_or_repr(caplog: pytest.LogCaptureFixture) -> None:
    """The real transport, with everything that the libraries below write."""
    caplog.set_level(logging.DEBUG)
    respx.get(url__startswith=FLEX_URL).mock(
        side_effect=[httpx.Response(500), httpx.ReadError("broken")]
    )
    async with FlexClient(f" {TOKEN} ") as flex:
        with pytest.raises(ServerError) as down:
            await flex.request(4711)
        with pytest.raises(ConnectionBrokenError) as broken:
            await flex.request(4711)
        shown = [repr(flex), *(f"{caught.value!r} {caught.value}" for caught in (down, broken))]

    assert "FlexWebService/SendRequest?***" in caplog.text
    assert TOKEN not in caplog.text
    assert not any(TOKEN in text for text in shown)


@pytest.mark.parametrize("token", [" ", None, b"1"])
def test_token_that_is_none_is_refused(token: Any) -> None:
    """With the place where there is one."""
    with pytest.raises(UsageError, match="Client Portal"):
        FlexClient(token)


def test_token_is_not_sent_in_the_open() -> None:
    """Whatever stands in for IBKR has a certificate too."""
    with pytest.raises(UsageError, match="over TLS only"):
        FlexClient(TOKEN, base_url="http://127.0.0.1:5000")


async def test_odd_query_is_refused_before_anything_is_sent() -> None:
    """As any plain argument."""
    bench = Bench()

    with pytest.raises(UsageError, match="query_id"):
        await bench.flex.report(None)  # type: ignore[arg-type]  # that is the point
    assert bench.asked == []


async def test_token_goes_to_nobody_whom_a_ticket_names() -> None:
    """A ticket may have been stored, and changed."""
    bench = Bench(REPORT)

    await bench.flex.statement(FlexTicket("777", "https://evil.example/GetStatement"))

    assert bench.asked[0][0] == f"{FLEX_URL}/GetStatement"


async def test_code_of_any_length_is_a_refusal() -> None:
    """A number of 5,000 digits is no number to Python."""
    with pytest.raises(RefusedError, match="will not help"):
        await Bench(refused("9" * 5_000)).flex.request(4711)
