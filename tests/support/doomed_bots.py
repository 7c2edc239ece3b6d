"""Bots that are killed: a process that forks one child per bot and lets it die at a marked point.

Run as a script it reads one job per line (JSON) from its standard input and answers each with one
line: by which signal the bot died, or null. Forking saves each bot a second of imports; the death is a
real SIGKILL of a real process.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from ibkr_async import Answers, Bracket, Client, Gateway, LimitOrder, Settings
from ibkr_async.orders.fate.journal_file import JournalFile
from support.inside import parts_of, without_limits
from support.settings_with import AT_ONCE, settings_with

APPLE = 265598
QUESTION = Answers.allow("o163")


def unpaced(client: Client) -> Client:
    """Take IBKR's limits away: the simulator is ours, and a test must not wait five seconds."""
    without_limits(client)
    return client


def settings(journal: str) -> Settings:
    """Look for lost orders as always, in less time."""
    return settings_with({"orders.journal": journal, "orders.probe_spread_s": 0.06}, AT_ONCE)


class Reaper:
    """Kills this process when a marked point is reached."""

    def __init__(self, point: str) -> None:
        self._point = point

    def passes(self, point: str) -> None:
        """Die here, if this is the point."""
        if point == self._point:
            os.kill(os.getpid(), signal.SIGKILL)

    def arm(self, client: Client) -> None:
        """Put the marks where a submission passes."""
        engine = parts_of(client).order_engine
        for owner, name in (
            (engine.dispatch, "_take_turn"),
            (engine.endpoints, "place"),
            (engine.endpoints, "reply"),
            (engine.endpoints, "modify"),
            (engine.recovery, "find_out"),
            # Each point at which the process may die is inside.
            (engine.recovery._probe._reads, "live"),  # not that of the order feeds
            (client.orders, "submit"),
        ):
            setattr(owner, name, self._around(name, getattr(owner, name)))
        # As above.
        transport: Any = parts_of(client).pipeline._transport
        transport.send = self._around_transport(transport.send)
        for name in ("accepted", "failed"):
            method = getattr(engine.outcomes, name)
            setattr(engine.outcomes, name, self._before(name, method))
        JournalFile.append = self._around_append(  # type: ignore[method-assign]  # the mark
            JournalFile.append
        )

    def _around(self, name: str, method: Callable[..., Awaitable[Any]]) -> Any:
        async def marked(*arguments: Any, **options: Any) -> Any:
            self.passes(f"before {name}")
            result = await method(*arguments, **options)
            self.passes(f"after {name}")
            return result

        return marked

    def _around_transport(self, send: Callable[..., Awaitable[Any]]) -> Any:
        async def marked(request: Any) -> Any:
            reply = await send(request)
            kind = request.url.rpartition("/v1/api")[2].split("/")
            # The server has acted, and nobody here knows yet.
            if request.method == "POST":
                self.passes(f"answer to {'reply' if 'reply' in kind else kind[-1]}")
                self.passes(f"answer to {kind[-2]}")
            return reply

        return marked

    def _before(self, name: str, method: Callable[..., None]) -> Any:
        def marked(*arguments: Any) -> None:
            self.passes(f"before {name} is noted")
            method(*arguments)
            self.passes(f"after {name} is noted")

        return marked

    def _around_append(self, append: Callable[..., None]) -> Any:
        def marked(file: Any, *entry: Any) -> None:
            event = entry[3]
            self.passes(f"before {event} is written")
            append(file, *entry)
            self.passes(f"after {event} is written")

        return marked


async def run_bot(
    *, base_url: str, ca: str, journal: str, scenario: str, point: str, coid: str, price: str
) -> None:
    """Log in, and do what the scenario says, as far as the point."""
    client = unpaced(Client(Gateway(base_url, ca=ca), settings=settings(journal)))
    reaper = Reaper(point)
    async with client as ib:
        order = LimitOrder(APPLE, "BUY", 10, price, coid=coid)
        if scenario == "modify":
            live = await ib.orders.submit(order, answers=QUESTION)
            reaper.arm(client)
            new = LimitOrder(APPLE, "BUY", 7, price, coid=coid)
            await ib.orders.modify(live.order_id, new, answers=QUESTION)
            return
        reaper.arm(client)
        if scenario == "bracket":
            bracket = Bracket(entry=order, take_profit=float(price) * 2, stop_loss="1.00")
            await ib.orders.submit(bracket, answers=QUESTION)
        else:
            await ib.orders.submit(order, answers=QUESTION)


def main() -> None:
    """Run the jobs."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                asyncio.run(run_bot(**json.loads(line)))
                code = 0
            except Exception:  # noqa: BLE001 - said here, because the process ends without a word
                traceback.print_exc()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        died = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        sys.stdout.write(json.dumps({"signal": died, "status": status}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
