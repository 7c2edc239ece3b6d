"""A line that local variables do not cross: what failed below it shows its lines, and no values.

Responsible for tracebacks that are rendered with locals (rich, collectors of errors, `pytest -l`): the
frames of the HTTP and socket libraries, and our own that sign, hold tokens, cookies and bodies. Where a
secret cannot be wrapped any longer, the code below is called inside `with SEALED:`. The frame that says
so still runs, so it must hold nothing bare itself.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Final

from ibkr_async.errors import IbkrError

if TYPE_CHECKING:
    from types import TracebackType


class Sealed:
    """Empties the frames that an exception has left, and passes it on."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drop the locals of whatever ended below, its causes included."""
        seen: set[int] = set()
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            traceback.clear_frames(error.__traceback__)
            error = error.__cause__ or error.__context__
            if isinstance(error, IbkrError):
                # It was sealed where it arose. An error that several tasks are given may name frames
                # of another task, which must not be touched.
                return


SEALED: Final = Sealed()
