"""Measured process: what a user waits for, against the simulator on the other core.

`python -m benchmarks.client_simulator STYLE WHERE COUNT`, where WHERE is what `serve_simulator` printed
and STYLE is

* `orders`: from `submit` to the accepted order, through one question, and in turn with it the same
  order and reply as two posts on bare httpx;
* `connect`: from a new client to its first tick, and from the subscription to it.

Orders are half a second apart, so that our own pacing is not what is measured.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import statistics
import sys
import time
from typing import Any

import httpx

from benchmarks.machine import pin_client
from ibkr_async import Answers, Client, Gateway, LimitOrder, Side

_CONID = 265598
_PAUSE_S = 0.5
_ACCOUNT = "DU1234567"
_FAR_PRICE = "100.00"
"""So far from the market that the simulator asks o163."""


async def _orders(where: dict[str, str], count: int) -> dict[str, float]:
    ours, bare = [], []
    context = ssl.create_default_context(cafile=where["ca"])
    async with (
        Client(Gateway(where["base_url"], ca=where["ca"])) as ib,
        httpx.AsyncClient(verify=context, trust_env=False) as client,
    ):
        for number in range(2 * count + 2):
            await asyncio.sleep(_PAUSE_S)
            began = time.perf_counter()
            if number % 2:
                order = LimitOrder(_CONID, Side.BUY, 1, _FAR_PRICE)
                await ib.orders.submit(order, answers=Answers.allow("o163"))
            else:
                await _post_twice(client, where["base_url"], f"bare-{time.time_ns()}")
            (ours if number % 2 else bare).append(time.perf_counter() - began)
    settled = [sorted(1e3 * wait for wait in waits[1:]) for waits in (ours, bare)]
    ours_ms, bare_ms = map(statistics.median, settled)
    slow_ms, slow_bare_ms = (waits[int(0.9 * len(waits))] for waits in settled)
    return {
        "ours_ms": ours_ms,
        "bare_ms": bare_ms,
        "ratio": ours_ms / bare_ms,
        "ours_p90_ms": slow_ms,
        "bare_p90_ms": slow_bare_ms,
    }


async def _post_twice(client: httpx.AsyncClient, base_url: str, coid: str) -> None:
    async def post(path: str, body: Any) -> Any:
        response = await client.post(base_url + path, json=body)
        return response.raise_for_status().json()

    ticket = {
        "conid": _CONID,
        "side": "BUY",
        "quantity": 1,
        "orderType": "LMT",
        "tif": "DAY",
        "price": float(_FAR_PRICE),
        "cOID": coid,
    }  # fmt: skip - a ticket
    [question] = await post(f"/iserver/account/{_ACCOUNT}/orders", {"orders": [ticket]})
    [accepted] = await post(f"/iserver/reply/{question['id']}", {"confirmed": True})
    assert accepted["order_id"]  # noqa: S101 - else something else was measured


async def _connect(where: dict[str, str], _count: int) -> dict[str, float]:
    began = time.perf_counter()
    async with Client(Gateway(where["base_url"], ca=where["ca"])) as ib:
        opened = time.perf_counter()
        await asyncio.sleep(_PAUSE_S)
        subscribed = time.perf_counter()
        async with ib.stream.market_data(_CONID) as ticks:
            await anext(ticks)
            first = time.perf_counter()
    return {"open_ms": (opened - began) * 1e3, "tick_ms": (first - subscribed) * 1e3}


def main() -> None:
    """Print the numbers as one line of JSON."""
    pin_client()
    style = {"orders": _orders, "connect": _connect}[sys.argv[1]]
    print(json.dumps(asyncio.run(style(json.loads(sys.argv[2]), int(sys.argv[3])))))


if __name__ == "__main__":
    main()
