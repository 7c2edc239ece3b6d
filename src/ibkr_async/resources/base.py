"""What groups of endpoints are given: a way to send a request, to read contracts, to choose an account.

Responsible for the seams between resources, the REST pipeline and the session; it must never know how
a request is signed, paced or retried.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from ibkr_async.errors import UsageError
from ibkr_async.rest.request import RestRequest, T
from ibkr_async.types import Conid, whole

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ibkr_async.ports import Method, Pairs
    from ibkr_async.types import ContractLike


_BEYOND_64_BITS: Final = 2**63


class SendRequest(Protocol):
    """Sends a request and returns its decoded answer; `RestPipeline.send` is one."""

    async def __call__(self, request: RestRequest[T]) -> T:
        """Send `request`.

        Errors: `TransportError`, `ResponseError` and `AuthError`, as they apply to any request.
        """
        ...


class ReadConids(Protocol):
    """Reads contracts, however they are given; `Contracts.conids` is one."""

    async def __call__(self, *contracts: ContractLike) -> tuple[Conid, ...]:
        """Return the conid of each contract. Errors: `ContractError`, `UsageError`."""
        ...


ChooseAccount: TypeAlias = Callable[[str | None], str]
"""Returns the account that was named, or else the session's only one; `UsageError` when there is none."""


class Resource:
    """A group of endpoints over one `SendRequest`."""

    def __init__(self, send: SendRequest) -> None:
        self._send = send

    async def _read(
        self, result: type[T], path: str, query: Pairs = (), **path_params: str | int
    ) -> T:
        """Make a GET, which the library may make again."""
        return await self._send(
            RestRequest[T](
                method="GET",
                path=path,
                path_params=path_params,
                query=query,
                result=result,
                replayable=True,
            )
        )

    async def _ask(self, result: type[T], path: str, **body: Any) -> T:
        """Make a POST that only reads, which the library may make again; None is left out of `body`."""
        return await self._send(
            RestRequest[T](
                method="POST", path=path, body=given(**body), result=result, replayable=True
            )
        )

    async def _change(
        self,
        method: Method,
        result: type[T] | None,
        path: str,
        *,
        query: Pairs = (),
        body: Any = None,
        **path_params: str | int,
    ) -> T:
        """Make a request that changes something, which is sent once."""
        return await self._send(
            RestRequest[T](
                method=method,
                path=path,
                path_params=path_params,
                query=query,
                body=body,
                result=result,
            )
        )


def given(**parameters: Any) -> dict[str, Any]:
    """Return the parameters that are not None."""
    return {name: value for name, value in parameters.items() if value is not None}


def pairs(**parameters: str | int | bool | None) -> Pairs:
    """Build query parameters in the order given, without those that are None.

    Shape: numbers as text, booleans as `true` and `false`.
    """
    return tuple(
        (name, str(value).lower() if isinstance(value, bool) else str(value))
        for name, value in parameters.items()
        if value is not None
    )


def check_conid(value: object) -> Conid:
    """Return a contract id, whatever kind of whole number it is.

    Errors: `UsageError` for anything but a positive whole number.
    """
    conid = whole(value)
    if conid is None or not 0 < conid < _BEYOND_64_BITS:
        raise UsageError(f"{value!r} is not a conid; a conid is a positive whole number")
    return Conid(conid)


def check_conids(conids: Iterable[object]) -> tuple[Conid, ...]:
    """Return contract ids in their order, without repetitions.

    Errors: `UsageError` for what is none, and for none at all.
    """
    checked = tuple(dict.fromkeys(map(check_conid, conids)))
    if not checked:
        raise UsageError("no conid was given; pass at least one")
    return checked
