"""Endpoints of the market scanner, public as `ib.scanner`.

Responsible for building the requests, and for keeping the parameters, which may be read once in 15
minutes. There is no stream of a scan: run it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ibkr_async._arguments import checked
from ibkr_async.errors import UsageError
from ibkr_async.models.scanner import ScannerParameters, ScannerResult
from ibkr_async.resources.base import Resource

if TYPE_CHECKING:
    from ibkr_async.resources.base import SendRequest
    from ibkr_async.world import Clock


@checked
class Scanner(Resource):
    """Find contracts by what they do."""

    def __init__(self, send: SendRequest, *, clock: Clock) -> None:
        super().__init__(send)
        self._clock = clock
        self._kept: tuple[ScannerParameters, float] | None = None
        self._reading = asyncio.Lock()

    async def params(self, *, refresh: bool = False) -> ScannerParameters:
        """Read all that can be scanned: about 200 KB, kept for the life of the client.

        Source: GET /iserver/scanner/params, "Iserver Scanner Parameters". Pacing: 1 per 15 minutes.
        Concurrency: simultaneous first calls share one request.
        """
        async with self._reading:
            if self._kept is None or refresh:
                params = await self._read(ScannerParameters, "/iserver/scanner/params")
                self._kept = params, self._clock.monotonic()
            return self._kept[0]

    @property
    def params_age_s(self) -> float | None:
        """Seconds since the parameters were read; None before."""
        return None if self._kept is None else self._clock.monotonic() - self._kept[1]

    async def run(
        self,
        scan: str,
        *,
        instrument: str = "STK",
        location: str = "STK.US.MAJOR",
        filters: Mapping[str, str | float | bool] | None = None,
    ) -> ScannerResult:
        """Run one scan: `await ib.scanner.run("TOP_PERC_GAIN", filters={"priceAbove": 5})`.

        Shape: at most 50 contracts, best first.
        Errors: `RefusedError` for an unknown code; `ServerError` while the scanner wakes up at IBKR.
        Source: POST /iserver/scanner/run, "Iserver Market Scanner". Pacing: 1 per second.
        """
        filters = {} if filters is None else filters
        if not isinstance(filters, Mapping):
            raise UsageError(f"filters={filters!r:.80} are no mapping of codes to values")
        chosen = [{"code": code, "value": value} for code, value in filters.items()]
        return await self._ask(
            ScannerResult,
            "/iserver/scanner/run",
            instrument=instrument,
            type=scan,
            location=location,
            filter=chosen,
        )
