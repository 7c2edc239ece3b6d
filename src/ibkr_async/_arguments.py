"""Plain arguments of public calls, checked by the annotations of the method before anything is done.

Responsible for texts, numbers, and yes or no: what the wire would take whatever it is. What means
something (a contract, an order, a price) is checked by whoever reads it. Pure.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache, wraps
from math import isnan
from numbers import Real
from typing import Any, Final, Literal, NamedTuple, TypeVar, get_args, get_origin

from ibkr_async.errors import UsageError
from ibkr_async.types import whole

T = TypeVar("T")

_BEYOND_64_BITS: Final = 2**63


class _Kind(NamedTuple):
    fits: Callable[[object], bool]
    words: str


def checked(kind: type[T]) -> type[T]:
    """Make every public method of a class refuse plain arguments of another kind.

    What is refused is a `UsageError` that names the argument. An argument is looked at when its
    annotation names nothing but kinds of `_KINDS`.
    """
    for name, member in list(vars(kind).items()):
        if name[0] != "_" and inspect.isfunction(member):
            setattr(kind, name, _guarded(member))
    return kind


class _Parameters(NamedTuple):
    """What is known of a method's parameters."""

    kinds: dict[str, list[_Kind]]
    by_place: list[str]
    rest: str
    """Name of what takes any number of arguments; empty without one."""


@cache
def _parameters(method: Callable[..., Any]) -> _Parameters:
    # At the first call: reading the signatures of all methods would take a fifth of the import.
    found = list(inspect.signature(method).parameters.values())[1:]
    return _Parameters(
        {one.name: _kinds(one, method.__globals__) for one in found},
        [one.name for one in found if one.kind is one.POSITIONAL_OR_KEYWORD],
        next((one.name for one in found if one.kind is one.VAR_POSITIONAL), ""),
    )


def _check(method: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> None:
    known = _parameters(method)
    given = [*zip(known.by_place, args, strict=False), *options.items()]
    given += [(known.rest, value) for value in args[len(known.by_place) :] if known.rest]
    for name, value in given:
        kinds = known.kinds.get(name)
        if kinds and not any(kind.fits(value) for kind in kinds):
            words = " or ".join(kind.words for kind in kinds)
            raise UsageError(f"{method.__name__}: {name}={_short(value)} is not {words}")


def _guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(method):

        @wraps(method)
        async def call_later(self: Any, *args: Any, **options: Any) -> Any:
            _check(method, args, options)
            answer = method(self, *args, **options)
            del args, options  # one may be a secret, and a traceback may show our locals
            return await answer

        return call_later

    @wraps(method)
    def call(self: Any, *args: Any, **options: Any) -> Any:
        _check(method, args, options)
        return method(self, *args, **options)

    return call


def _kinds(parameter: inspect.Parameter, names: Mapping[str, Any]) -> list[_Kind]:
    """Return the kinds that an annotation names; none when one of them is not plain."""
    named = str(parameter.annotation)
    if parameter.name.endswith("_s"):
        named = named.replace("float", "seconds")
    kinds = [_kind(name, names) for name in named.split(" | ")]
    return [] if None in kinds else [kind for kind in kinds if kind is not None]


def _kind(name: str, names: Mapping[str, Any]) -> _Kind | None:
    found = names.get(name)
    if get_origin(found) is Literal:
        chosen = get_args(found)
        return _Kind(lambda value: value in chosen, f"one of {', '.join(map(repr, chosen))}")
    return _KINDS.get(name)


def _short(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # a number of more digits than Python writes
        return "a number that long"
    return text if len(text) <= 60 else f"{text[:60]}…"  # noqa: PLR2004 - a line's worth


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and bool(value.strip())


def _is_whole(value: object) -> bool:
    number = whole(value)
    return number is not None and abs(number) < _BEYOND_64_BITS


def _is_number(value: object) -> bool:
    if isinstance(value, Real) and not isinstance(value, int):
        return not isnan(value)
    return _is_whole(value)


def _are_seconds(value: object) -> bool:
    return _is_number(value) and value >= 0  # type: ignore[operator]  # a number was found


def _are_texts(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(map(_is_text, value))


_KINDS: Final[Mapping[str, _Kind]] = {
    "str": _Kind(_is_text, "a text that can be sent"),
    "int": _Kind(_is_whole, "a whole number"),
    "float": _Kind(_is_number, "a number"),
    "bool": _Kind(lambda value: isinstance(value, bool), "True or False"),
    "datetime": _Kind(lambda value: isinstance(value, datetime), "a datetime"),
    "Sequence[str]": _Kind(_are_texts, "a list of texts"),
    "seconds": _Kind(_are_seconds, "a number of seconds"),
    "None": _Kind(lambda value: value is None, "None"),
}
