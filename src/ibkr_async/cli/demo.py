"""`ibkr-async demo`: the simulator and the demo bot in one command.

Responsible for options, start and end: exit code 0 and a summary, or one line that says what went
wrong. It must never connect to anything but the simulator that it starts.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import cyclopts

if TYPE_CHECKING:
    from collections.abc import Iterator

demo_app = cyclopts.App(
    name="demo", help="Run a small trading bot against the built-in simulator, about 20 seconds."
)

_DEFAULT_SYMBOLS = ("AAPL", "MSFT", "SPY")
_FAILED = 1
_INTERRUPTED = 130


@demo_app.default
def demo(
    *symbols: str,
    seconds: Annotated[float, cyclopts.Parameter(validator=cyclopts.validators.Number(gte=0))] = 15,
    plain: Annotated[bool, cyclopts.Parameter(negative=())] = False,
    seed: int = 1,
) -> int:
    """Log in with OAuth, stream quotes, buy with a bracket, watch fills and P&L, sell, sum up.

    Everything runs on this machine: no account and no network are needed.

    Parameters
    ----------
    symbols
        Stocks to show; the first one is traded. Default: AAPL MSFT SPY.
    seconds
        How long to watch between buying and selling.
    plain
        Print lines instead of a live page; implied when the output is not a terminal.
    seed
        Seed of the simulated prices.
    """
    from ibkr_async import IbkrError

    return_code = 0
    try:
        asyncio.run(
            _run(
                symbols or _DEFAULT_SYMBOLS,
                seconds,
                plain=plain or not sys.stdout.isatty(),
                seed=seed,
            )
        )
    except* KeyboardInterrupt:
        return_code = _INTERRUPTED
    except* BrokenPipeError:  # whoever read our output has gone, as in `| head`
        return_code = _FAILED
    except* IbkrError as errors:
        return_code = _FAILED
        for error in _leaves(errors):
            print(f"ibkr-async demo: {error}", file=sys.stderr)
    return return_code


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """Return the errors themselves, however deep the task groups have wrapped them."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


async def _run(symbols: tuple[str, ...], seconds: float, *, plain: bool, seed: int) -> None:
    from ibkr_async import Client
    from ibkr_async.cli.demo_bot import trade
    from ibkr_async.cli.demo_view import LiveView, PlainView
    from ibkr_async.simulator import Simulator
    from ibkr_async.world import World

    clock = World().clock
    with PlainView(clock) if plain else LiveView(clock) as view:
        view.say("starting the simulator: TLS certificate and OAuth keys are made")
        async with Simulator(seed=seed) as sim:
            view.say(f"simulator serves {sim.base_url}")
            async with Client(sim.auth()) as ib:
                info = ib.session.info
                kind = "paper" if info.is_paper else "live"
                view.say(f"logged in with OAuth 1.0a: {kind} account {info.account_id}")
                await trade(ib, view, symbols, seconds)
