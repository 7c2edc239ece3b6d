"""The start of the trades that are asked for. Pure: the time of day is an argument.

Responsible for the two formats of `since` and the week that it may go back. It must never take the
local time zone into account: times are UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from ibkr_async.errors import UsageError

_FORMATS: Final = "yyyy-MM-dd or yyyy-MM-dd'T'HH:mm:ss, in UTC"
_SHAPE: Final = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2})?", re.ASCII)
_FURTHEST: Final = timedelta(days=7)


def since_text(since: str | date | datetime, now: float) -> str:
    """Write the start time as the wire takes it.

    A `datetime` with a time zone is converted to UTC; one without is taken as UTC, whatever this
    machine's zone is. A `date` is its midnight in UTC. Fractions of a second are cut off.
    `now` is Unix seconds.
    Errors: `UsageError` for another format, a time in the future, and one more than a week ago.
    """
    text = _written(since)
    try:
        start = datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise UsageError(f"since={since!r} is no such day or time; allowed: {_FORMATS}") from None
    today = datetime.fromtimestamp(now, UTC)
    if start > today:
        raise UsageError(f"since={text} is in the future (UTC), which IBKR answers with 400")
    if today - start > _FURTHEST:
        raise UsageError(f"since={text} goes further back than one week, which IBKR refuses")
    return text


def _written(since: object) -> str:
    if isinstance(since, datetime):
        moment = since if since.tzinfo is None else since.astimezone(UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%S")
    if isinstance(since, date):
        return since.isoformat()
    if not isinstance(since, str) or not _SHAPE.fullmatch(since):
        raise UsageError(f"since={since!r}: allowed formats are {_FORMATS}; or a date or datetime")
    return since
