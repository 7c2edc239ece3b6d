"""Only `IbkrError` leaves the library, whatever a server answers.

Every public call is made against the simulator; one of the answers that it gets on the way is then changed.
`IBKR_EVERY_ANSWER=1` tries every change of every answer, which takes long; else a seeded few of each call.
"""

from __future__ import annotations

from random import Random

import pytest

from hostile.places import (
    BODIES,
    REPLIES,
    Place,
    background,
    client_of,
    instead,
    odd_cases,
    outcome,
)
from hostile.public_calls import ROWS, WITHOUT, found_calls, made
from ibkr_async import SessionState
from ibkr_async.simulator.login.keys import SimulatorKeys
from ibkr_async.testing import run_virtual
from ibkr_async.world import World


def test_every_call_has_its_row() -> None:
    """A new method is walked or named; a method that is gone has no row."""
    assert found_calls() - set(ROWS) - set(WITHOUT) == set()
    assert (set(ROWS) | set(WITHOUT)) - found_calls() == set()


@pytest.mark.parametrize("face", sorted({name.partition(".")[0] for name in ROWS}))
def test_calls_survive_hostile_answers(face: str, keys: SimulatorKeys) -> None:
    """Every public call ends well or with an error of ours, and the client lives on."""
    wrong: list[str] = []
    tried = 0

    async def main(world: World) -> None:
        nonlocal tried
        async with client_of(world, keys, face) as place:
            for name in ROWS:
                if name.startswith(f"{face}."):
                    tried += await walk(place, name, wrong)

    run_virtual(main)
    assert not wrong, "\n".join(wrong[:60])
    assert tried > 0 or face in {"stream", "session"}


async def walk(place: Place, name: str, wrong: list[str]) -> int:
    """Try one call with many changes of its answers."""
    face, _, method = name.partition(".")
    args, options = ROWS[name]
    place.forget()
    holder = await place.holder(face)
    place.network.passed.clear()
    await outcome(made(holder, method, args, options), name)
    asked = [one for one in place.network.passed if not background(one)]
    cases = odd_cases(asked, Random(name), BODIES, REPLIES)  # noqa: S311 - can be repeated
    for target, odd, answer in cases:
        what = f"{name}: {odd} in {target.path}"
        place.forget()
        holder = await place.holder(face)
        place.network.tamper = instead(target, answer())
        found = await outcome(made(holder, method, args, options), what)
        wrong.extend([found] if found else [])
        if face != "third_party" and place.ib.session.state is SessionState.CLOSED:
            wrong.append(f"{what}: the client has ended")
            break
    return len(cases)
