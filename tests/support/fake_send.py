"""A REST pipeline whose answers are written down beforehand. The real decoding is used."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from ibkr_async.models.base import encode
from ibkr_async.ports import HttpReply
from ibkr_async.rest.decode import decode_reply
from ibkr_async.rest.request import RestRequest, T

SAMPLES = Path(__file__).parents[1] / "samples" / "orders"


def sample(name: str) -> bytes:
    """Read one payload of `tests/samples/orders`; `accepted#2` is that of a second order."""
    name, _, number = name.partition("#")
    text = (SAMPLES / f"{name}.json").read_bytes()
    if number:
        text = text.replace(b"987654", f"98765{number}".encode())
        text = text.replace(b"5a6f2f1d0a", f"5a6f2f1d{number}0".encode())
    return text


class Answer:
    """One scripted answer: a status and a body, or an exception; `hold` waits for a release."""

    def __init__(
        self, body: bytes | BaseException = b"{}", status: int = 200, *, hold: bool = False
    ) -> None:
        self.body = body
        self.status = status
        self.reached = asyncio.Event()
        self.released = asyncio.Event()
        if not hold:
            self.released.set()


class FakeSend:
    """Plays a script of answers in order and records every request.

    A name is a sample; an exception is raised; bytes are a body with status 200. Permission is
    asked as the pipeline does.
    """

    def __init__(self, *script: str | bytes | BaseException | Answer) -> None:
        self.requests: list[RestRequest[Any]] = []
        self.under_way = 0
        self.most_under_way = 0
        self.script = [self._answer(entry) for entry in script]

    async def __call__(self, request: RestRequest[T]) -> T:
        if request.permit is not None:
            request.permit()
        self.requests.append(request)
        assert self.script, f"the script has no answer to {request.label}"
        answer = self.script.pop(0)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            answer.reached.set()
            await asyncio.sleep(0)
            await answer.released.wait()
        finally:
            self.under_way -= 1
        if isinstance(answer.body, BaseException):
            raise answer.body
        return decode_reply(
            request, HttpReply(status=answer.status, headers={}, content=answer.body)
        )

    @property
    def labels(self) -> list[str]:
        """Method and path of each request, with the decision of a reply."""
        return [
            f"{request.label} {str(request.body.confirmed).lower()}"
            if "/reply/" in request.path
            else request.label
            for request in self.requests
        ]

    @property
    def is_finished(self) -> bool:
        """True when every scripted answer was asked for."""
        return not self.script

    def body(self, index: int = 0) -> Any:
        """Body of one request as it goes out."""
        return msgspec.json.decode(encode(self.requests[index].body))

    @staticmethod
    def _answer(entry: str | bytes | BaseException | Answer) -> Answer:
        if isinstance(entry, Answer):
            return entry
        return Answer(sample(entry) if isinstance(entry, str) else entry)
