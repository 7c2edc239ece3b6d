from __future__ import annotations

from typing import Any

import pytest

from ibkr_async.errors import (
    AccountsNotVisibleError,
    BadRequestError,
    ForbiddenError,
    IbkrError,
    LockedError,
    NotReadyError,
    RateLimitedError,
    ServerTimedOutError,
    UnauthorizedError,
    is_retryable,
)
from ibkr_async.thirdparty.statuses import MEANINGS
from support.third_party_bench import Bench

ACCOUNT = "DU7000001"


async def test_202_is_read_again_until_it_is_ready(bench: Bench) -> None:
    """Not ready yet: the read is made again after a pause."""
    bench.server.will_answer(202, 202, "accounts")

    assert await bench.client.accounts() == ("DU7000001", "DU7000002")
    assert len(bench.server.requests) == 3
    assert [pause for pause in bench.slept if pause >= 1] == [1.0, 1.0]


async def test_202_for_long_is_not_ready(bench: Bench) -> None:
    """The library gives up and says that asking later may help."""
    bench.server.will_answer(202, 202, 202)

    with pytest.raises(NotReadyError) as caught:
        await bench.client.accounts()

    assert type(caught.value) is NotReadyError
    assert is_retryable(caught.value)


async def test_204_is_the_nightly_refresh(bench: Bench) -> None:
    """Account endpoints without content wait for the refresh; asking again is no use."""
    bench.server.will_answer(204)

    with pytest.raises(AccountsNotVisibleError, match="nightly refresh") as caught:
        await bench.client.positions(ACCOUNT)

    assert len(bench.server.requests) == 1
    assert not is_retryable(caught.value)


async def test_204_elsewhere_is_not_ready(bench: Bench) -> None:
    """Only the account endpoints are said to depend on the refresh."""
    bench.server.will_answer(204, 204, 204)

    with pytest.raises(NotReadyError):
        await bench.client.secdef(8314)


async def test_400_is_a_wrong_request(bench: Bench) -> None:
    """It is not repeated, and carries the server's words."""
    bench.server.will_answer(400)

    with pytest.raises(BadRequestError, match="400"):
        await bench.client.trades(ACCOUNT)

    assert len(bench.server.requests) == 1


async def test_401_logs_in_again_once(bench: Bench) -> None:
    """One renewal and one repetition; then the login is not the reason."""
    bench.server.will_answer(401, "accounts", 401)

    assert await bench.client.accounts()
    with pytest.raises(UnauthorizedError, match="live session token"):
        await bench.client.accounts()

    assert bench.auth.logins == 2


async def test_403_is_not_permitted(bench: Bench) -> None:
    """The advice names the authorisation by the user."""
    bench.server.will_answer(403)

    with pytest.raises(ForbiddenError, match="authorised this consumer"):
        await bench.client.accounts()

    assert len(bench.server.requests) == 1


async def test_408_is_read_again_and_then_raised(bench: Bench) -> None:
    """The server waited too long: a read may be made again."""
    bench.server.will_answer(408, "accounts", 408, 408, 408)

    assert await bench.client.accounts()
    with pytest.raises(ServerTimedOutError) as caught:
        await bench.client.accounts()

    assert is_retryable(caught.value)
    assert len(bench.server.requests) == 5


async def test_423_is_locked_and_never_repeated(bench: Bench) -> None:
    """Asking again is what locks the resource; the error says to wait."""
    bench.server.will_answer(423)

    with pytest.raises(LockedError, match="wait some seconds"):
        await bench.client.orders(ACCOUNT)

    assert len(bench.server.requests) == 1


async def test_429_keeps_its_own_error(bench: Bench) -> None:
    """A status outside the table goes through unchanged."""
    bench.server.will_answer(429)

    with pytest.raises(RateLimitedError):
        await bench.client.accounts()


@pytest.mark.parametrize("status", sorted(MEANINGS))
async def test_every_status_has_its_one_error(bench: Bench, status: int) -> None:
    """The table says what is raised in the end."""
    bench.server.will_answer(*[status] * 3)

    with pytest.raises(IbkrError) as caught:
        await bench.client.accounts()

    error: Any = caught.value
    assert type(error) is MEANINGS[status].error
    assert error.status == status
    assert (len(bench.server.requests) > 1) == MEANINGS[status].is_read_repeated
