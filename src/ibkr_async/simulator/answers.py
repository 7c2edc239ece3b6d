"""What the simulated broker is asked, what it answers, and how a path finds its function.

Responsible for the value types between the server shell and the broker, the error bodies that
several endpoints share, and the route table. It must never know an endpoint by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Endpoint: TypeAlias = "Callable[..., Answer | None]"
"""A function of the call and the variable path segments; None: no such endpoint after all."""

OK = 200
BAD_REQUEST = 400
SERVER_ERROR = 500
UNAVAILABLE = 503


class Answer(NamedTuple):
    """One HTTP answer. `body` holds only what JSON can hold."""

    status: int
    body: Any


class Call(NamedTuple):
    """One request as the endpoint functions see it. `now` is Unix time in seconds."""

    query: Mapping[str, str]
    body: Any
    now: float

    def field(self, name: str) -> Any:
        """Return one key of a JSON object body; None when the body is not an object."""
        return self.body.get(name) if isinstance(self.body, dict) else None

    def flag(self, name: str) -> bool:
        """Tell whether a query parameter is the word `true`."""
        return self.query.get(name, "").lower() == "true"


def ok(body: Any) -> Answer:
    """Answer 200."""
    return Answer(OK, body)


def failure(status: int, text: str, *, with_code: bool = True) -> Answer:
    """Answer with IBKR's error object; `statusCode` repeats the code but is often left out."""
    body: dict[str, Any] = {"error": text}
    if with_code:
        body["statusCode"] = status
    return Answer(status, body)


def invalid_account() -> Answer:
    """Answer a request that names an account which this login does not have.

    A client's mistake, yet IBKR reports it as a server error (protocol notes, section 7).
    """
    return failure(SERVER_ERROR, "Invalid account ID", with_code=False)


class Routes:
    """Finds the function of an endpoint from its method and path.

    Templates name a variable segment `{}`; a fixed segment wins over a variable one because
    the most specific template is tried first.
    """

    def __init__(self) -> None:
        self._table: dict[tuple[str, int], list[_Route]] = {}

    def add(self, methods: str, template: str, endpoint: Endpoint) -> None:
        """Serve `template` for the space-separated `methods` by `endpoint(call, *segments)`."""
        segments = tuple(template.strip("/").split("/"))
        for method in methods.split():
            routes = self._table.setdefault((method, len(segments)), [])
            routes.append(_Route(segments, endpoint))
            routes.sort(key=lambda route: route.segments.count("{}"))

    def dispatch(self, method: str, path: str, call: Call) -> Answer | None:
        """Answer the call; None when no template fits."""
        segments = tuple(path.strip("/").split("/"))
        for route in self._table.get((method.upper(), len(segments)), ()):
            arguments = route.arguments(segments)
            if arguments is not None:
                return route.endpoint(call, *arguments)
        return None


class _Route(NamedTuple):
    segments: tuple[str, ...]
    endpoint: Endpoint

    def arguments(self, segments: tuple[str, ...]) -> list[str] | None:
        """Return the variable segments in order; None when a fixed segment differs."""
        found = []
        for wanted, given in zip(self.segments, segments, strict=True):
            if wanted == "{}":
                found.append(given)
            elif wanted != given:
                return None
        return found
