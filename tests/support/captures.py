"""Find recorded payloads, and skip with a reason where they are absent.

The recordings are not part of the project: they lie in `../shared/captures` beside it, or where
`IBKR_CAPTURES` says. Only rows that were recorded from IBKR are evidence of the wire.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

PROJECT = Path(__file__).resolve().parents[2]


_NOT_SEEN = ("documentation", "shape only", "constructed", "synthetic", "guessed")


class Capture(NamedTuple):
    """One row of a captures file."""

    file: str
    topic_or_path: str
    raw: str
    """The exact text."""
    inbound: bool
    recorded: bool
    """Seen on the wire by somebody; False for samples out of documentation."""
    status: int | None
    """HTTP status of a REST row."""
    source: str

    def __repr__(self) -> str:
        return f"{self.file}:{self.topic_or_path}"


def captures_dir() -> Path:
    """Give the folder of the recordings, whether or not it is there."""
    named = os.environ.get("IBKR_CAPTURES")
    return Path(named) if named else PROJECT.parent / "shared" / "captures"


def require_captures() -> Path:
    """Give the folder of the recordings, or skip the test and say why."""
    folder = captures_dir()
    if not folder.is_dir():
        pytest.skip(f"no recorded payloads: {folder} does not exist (IBKR_CAPTURES names another)")
    return folder


def read_captures(pattern: str) -> list[Capture]:
    """Read the rows of all files that match, such as `ws_*.jsonl`, in order; or skip."""
    folder = require_captures()
    rows = [
        _capture(path.name, msgspec.json.decode(line))
        for path in sorted(folder.glob(pattern))
        for line in path.read_bytes().splitlines()
        if line.strip()
    ]
    if not rows:
        pytest.skip(f"no recorded payloads: nothing in {folder} matches {pattern}")
    return rows


def _capture(file: str, row: dict[str, Any]) -> Capture:
    provenance = row.get("provenance", "").lower()
    return Capture(
        file=file,
        topic_or_path=row["topic_or_path"],
        raw=row["raw"],
        inbound=row.get("dir", "in") == "in",
        recorded=not any(word in provenance for word in _NOT_SEEN),
        status=row.get("status"),
        source=row["source"],
    )
