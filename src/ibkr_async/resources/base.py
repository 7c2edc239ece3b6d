"""What every group of endpoints is given: a way to send one request.

Responsible for the seam between resources and the REST pipeline; it must never know how a request
is signed, paced or retried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ibkr_async.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ibkr_async.ports import Pairs
    from ibkr_async.rest.request import RestRequest, T


class SendRequest(Protocol):
    """Sends a request and returns its decoded answer; `RestPipeline.send` is one."""

    async def __call__(self, request: RestRequest[T]) -> T:
        """Send `request`.

        Errors: `TransportError`, `ResponseError` and `AuthError`, as they apply to any request.
        """
        ...


class Resource:
    """A group of endpoints over one `SendRequest`."""

    def __init__(self, send: SendRequest) -> None:
        self._send = send


def pairs(**parameters: str | int | bool | None) -> Pairs:
    """Build query parameters in the order given, without those that are None.

    Shape: numbers as text, booleans as `true` and `false`.
    """
    return tuple(
        (name, str(value).lower() if isinstance(value, bool) else str(value))
        for name, value in parameters.items()
        if value is not None
    )


def check_conids(conids: Iterable[int]) -> tuple[int, ...]:
    """Refuse what cannot be a contract id, and drop repetitions, keeping the order.

    Errors: `UsageError` for anything but positive whole numbers, and for none at all.
    """
    checked = tuple(dict.fromkeys(conids))
    for conid in checked:
        if type(conid) is not int or conid <= 0:  # a bool is an int, and no conid
            raise UsageError(f"{conid!r} is not a conid; a conid is a positive whole number")
    if not checked:
        raise UsageError("no conid was given; pass at least one")
    return checked
