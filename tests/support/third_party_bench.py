"""A third-party client over the real pipeline, whose transport answers from a script."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import anyio.lowlevel
import msgspec

from ibkr_async.errors import IbkrError
from ibkr_async.ports import HttpReply, HttpRequest, Method, Pairs, Send, SocketTarget
from ibkr_async.thirdparty import THIRD_PARTY_URL, ThirdPartyClient
from support.fake_time import FakeTime, fake_world

SAMPLES = Path(__file__).parents[1] / "samples" / "thirdparty"
NOW = 1_795_200_000.0
"""2026-11-20 18:40:00 UTC."""

Answer = str | bytes | int | HttpReply | IbkrError


def sample(name: str) -> bytes:
    """Read a sample answer."""
    return (SAMPLES / f"{name}.json").read_bytes()


class ScriptedAuth:
    """Credentials that sign nothing, and remember what they were asked to sign."""

    base_url = THIRD_PARTY_URL
    expires_at = None
    opens_brokerage_session = True

    def __init__(self) -> None:
        self.needs_login = True
        self.logins = 0
        self.signed_forms: list[Pairs] = []

    async def login(self, send: Send) -> None:
        self.logins += 1
        self.needs_login = False

    def forget(self) -> None:
        self.needs_login = True

    def absorb(self, reply: HttpReply) -> None: ...

    def ssl_context(self) -> ssl.SSLContext:
        raise NotImplementedError

    def sign(self, method: Method, url: str, query: Pairs, form: Pairs) -> Mapping[str, str]:
        self.signed_forms.append(form)
        return {"Authorization": "OAuth"}

    def socket(self, session: str) -> SocketTarget:
        raise NotImplementedError


class ScriptedServer:
    """Answers in order: a sample's name, a body, a status alone, a whole reply, or an error."""

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []
        self.closed = False
        self._script: list[Answer] = []

    def will_answer(self, *answers: Answer) -> None:
        """Queue answers."""
        self._script += answers

    async def send(self, request: HttpRequest) -> HttpReply:
        self.requests.append(request)
        await anyio.lowlevel.checkpoint()
        assert self._script, f"the script has no answer to {request.label}"
        answer = self._script.pop(0)
        if isinstance(answer, IbkrError):
            raise answer
        if isinstance(answer, HttpReply):
            return answer
        if isinstance(answer, int):
            return HttpReply(status=answer, headers={}, content=b"")
        content = answer if isinstance(answer, bytes) else sample(answer)
        return HttpReply(status=200, headers={}, content=content)

    async def aclose(self) -> None:
        self.closed = True

    @property
    def labels(self) -> list[str]:
        """Method and path of each request."""
        return [request.label for request in self.requests]

    def body(self, index: int = -1) -> Any:
        """JSON body of one request."""
        return msgspec.json.decode(self.requests[index].content)

    def query(self, index: int = -1) -> dict[str, str]:
        """Query of one request."""
        return dict(parse_qsl(urlsplit(self.requests[index].url).query))


class Bench:
    """The parts of one test."""

    def __init__(self, **options: Any) -> None:
        self.server = ScriptedServer()
        self.auth = ScriptedAuth()
        self.time = FakeTime(NOW)
        self.slept = self.time.slept
        self.client = ThirdPartyClient(
            self.auth, transport=self.server, world=fake_world(self.time), **options
        )
