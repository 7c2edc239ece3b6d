"""A value that must not be seen.

It guards against accidents (a log line, a traceback with locals, a dump of settings), not against
code that means to look.
"""

from __future__ import annotations

from typing import Generic, NoReturn, TypeVar

T = TypeVar("T")


class Secret(Generic[T]):
    """Wrap a key, token or secret: its repr and text are `***`; it refuses to be pickled or copied."""

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def reveal(self) -> T:
        """Return the value itself. Keep it out of attributes, messages and long-lived variables."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not written anywhere: it cannot be pickled or copied")
