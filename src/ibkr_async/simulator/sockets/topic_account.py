"""`spl`, `ssd` and `sld`: profit and loss, summary and ledger of one socket. Pure.

Responsible for what is sent when: everything first, then what changed, with unchanged rows reduced
to their key and time. These topics need no brokerage session. It must never compute money: the rows
come from the broker.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ibkr_async.simulator.wire import as_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ibkr_async.simulator.broker.broker import BrokerEvent
    from ibkr_async.simulator.sockets.floor import Floor
    from ibkr_async.simulator.sockets.outlet import Outlet
    from ibkr_async.simulator.wire import Command

Row = dict[str, Any]
_ALWAYS = frozenset({"key", "timestamp"})


class PnlStream:
    """The `spl` stream of one socket."""

    needs_brokerage = False

    def __init__(self, floor: Floor, outlet: Outlet) -> None:
        self.commands: dict[str, Callable[[Command, float], None]] = {
            "spl": self._start,
            "upl": self._end,
        }
        self._floor = floor
        self._outlet = outlet
        self._sent: dict[str, Row] | None = None
        self._due = 0.0

    @property
    def topics(self) -> list[str]:
        """Full topics that are running."""
        return [] if self._sent is None else ["spl"]

    def _start(self, _command: Command, now: float) -> None:
        self._sent = {}
        self._send(now)

    def _end(self, _command: Command, _now: float) -> None:
        self._sent = None

    def advance(self, _events: Sequence[BrokerEvent], now: float) -> None:
        """Send what changed, when it is time."""
        if self._sent is not None and now >= self._due:
            self._send(now)

    def _send(self, now: float) -> None:
        """Send what changed of the profit and loss, whole the first time."""
        self._due = now + self._floor.settings.pnl_s
        before, self._sent = self._sent or {}, self._floor.broker.pnl()
        changes: dict[str, Row] = {}
        for account, row in self._sent.items():
            known = before.get(account, {})
            changed = {key: value for key, value in row.items() if known.get(key) != value}
            if changed:
                changes[account] = {"rowType": row["rowType"]} | changed
        if changes:
            self._outlet.send_args("spl", changes)


class _Kind(NamedTuple):
    """What differs between summary and ledger."""

    read: Callable[[str, float], list[Row] | None]
    """Rows of an account; None for one that this login does not have."""
    interval_s: float
    even_unchanged: bool
    """Send a frame even when no row has changed."""
    farewell: str
    """The text that answers the unsubscription, in a frame without a topic."""


@dataclass(slots=True)
class _Report:
    """One running summary or ledger."""

    topic: str
    account_id: str
    keys: frozenset[str] | None
    fields: frozenset[str] | None
    """In lower case: the ledger's own spelling is mixed."""
    due: float = 0.0
    sent: dict[str, Row] = field(default_factory=dict[str, Row])


class ReportStreams:
    """The `ssd` and `sld` streams of one socket."""

    needs_brokerage = False

    def __init__(self, floor: Floor, outlet: Outlet) -> None:
        self.open: dict[str, _Report] = {}
        """Running reports by full topic."""
        self.commands: dict[str, Callable[[Command, float], None]] = {
            "ssd": self._start,
            "usd": self._end,
            "sld": self._start,
            "uld": self._end,
        }
        self._outlet = outlet
        settings, broker = floor.settings, floor.broker
        self._kinds = {
            "ssd": _Kind(
                broker.summary_rows, settings.summary_s, False, "unsubscribed from summary"
            ),
            "sld": _Kind(broker.ledger_rows, settings.ledger_s, True, "unsubscribed from ledger"),
        }

    @property
    def topics(self) -> list[str]:
        """Full topics that are running."""
        return list(self.open)

    def _start(self, command: Command, now: float) -> None:
        """Start a report; an unknown account stays silent: no error is known."""
        account_id = command.targets[0] if len(command.targets) == 1 else ""
        if self._kinds[command.topic].read(account_id, now) is None:
            return
        keys = as_texts(command.arguments.get("keys")) or None
        fields = as_texts(command.arguments.get("fields")) or None
        report = self.open[command.full_topic] = _Report(
            topic=command.full_topic,
            account_id=account_id,
            keys=None if keys is None else frozenset(keys),
            fields=None if fields is None else frozenset(name.lower() for name in fields),
        )
        self._send(report, now)

    def _end(self, command: Command, _now: float) -> None:
        code = {"usd": "ssd", "uld": "sld"}[command.topic]
        ended = self.open.pop("+".join((code, *command.targets)), None)
        if ended is not None:
            self._outlet.send({"result": self._kinds[code].farewell})

    def advance(self, _events: Sequence[BrokerEvent], now: float) -> None:
        """Send the reports that are due."""
        for report in self.open.values():
            if now >= report.due:
                self._send(report, now)

    def _send(self, report: _Report, now: float) -> None:
        kind = self._kinds[report.topic.partition("+")[0]]
        report.due = now + kind.interval_s
        rows = kind.read(report.account_id, now) or []
        wanted = [_narrowed(row, report.fields) for row in rows if _is_wanted(row, report.keys)]
        result: list[Row] = []
        changed = False
        for row in wanted:
            known = report.sent.get(row["key"])
            same = known is not None and _content(known) == _content(row)
            changed = changed or not same
            result.append({key: row[key] for key in ("key", "timestamp")} if same else row)
        report.sent = {row["key"]: row for row in wanted}
        if changed or kind.even_unchanged:
            self._outlet.send({"result": result, "topic": report.topic})


def _is_wanted(row: Row, keys: frozenset[str] | None) -> bool:
    return keys is None or row["key"] in keys


def _narrowed(row: Row, fields: frozenset[str] | None) -> Row:
    if fields is None:
        return row
    return {key: value for key, value in row.items() if key in _ALWAYS or key.lower() in fields}


def _content(row: Row) -> Row:
    return {key: value for key, value in row.items() if key != "timestamp"}
