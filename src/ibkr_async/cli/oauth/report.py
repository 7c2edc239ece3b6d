"""How the findings of `ibkr-async oauth check` are shown, and the summary that can be passed on.

Responsible for layout and for masking: whatever was named as secret is taken out of every line that
is printed. It must never decide whether something is right.
"""

from __future__ import annotations

import platform
import ssl
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

from ibkr_async.cli.oauth.causes import explain
from ibkr_async.errors import IbkrError

if TYPE_CHECKING:
    from collections.abc import Iterator


class State(StrEnum):
    """What became of one look."""

    OK = "ok"
    WARNING = "warn"
    FAILED = "FAIL"
    SKIPPED = "skip"


_SIGNS = {
    State.OK: ("✓", "green"),
    State.WARNING: ("!", "yellow"),
    State.FAILED: ("✗", "bold red"),
    State.SKIPPED: ("-", "dim"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckFinding:
    """One line."""

    what: str
    state: State
    detail: str = ""
    cause: str = ""
    cure: str = ""


@dataclass(slots=True)
class Report:
    """Collects findings and shows each as it comes."""

    plain: bool
    findings: list[CheckFinding] = field(default_factory=list[CheckFinding])
    _hidden: list[str] = field(default_factory=list[str], repr=False)
    _console: Console = field(default_factory=lambda: Console(highlight=False))

    def hide(self, *secrets: str) -> None:
        """Take these texts out of whatever is shown from now on."""
        self._hidden += [secret for secret in secrets if secret]

    def heading(self, text: str) -> None:
        """Begin a group of findings."""
        if self.plain:
            print(f"# {text}")
        else:
            self._console.print(Text(f"\n{text}", style="bold"))

    def ok(self, what: str, detail: str = "") -> None:
        """Note that something is right."""
        self._add(CheckFinding(what=what, state=State.OK, detail=detail))

    def skip(self, what: str, why: str) -> None:
        """Note that something was not looked at."""
        self._add(CheckFinding(what=what, state=State.SKIPPED, detail=why))

    def warn(self, what: str, detail: str, *, cause: str = "", cure: str = "") -> None:
        """Note that something is odd, but may work."""
        self._add(
            CheckFinding(what=what, state=State.WARNING, detail=detail, cause=cause, cure=cure)
        )

    def fail(self, what: str, detail: str, *, cause: str = "", cure: str = "") -> None:
        """Note that something is wrong."""
        self._add(
            CheckFinding(what=what, state=State.FAILED, detail=detail, cause=cause, cure=cure)
        )

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Turn an error inside the block into a finding with cause and cure."""
        try:
            yield
        except IbkrError as error:
            row = explain(error)
            self.fail(what, str(error), cause=row.cause, cure=row.cure)

    @property
    def failed(self) -> bool:
        """True when something is wrong."""
        return any(finding.state is State.FAILED for finding in self.findings)

    def summary(self) -> str:
        """Compose what can be pasted into a report: versions and findings, without secrets."""
        from ibkr_async import __version__

        versions = (
            f"ibkr_async {__version__}, Python {platform.python_version()}, "
            f"{ssl.OPENSSL_VERSION}, {platform.system()} {platform.machine()}"
        )
        lines = [f"ibkr-async oauth check: {'FAILED' if self.failed else 'passed'}", versions]
        lines += [
            f"{found.state:<4} {found.what}{': ' if found.detail else ''}{found.detail}"
            for found in self.findings
        ]
        return self._masked("\n".join(lines))

    def close(self) -> None:
        """Print the summary."""
        if self.plain:
            print(f"--- summary, secrets masked ---\n{self.summary()}\n---")
            return
        style = "red" if self.failed else "green"
        self._console.print(
            Panel(
                Text(self.summary()),
                title="Summary to pass on (secrets masked)",
                title_align="left",
                border_style=style,
            )
        )

    def _add(self, finding: CheckFinding) -> None:
        self.findings.append(finding)
        lines = [("cause", finding.cause), ("cure", finding.cure)]
        detail = self._masked(finding.detail)
        if self.plain:
            print(f"{finding.state:<4} {finding.what}{': ' if detail else ''}{detail}")
            for name, text in lines:
                if text:
                    print(f"     {name}: {self._masked(text)}")
            return
        sign, style = _SIGNS[finding.state]
        line = Text.assemble((f" {sign} ", style), (finding.what, "bold"))
        if detail:
            line.append(f"  {detail}", style="" if finding.state is State.FAILED else "dim")
        self._console.print(line)
        for name, text in lines:
            if text:
                body = Text.assemble((f"{name}: ", "bold"), self._masked(text))
                self._console.print(Padding(body, (0, 0, 0, 5)))

    def _masked(self, text: str) -> str:
        # The longest first: one secret may be part of another.
        for secret in sorted(self._hidden, key=len, reverse=True):
            text = text.replace(secret, "***")
        # A home directory has the user's name in it.
        return text.replace(str(Path.home()), "~")


def masked(text: str) -> str:
    """Show the first two characters and the length."""
    return f"{text[:2]}… ({len(text)} characters)"
