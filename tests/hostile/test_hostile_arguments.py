"""Whatever a caller passes by mistake is a `UsageError` or another error of ours, and nothing is sent."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Iterator
from typing import Any

import pytest

from hostile.places import Place, background, client_of, outcome
from hostile.public_calls import ROWS, Row, faces, made
from ibkr_async import SessionState
from ibkr_async.simulator.login.keys import SimulatorKeys
from ibkr_async.testing import run_virtual
from ibkr_async.world import World

HOSTILE: dict[str, Any] = {
    "None": None,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "huge": 10**400,
    "object": object(),
    "surrogate": "\ud800",
    "bytes": b"AAPL",
    "negative": -1,
    "empty": "",
    "blank": " ",
    "nul": "\x00",
    "array": [[]],
    "mapping": {"a": object()},
}

LEGAL = {
    "client.ready(argument 0 is None)": "the setting's own patience",
    "client.ready(argument 0 is infinity)": "wait for ever",
    "client.request(body is None)": "nothing",
    "client.request(result is None)": "the answer does not matter",
    "client.request(query is empty)": "nothing",
    "contracts.derivatives(strike is huge)": "a number",
    "contracts.derivatives(strike is negative)": "a number: commodities had such prices",
    "feed.next(argument 0 is None)": "wait for ever",
    "feed.next(argument 0 is infinity)": "wait for ever",
    "feed.ready(argument 0 is infinity)": "wait for ever",
    "handle.done(linger_s is infinity)": "wait for ever",
    "handle.events(linger_s is infinity)": "wait for ever",
    "leg.done(linger_s is infinity)": "wait for ever",
    "market_data.snapshot(wait_s is infinity)": "wait for ever",
    "orders.cancel(manual_cancel_time is negative)": "a moment before 1970",
    "session.ready(argument 0 is None)": "the setting's own patience",
    "session.ready(argument 0 is infinity)": "wait for ever",
    "third_party.cancel_order(argument 1 is negative)": "a text of the caller's own",
    "third_party.find_order(argument 1 is negative)": "a text of the caller's own",
    "third_party.order(argument 1 is negative)": "a text of the caller's own",
    "watchlists.delete(argument 0 is negative)": "ids of IBKR's own lists are",
    "watchlists.get(argument 0 is negative)": "ids of IBKR's own lists are",
}
"""What only looks odd, and what it means. Each is tried all the same."""


def hostile_rows(face: str, method: str, row: Row) -> Iterator[tuple[str, Row]]:
    """Yield a row with one argument that is something else."""
    parameters = list(inspect.signature(getattr(faces()[face], method)).parameters.values())[1:]
    for name, value in HOSTILE.items():
        for index, _ in enumerate(row.args):
            args = (*row.args[:index], value, *row.args[index + 1 :])
            yield f"{face}.{method}(argument {index} is {name})", Row(args, row.options)
        positional = 0
        for parameter in parameters:
            kind = parameter.kind
            if kind is parameter.VAR_POSITIONAL:
                positional = len(row.args)
                continue
            positional += kind is parameter.POSITIONAL_OR_KEYWORD
            if positional <= len(row.args) and kind is parameter.POSITIONAL_OR_KEYWORD:
                continue
            if value is None and "None" in str(parameter.annotation):
                continue
            options = {**row.options, parameter.name: value}
            yield f"{face}.{method}({parameter.name} is {name})", Row(row.args, options)


@pytest.mark.parametrize("face", sorted({name.partition(".")[0] for name in ROWS}))
def test_hostile_arguments_are_refused_before_anything_is_sent(
    face: str, keys: SimulatorKeys
) -> None:
    """By an error of ours; the client lives on."""
    wrong: list[str] = []

    async def main(world: World) -> None:
        async with client_of(world, keys, face) as place:
            for name, row in ROWS.items():
                if name.startswith(f"{face}."):
                    await refuse(place, name, row, wrong)

    run_virtual(main)
    assert not wrong, "\n".join(wrong[:60])


async def refuse(place: Place, name: str, row: Row, wrong: list[str]) -> None:
    """Try one call with every argument wrong in turn."""
    face, _, method = name.partition(".")
    for what, hostile in hostile_rows(face, method, row):
        place.forget()
        holder = await place.holder(face)
        place.network.passed.clear()
        worked: list[None] = []
        call = _noting(made(holder, method, hostile.args, hostile.options), worked)
        found = await outcome(call, what)
        sent = [one.path for one in place.network.passed if not background(one)]
        if found:
            wrong.append(found)
        elif (sent or worked) and what not in LEGAL:
            wrong.append(f"{what}: {'worked' if worked else 'failed'} and sent {sent}")
        if face != "third_party" and place.ib.session.state is SessionState.CLOSED:
            wrong.append(f"{what}: the client has ended")
            break


async def _noting(call: Awaitable[Any], worked: list[None]) -> Any:
    result = await call
    worked.append(None)
    return result
