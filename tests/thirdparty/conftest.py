"""What the tests of the Third-Party Web API share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.third_party_bench import Bench


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Return an open client with JSON bodies."""
    parts = Bench()
    async with parts.client:
        yield parts
