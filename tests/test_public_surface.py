"""What users hold: nothing else is offered to them, and everything has a home to import it from."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any, NewType, TypeVar, get_args, get_origin

import pytest

import ibkr_async
from ibkr_async import Client, Gateway
from ibkr_async.orders import OrderHandle
from support.source_tree import MODULES, tree_of


def words(text: str) -> set[str]:
    """Read names in a row as a set."""
    return set(text.split())


# What a user may call, by what it is called on.

CLIENT = words(
    """
    accounts aclose alerts analyst bars contracts drain event_contracts events fyi health ladder
    market_data open orders portfolio quotes ready request scanner session settings stream watchlists
    """
)
STREAM = words(
    """
    account_ledger account_summary account_updates auth_status bulletins connected errors hours
    keepalives live_orders market_data market_history notifications option_exercise
    price_ladder profit_and_loss stats system_messages trades
    """
)
ORDERS = words(
    """
    answer_prompt cancel cancel_all dismiss find known live modify place recovered reply
    reset_suppressed status submit suppress trades unknown watch what_if
    """
)
SESSION = {"info", "logout", "ready", "state"}
FEED = words("aclose add batches drain failed_topics marked next ready remove stats topics")
HANDLE = words(
    """
    account_id cancel coid done events is_done legs modify order_id state state_of states status
    status_word tickets
    """
)


@cache
def client() -> Client:
    """Make a client that is never opened."""
    return Client(Gateway("https://localhost:5000"))


HELD: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "client": ((), CLIENT),
    "stream": (("stream",), STREAM),
    "orders": (("orders",), ORDERS),
    "session": (("session",), SESSION),
    "feed": (("stream", "market_data"), FEED),
    "quotes": (("quotes",), FEED | {"all", "latest", "strays"}),
    "ladder": (("ladder",), FEED | {"latest"}),
    "bars": (("bars",), FEED | {"bar", "conid", "waits_s"}),
    "events": (("events",), FEED),
}
"""How one comes to hold it, beginning with a client, and what may be called on it."""


def kind_behind(path: tuple[str, ...]) -> type[Any]:
    """Follow attributes and the results of calls from a client to a class."""
    kind: type[Any] = Client
    for name in path:
        member = getattr(kind, name, None)
        if member is None:
            kind = type(getattr(client(), name))
        else:
            kind = next(_returned(getattr(member, "fget", member)))
    return kind


def offered(kind: type[Any]) -> set[str]:
    """List what tab-completion shows of a kind, attributes that its methods set included."""
    names = set(dir(kind))
    for base in kind.__mro__:
        if base.__module__.startswith(("ibkr_async", __name__)):
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
            names |= {
                node.attr
                for node in ast.walk(tree)
                if isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and isinstance(node.value, ast.Name)
                and node.value.id == "self"
            }
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("what", HELD)
def test_completion_shows_what_a_user_may_call_and_no_more(what: str) -> None:
    """Whoever explores with the tab key cannot break the engine."""
    path, may_call = HELD[what]

    assert offered(kind_behind(path)) - may_call == set()


def test_completion_on_a_handle_shows_what_a_user_may_call() -> None:
    """A handle is made by placing an order, so its class is asked."""
    assert offered(OrderHandle) <= HANDLE


class Face:
    """An engine with a public verb and a public part."""

    def __init__(self) -> None:
        self._inner = self.tracker = 1

    def run(self) -> None: ...


def test_verb_of_an_engine_is_found() -> None:
    """As a method, as a property and as an attribute."""
    assert offered(Face) == {"run", "tracker"}


# --- homes ---------------------------------------------------------------------------------------

HOMES = (
    "ibkr_async",
    *(
        f"ibkr_async.{name}"
        for name in [
            "auth",
            "config",
            "errors",
            "events",
            "feeds",
            "models",
            "orders",
            "thirdparty",
            "types",
        ]
    ),
)
"""Where users import from."""


@cache
def homes() -> list[ModuleType]:
    """Import the homes."""
    return [importlib.import_module(name) for name in HOMES]


def has_home(thing: Any) -> bool:
    """Tell whether a class can be imported from a home that means to offer it."""
    return any(
        getattr(home, thing.__name__, None) is thing
        and (thing.__name__ in getattr(home, "__all__", ()) or thing.__module__ == home.__name__)
        for home in homes()
    )


@cache
def names_in(module: str) -> dict[str, Any]:
    """Collect the names of a module, those that it imports for type checkers included."""
    names = dict(vars(importlib.import_module(module)))
    for node in ast.walk(tree_of(MODULES[module])):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            imports = [one for one in node.body if isinstance(one, ast.Import | ast.ImportFrom)]
            tree = ast.Module(list(imports), [])
            exec(compile(tree, module, "exec"), names)  # noqa: S102 - our own imports
    return names


def _is_ours(kind: Any) -> bool:
    # The scalars stand for `float | None` and the like: nobody holds one.
    module = kind.__module__ or ""
    return module.startswith("ibkr_async") and module != "ibkr_async.models.scalars"


def named_in(hint: Any) -> Iterator[Any]:
    """Yield the classes of ours that an annotation names, at any depth."""
    origin, arguments = get_origin(hint), get_args(hint)
    for one in (hint, origin):
        is_class = (isinstance(one, type) and not get_args(one)) or isinstance(one, NewType)
        if is_class and _is_ours(one):
            yield one
    for argument in arguments:
        for one in argument if isinstance(argument, list) else [argument]:
            if not isinstance(one, TypeVar):
                yield from named_in(one)


def _returned(function: Any) -> Iterator[Any]:
    # Only what comes back: the arguments may name what cannot be evaluated, such as `"Any" | None`.
    return named_in(_evaluated(function.__annotations__.get("return"), function.__module__))


def _evaluated(hint: Any, module: str) -> Any:
    return eval(hint, names_in(module)) if isinstance(hint, str) else hint  # noqa: S307 - ours


def handed_out(kind: Any) -> Iterator[Any]:
    """Yield every class of ours that a public method, property or field of a class gives."""
    if isinstance(kind, NewType):
        return
    for base in kind.__mro__:
        if not base.__module__.startswith("ibkr_async"):
            continue
        for name, thing in vars(base).items():
            inner = getattr(thing, "fget", None) or getattr(thing, "__func__", thing)
            if inspect.isfunction(inner) and (name[0] != "_" or name in _OPENING):
                yield from _returned(inner)
        for name, hint in vars(base).get("__annotations__", {}).items():
            if name[0] != "_":
                yield from named_in(_evaluated(hint, base.__module__))


_OPENING = {"__aenter__", "__anext__", "__aiter__", "__iter__", "__next__"}


def everything_handed_out() -> set[Any]:
    """Walk from what users make to all that they can come to hold."""
    ib = client()
    waiting: list[Any] = [Client, ibkr_async.ThirdPartyClient, ibkr_async.OAuthFlow, OrderHandle]
    waiting += [type(value) for name, value in vars(ib).items() if name[0] != "_"]
    waiting += [kind for kind in vars(ibkr_async.errors).values() if inspect.isclass(kind)]
    waiting += get_args(ibkr_async.events.Event) + get_args(ibkr_async.orders.OrderEvent)
    seen: set[Any] = set()
    while waiting:
        kind = waiting.pop()
        if kind not in seen and _is_ours(kind):
            seen.add(kind)
            waiting += handed_out(kind)
    return seen


def test_everything_that_a_call_gives_can_be_imported_from_a_home() -> None:
    """For annotations and `isinstance`, and by a path of at most two dots."""
    faces = {type(value) for name, value in vars(client()).items() if name[0] != "_"}
    held = everything_handed_out()
    homeless = {kind.__name__ for kind in held - faces if not has_home(kind)}

    assert len(held) > 150
    assert homeless == set()


def test_homeless_class_is_found() -> None:
    """One that is defined in a room, and one that a home has only imported for itself."""
    from ibkr_async.stream.core.protocol import StreamCore

    assert not has_home(StreamCore)
    assert has_home(ibkr_async.Quote)


@pytest.mark.parametrize("home", HOMES)
def test_home_has_what_it_promises(home: str) -> None:
    """Each name of `__all__` is there, and stands once."""
    module = importlib.import_module(home)
    promised = getattr(module, "__all__", [])

    assert len(set(promised)) == len(promised)
    assert [name for name in promised if not hasattr(module, name)] == []
