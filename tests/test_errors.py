"""Every exception can be pickled and copied, as process pools and loggers do."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ibkr_async import errors
from ibkr_async.errors import IbkrError
from ibkr_async.models.base import decode
from ibkr_async.models.order_answers import PromptQuestion

PROMPT = decode(PromptQuestion, b'{"text":"Which account?","options":["a"],"new":1}')

# How each class is made whose constructor asks for more than a message, with every argument set.
ARGUMENTS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "ClosedError": (("client", "make one"), {}),
    "UnknownFieldError": (("lasst", ["last"]), {}),
    "OrderInvalidError": (("price", "must be positive"), {}),
    "UnknownSymbolError": (("XXXX",), {}),
    "AmbiguousSymbolError": (("AB", [(1, "one"), (2, "two")]), {}),
    "AuthError": (("token", "refused", "check the key"), {}),
    "SessionTimeoutError": ((20.0, "lost", "no bridge"), {}),
    "CompetingSessionError": (("somebody",), {}),
    "StreamConnectError": (("wss://localhost", "refused"), {"fatal": True}),
    "SubscriptionError": (("smd+1", "refused"), {}),
    "SlowConsumerError": (("smd+1", 10, 3), {}),
    "RateLimitedError": (("GET /x", 429, "slow down"), {"retry_after_s": 2.5, "body": "b"}),
    "OrderQuestionError": (
        ("c1", ["o163"], ["Sure?"]),
        {
            "reason": "not allowed",
            "advice": "look",
            "declined": False,
            "live_order_ids": ["1"],
        },
    ),
    "OrderUnknownError": (
        ("c1", "timed out", ["the live orders"]),
        {"live_order_ids": ["1"], "advice": "look", "prompt": PROMPT, "coid_reused": True},
    ),
}
BY_BASE: tuple[tuple[type[IbkrError], tuple[Any, ...], dict[str, Any]], ...] = (
    (errors.TransportError, ("GET /x", "reset"), {"may_have_reached_server": True}),
    (errors.ResponseError, ("GET /x", 500, "bad"), {"body": "b", "advice": "look"}),
    (errors.AuthError, ("token", "refused", "check the key"), {}),
    (errors.OrderError, ("c1", "no money"), {"live_order_ids": ["1", "2"]}),
)


def tree(root: type[IbkrError]) -> Iterator[type[IbkrError]]:
    """Yield a class and all that come of it."""
    yield root
    for kind in root.__subclasses__():
        yield from tree(kind)


def made(kind: type[IbkrError]) -> IbkrError:
    """Make an error with every argument that its constructor takes."""
    if kind.__name__ in ARGUMENTS:
        positional, named = ARGUMENTS[kind.__name__]
        return kind(*positional, **named)
    for base, positional, named in BY_BASE:
        if issubclass(kind, base):
            return kind(*positional, **named)
    return kind("what happened")


WAYS = [
    *(
        pytest.param(lambda error, n=n: pickle.loads(pickle.dumps(error, n)), id=f"pickle{n}")  # noqa: S301 - our own bytes
        for n in range(pickle.HIGHEST_PROTOCOL + 1)
    ),
    pytest.param(copy.copy, id="copy"),
    pytest.param(copy.deepcopy, id="deepcopy"),
]


@pytest.mark.parametrize("kind", list(tree(IbkrError)), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("way", WAYS)
def test_error_arrives_as_it_left(
    kind: type[IbkrError], way: Callable[[IbkrError], IbkrError]
) -> None:
    """Class, message, arguments, attributes and notes are the same on the other side."""
    error = made(kind)
    error.add_note("while placing")

    arrived = way(error)

    assert type(arrived) is kind
    assert str(arrived) == str(error)
    assert arrived.args == error.args
    assert vars(arrived) == vars(error)


def test_tree_is_whole() -> None:
    """Every public error of the module is in the tree that is tested."""
    named = {
        name
        for name, thing in vars(errors).items()
        if isinstance(thing, type) and issubclass(thing, Exception)
    }

    assert named == {kind.__name__ for kind in tree(IbkrError)}
