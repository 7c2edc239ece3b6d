"""What every value that users receive can do: be printed, and be written out by field names.

Responsible for the written forms only: `repr`, dicts and JSON by our own names. What IBKR is sent is
written by wire keys in `base`. It must never write what authorises or identifies a person, and never
change a digit of a `Decimal`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from math import isfinite
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, TypeGuard

import msgspec

from ibkr_async.models.scalars import bounded_decimal
from ibkr_async.types import whole


class Fact:
    """Base of what users receive: answers, payloads, events. Stands before `msgspec.Struct`."""

    __slots__ = ()

    if TYPE_CHECKING:  # as msgspec declares them
        __struct_fields__: ClassVar[tuple[str, ...]]
        __struct_config__: ClassVar[msgspec.structs.StructConfig]

    PRIVATE: ClassVar[frozenset[str]] = frozenset()
    """Fields that authorise or identify a person. Like the `extra` beside them they are written
    nowhere; whoever needs one reads the attribute."""

    def to_dict(self) -> dict[str, Any]:
        """Return what it says by field names, nested values too.

        Shape: every field, None where nothing was said; `type` is the name of an event's class;
        `extra` is there when it holds something. `Decimal` stays exact; tuples and sets become lists.
        Session ids, tokens and the like are left out.
        """
        tag = self.__struct_config__.tag
        kind = {} if tag is None else {"type": tag}
        return kind | {name: _plain(value) for name, value in self._said()}

    def to_json(self) -> str:
        """Return `to_dict` as JSON; a `Decimal` is a number with exactly its digits.

        Errors: `ValueError` for a number that is not finite, which JSON cannot say.
        """
        return write_json(self.to_dict()).decode()

    def _said(self) -> Iterator[tuple[str, Any]]:
        """Yield each field and its value, then `extra`, without what is private."""
        for name in self.__struct_fields__:
            if name not in self.PRIVATE:
                yield name, getattr(self, name)
        extra = getattr(self, "extra", None)
        if extra and not self.PRIVATE:
            yield "extra", extra

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        # Also in place of msgspec's own, by which rich would print everything.
        return [pair for pair in self._said() if pair[1] not in (None, "", (), [], {})]

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({said})"


def write_json(value: Any) -> bytes:
    """Write plain objects as JSON; a `Decimal` becomes a number with exactly its digits.

    Errors: `ValueError` for a number that is not finite.
    """
    return msgspec.json.encode(_exact_numbers(value))


def is_object(value: Any) -> TypeGuard[Mapping[str, Any]]:
    """Tell whether a value is a JSON object, also to a type checker."""
    return isinstance(value, Mapping)


def is_array(value: Any) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Tell whether a value is a JSON array, also to a type checker."""
    return isinstance(value, list | tuple)


def _plain(value: Any) -> Any:
    if isinstance(value, Fact):
        return value.to_dict()
    if is_object(value):
        return {key: _plain(item) for key, item in value.items()}
    if is_array(value):
        return [_plain(item) for item in value]
    if isinstance(value, frozenset):
        return sorted(value)
    return value


def _exact_numbers(value: Any) -> Any:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{value} cannot be written as a JSON number")
        # Beyond the bound the exponent stays: written out it could be a megabyte of zeros.
        plain = str(value) if bounded_decimal(value) is None else format(value, "f")
        return msgspec.Raw(plain.encode())
    if isinstance(value, float | Real) and not isinstance(value, bool):  # of any library
        number = whole(value)
        if number is None and not isfinite(value):
            raise ValueError(f"{value} cannot be written as a JSON number")
        return float(value) if number is None else number
    if is_object(value):
        return {key: _exact_numbers(item) for key, item in value.items()}
    if is_array(value):
        return [_exact_numbers(item) for item in value]
    return value
