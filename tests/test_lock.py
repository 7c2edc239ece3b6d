"""The development lock can be installed by every pip that a supported Python brings along."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = (Path(__file__).parents[1] / "requirements-dev.lock").read_text(encoding="utf-8")
PINNED = {
    canonicalize_name(name): set(extras.split(",")) if extras else set[str]()
    for name, extras in re.findall(r"^([A-Za-z0-9._-]+)(?:\[(.*?)\])?==", LOCK, re.MULTILINE)
}


def test_extras_are_pinned_with_their_package() -> None:
    """Else pip 23 takes the newest release for a requirement with extras, and refuses its lack of hashes."""
    lacking: list[str] = []
    for name in PINNED:
        try:
            needs = [Requirement(text) for text in requires(name) or []]
        except PackageNotFoundError:
            continue  # for another system
        lacking += [
            f"{need.name}[{','.join(need.extras)}], needed by {name}"
            for need in needs
            if need.extras and (need.marker is None or need.marker.evaluate({"extra": ""}))
            if not need.extras <= PINNED.get(canonicalize_name(need.name), set())
        ]

    assert PINNED
    assert lacking == []


def test_lock_names_no_index() -> None:
    """It pins versions and hashes; where packages come from is the machine's business."""
    assert "--hash=sha256:" in LOCK
    assert not re.search(r"https?:|--index|--find-links|--trusted-host", LOCK)
