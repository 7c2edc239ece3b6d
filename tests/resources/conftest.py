"""A stand-in for the REST pipeline: remembers each request and answers with sample bytes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ibkr_async.models.base import decode
from ibkr_async.rest.request import Urgency

if TYPE_CHECKING:
    from ibkr_async.resources.base import ChooseAccount
    from ibkr_async.rest.request import RestRequest, T

SAMPLES = Path(__file__).parents[1] / "samples" / "rest"

Answer = str | bytes | Exception


class FakeSend:
    """Answers by path template; the last answer of a path repeats."""

    def __init__(self) -> None:
        self.requests: list[RestRequest[Any]] = []
        self._answers: dict[str, list[Answer]] = {}

    def will_answer(self, path: str, *answers: Answer) -> None:
        """Queue answers for a path template: sample names, JSON bytes, or errors to raise."""
        self._answers[path] = list(answers)

    async def __call__(self, request: RestRequest[T]) -> T:
        # Only orders, cancels and what keeps the session alive have shares of their own.
        expected = Urgency.CANCEL if request.path == "/tickle" else Urgency.READ
        assert request.urgency is expected
        self.requests.append(request)
        # A real request lets other tasks run; what must not overlap shows here.
        await asyncio.sleep(0)
        queue = self._answers[request.path]
        answer = queue.pop(0) if len(queue) > 1 else queue[0]
        if isinstance(answer, Exception):
            raise answer
        content = answer if isinstance(answer, bytes) else sample(answer)
        decoded: T = decode(request.result, content)
        return decoded

    @property
    def sent(self) -> list[str]:
        """Method and expanded path of each request, in order."""
        return [request.label for request in self.requests]

    @property
    def last(self) -> RestRequest[Any]:
        """The latest request."""
        return self.requests[-1]


def sample(name: str) -> bytes:
    """Read a sample answer."""
    return (SAMPLES / f"{name}.json").read_bytes()


@pytest.fixture
def only_account() -> ChooseAccount:
    """Choose accounts as a session does that has a single one."""
    return lambda named: named or "DU7000001"


@pytest.fixture
def send() -> FakeSend:
    """A fresh stand-in for the pipeline."""
    return FakeSend()
