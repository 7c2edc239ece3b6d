"""Ask for reports of the Flex Web Service, and wait until they are made.

Responsible for the two steps, their pace and their errors. The token is a secret that travels in the
query: it must never get into a message, a log line or a `repr`, nor to another company's host.
"""

from __future__ import annotations

from collections import deque
from datetime import date
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlencode, urlsplit

import anyio

from ibkr_async._arguments import checked
from ibkr_async.auth import Secret, Trust
from ibkr_async.backoff import capped
from ibkr_async.errors import NotReadyError, RefusedError, ServerError, UsageError
from ibkr_async.flex.report import FlexReport, read_answer
from ibkr_async.ports import USER_AGENT, HttpRequest
from ibkr_async.rest.settings import ConnectionSettings
from ibkr_async.rest.transport import HttpxTransport, hide_queries
from ibkr_async.world import World

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from ibkr_async.auth.keys import KeySource
    from ibkr_async.ports import Transport

FLEX_URL: Final = "https://ndcdyn.interactivebrokers.com/AccountManagement/FlexWebService"
"""Root of the service, without a trailing slash."""

_MOST_BYTES: Final = 1 << 30
_TIMEOUT_S: Final = 120.0
_A_MINUTE: Final = (10, 60.0)
"""So many requests in so many seconds, for each token."""
_SPACING_S: Final = 1.0
_FIRST_LOOK_S: Final = 2.0
_LONGEST_PAUSE_S: Final = 30.0
_LATER: Final = frozenset(
    {"1001", "1004", "1005", "1006", "1007", "1008", "1009", "1018", "1019", "1021"}
)
"""Codes that mean: the same request may succeed later."""
_MOST_DAYS: Final = 365
_ADVICE: Final = {
    "1010": "the query is of an old kind; make a new one in Client Portal",
    "1011": "switch the Flex Web Service on in Client Portal",
    "1012": "the token has expired; make a new one in Client Portal",
    "1013": "the token is tied to another address; see Client Portal",
    "1014": "the query id is wrong; Client Portal shows it beside the query's name",
    "1015": "the token is wrong; a new one ends the old",
    "1017": "ask for the report again",
}


class FlexTicket(NamedTuple):
    """A report that is being made."""

    reference_code: str
    """IBKR's name of it."""
    url: str
    """Where it is fetched."""


@checked
class FlexClient:
    """Reports of one's own account: `async with FlexClient(token) as flex: await flex.report("123456")`.

    The token and the query are made in Client Portal; the token is valid for six hours up to a year,
    and a new one ends the old. No brokerage session is needed, and none is disturbed. `ca` is the one
    certificate to trust where `base_url` is a stand-in for IBKR.
    Errors of every call: `RefusedError` with IBKR's code and what cures it; `TransportError`.
    Pacing: one request a second and ten a minute for each token; calls wait for that.
    """

    def __init__(
        self,
        token: str,
        *,
        base_url: str = FLEX_URL,
        ca: KeySource | None = None,
        transport: Transport | None = None,
        world: World | None = None,
    ) -> None:
        if not base_url.startswith("https://"):
            raise UsageError(f"base_url={base_url!r}: the token travels over TLS only, as https://")
        self._token = Secret(_check_token(token))
        self._base_url = base_url.rstrip("/")
        self._world = world or World()
        self._transport = transport or HttpxTransport(
            Trust(ca, may_skip_host_name=False).context,
            ConnectionSettings(max_body_bytes=_MOST_BYTES),
            world=self._world,
        )
        self._sent: deque[float] = deque(maxlen=_A_MINUTE[0])
        self._turn = anyio.Lock()
        hide_queries()

    def __repr__(self) -> str:
        return f"FlexClient(***, base_url={self._base_url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections. Idempotent."""
        await self._transport.aclose()

    async def report(
        self,
        query_id: str | int,
        *,
        since: date | None = None,
        until: date | None = None,
        days: int | None = None,
        patience_s: float = 600.0,
    ) -> FlexReport:
        """Have a report made, wait for it, and return it.

        The period is the query's own, or `since` and `until` together, or the last `days` (at most 365).
        Other periods than the query's are reliable for confirmations; for activity IBKR was seen to
        hang.
        Errors: `NotReadyError` when it is not made within `patience_s`.
        Source: GET /FlexWebService/SendRequest and GET /FlexWebService/GetStatement.
        """
        deadline = self._world.clock.monotonic() + patience_s
        ticket = await self.request(
            query_id, since=since, until=until, days=days, patience_s=patience_s
        )
        await self._world.clock.sleep(_FIRST_LOOK_S)
        return await self.statement(
            ticket, patience_s=max(0.0, deadline - self._world.clock.monotonic())
        )

    async def request(
        self,
        query_id: str | int,
        *,
        since: date | None = None,
        until: date | None = None,
        days: int | None = None,
        patience_s: float = 60.0,
    ) -> FlexTicket:
        """Have a report made, and return with what it is fetched.

        Errors: `UsageError` for half a period; `NotReadyError` while IBKR makes too many.
        Source: GET /FlexWebService/SendRequest, "Flex Web Service".
        """
        query = {"q": str(query_id), **_period(since, until, days)}
        url = f"{self._base_url}/SendRequest"
        said = read_answer(await self._get(url, query, "Flex SendRequest", patience_s))
        code = said.get("ReferenceCode", "")
        if not code:
            raise RefusedError("Flex SendRequest", HTTPStatus.OK, "it names no reference code")
        return FlexTicket(code, self._trusted(said.get("Url", "")))

    async def statement(self, ticket: FlexTicket, *, patience_s: float = 600.0) -> FlexReport:
        """Fetch a report, asking again until it is made.

        Errors: `NotReadyError` when it is not made within `patience_s`: ask again with the same ticket;
        `UnreadableResponseError` when it is no report.
        Source: GET /FlexWebService/GetStatement, "Flex Web Service".
        """
        query = {"q": ticket.reference_code}
        return FlexReport(
            await self._get(self._trusted(ticket.url), query, "Flex GetStatement", patience_s)
        )

    def _trusted(self, url: str) -> str:
        """Return the address for fetching: IBKR's own choice only where that is IBKR too."""
        try:
            parts = urlsplit(url)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme == "https" and (parts.hostname or "").endswith(".interactivebrokers.com"):
            return f"https://{parts.hostname}{parts.path}"
        return f"{self._base_url}/GetStatement"

    async def _get(self, url: str, query: dict[str, str], label: str, patience_s: float) -> bytes:
        """Ask until the answer is not "later". Errors: `RefusedError`, `NotReadyError`."""
        clock = self._world.clock
        deadline = clock.monotonic() + patience_s
        attempt = 0
        while True:
            content = await self._get_once(url, query, label)
            said = read_answer(content) if b"<FlexStatementResponse" in content[:500] else {}
            if not said or said.get("Status") == "Success":
                return content
            code = said.get("ErrorCode", "")
            detail = f"{code} {said.get('ErrorMessage', '')}".strip()
            if code not in _LATER:
                raise RefusedError(label, HTTPStatus.OK, detail, advice=_ADVICE.get(code, ""))
            pause_s = capped(_FIRST_LOOK_S, attempt, _LONGEST_PAUSE_S)
            if clock.monotonic() + pause_s > deadline:
                raise NotReadyError(label, HTTPStatus.OK, detail)
            await clock.sleep(pause_s)
            attempt += 1

    async def _get_once(self, url: str, query: dict[str, str], label: str) -> bytes:
        async with self._turn:
            clock = self._world.clock
            now = clock.monotonic()
            if (wait_s := next_slot(self._sent, now) - now) > 0:
                await clock.sleep(wait_s)
            self._sent.append(clock.monotonic())
        reply = await self._transport.send(
            HttpRequest(
                method="GET",
                url=f"{url}?{urlencode({'t': self._token.reveal(), **query, 'v': '3'})}",
                headers={"User-Agent": USER_AGENT},
                content=b"",
                timeout_s=_TIMEOUT_S,
                label=label,
            )
        )
        if reply.status != HTTPStatus.OK:
            raise ServerError(label, reply.status, "the service is not available")
        return reply.content


def next_slot(sent: deque[float], now: float) -> float:
    """Return when the next request may leave, given when the last ten did."""
    if not sent:
        return now
    most, window_s = _A_MINUTE
    after_all = sent[0] + window_s if len(sent) == most else now
    return max(now, sent[-1] + _SPACING_S, after_all)


def _period(since: date | None, until: date | None, days: int | None) -> dict[str, str]:
    for day in (since, until):
        if day is not None and not isinstance(day, date):
            raise UsageError(f"{day!r:.80} is no date")
    if (since is None) != (until is None) or (days is not None and since is not None):
        raise UsageError(
            "name since and until together, or days, or nothing for the query's period"
        )
    if since is not None and until is not None:
        return {"fd": f"{since:%Y%m%d}", "td": f"{until:%Y%m%d}"}
    if days is None:
        return {}
    if not 1 <= days <= _MOST_DAYS:
        raise UsageError(f"days={days!r}: IBKR gives 1 to {_MOST_DAYS}")
    return {"p": str(days)}


def _check_token(token: Any) -> str:
    if not isinstance(token, str) or not token.strip():
        raise UsageError("the token is empty; make one in Client Portal, under Flex Web Service")
    return token.strip()
