"""Measured process: one REST read, ten at a time, through the pipeline or on bare httpx.

`python -m benchmarks.client_rest STYLE PORT COUNT`, where STYLE is `ours` or `bare`. Both make the same
call with the same headers and decode the answer into the same struct. The pacing is set so high that
it never waits; it is there all the same.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from typing import TYPE_CHECKING

import httpx

from benchmarks.machine import pin_client
from ibkr_async.models import base as _base
from ibkr_async.models.accounts import AccountsReply
from ibkr_async.ports import USER_AGENT
from ibkr_async.rest.pacing import Pacer
from ibkr_async.rest.pipeline import RestPipeline
from ibkr_async.rest.request import RestRequest
from ibkr_async.rest.settings import PacingSettings
from ibkr_async.rest.transport import HttpxTransport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_AT_ONCE = 10
_WARM_UP = 100
_UNLIMITED = 10**9
_TOKEN = "OAuth " + "x" * 400
"""As long as a real signature's header; what signing costs is measured by itself."""
_PATH = "/iserver/accounts"


class _Auth:
    """The least that the pipeline needs of a login."""

    needs_login = False
    expires_at = None
    opens_brokerage_session = False

    def __init__(self, port: int) -> None:
        self.base_url = f"http://127.0.0.1:{port}/v1/api"

    def sign(self, *_: object) -> dict[str, str]:
        return {"Authorization": _TOKEN}

    def absorb(self, _reply: object) -> None:
        pass


async def _measure(call: Callable[[], Awaitable[object]], count: int) -> dict[str, float]:
    async def worker(calls: int) -> None:
        for _ in range(calls):
            await call()

    await asyncio.gather(*[worker(_WARM_UP // _AT_ONCE) for _ in range(_AT_ONCE)])
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*[worker(count // _AT_ONCE) for _ in range(_AT_ONCE)])
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu_us": cpu / count * 1e6, "per_s": count / wall}


async def run(style: str, port: int, count: int) -> dict[str, float]:
    """Measure once."""
    auth = _Auth(port)
    if style == "ours":
        pacer = Pacer((), PacingSettings(per_second=_UNLIMITED))
        context = ssl.create_default_context()
        pipeline = RestPipeline(auth, HttpxTransport(context), pacer=pacer)  # type: ignore[arg-type]  # what is used of it
        request = RestRequest[AccountsReply](
            method="GET", path=_PATH, result=AccountsReply, replayable=True
        )
        numbers = await _measure(lambda: pipeline.send(request), count)
        await pipeline.aclose()
        return numbers
    headers = {"user-agent": USER_AGENT, "accept": "application/json", "Authorization": _TOKEN}
    async with httpx.AsyncClient(trust_env=False) as client:

        async def call() -> object:
            response = await client.get(auth.base_url + _PATH, headers=headers)
            return _base.decode(AccountsReply, response.content)

        return await _measure(call, count)


def main() -> None:
    """Print the numbers as one line of JSON."""
    pin_client()
    print(json.dumps(asyncio.run(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))


if __name__ == "__main__":
    main()
