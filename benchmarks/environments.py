"""Environments of their own for what is compared with: made on first use, with pip and nothing else.

Responsible for keeping other clients out of this project's environment. When one cannot be made, the
comparison is left out with its reason, and everything else is still measured.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from importlib.metadata import version
from typing import TYPE_CHECKING

from benchmarks.machine import ROOT

if TYPE_CHECKING:
    from pathlib import Path

_INSTALL_LIMIT_S = 300


class UnavailableError(Exception):
    """An environment could not be made."""


def python_with(name: str, *packages: str) -> Path:
    """Give the interpreter of `.venv-NAME-bench`, which has these packages in their newest release.

    Errors: `UnavailableError` with what pip said.
    """
    folder = ROOT / f".venv-{name}-bench"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = folder / ".ready"
    if ready.exists() and ready.read_text(encoding="utf-8") == sys.version:
        return python
    venv.create(folder, with_pip=True, clear=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        done = subprocess.run(  # noqa: S603 - our own environment
            [*command, *packages],
            capture_output=True,
            text=True,
            timeout=_INSTALL_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"pip install {' '.join(packages)}: no answer in time") from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise UnavailableError(f"pip install {' '.join(packages)}: {' '.join(said)[:300]}")
    ready.write_text(sys.version, encoding="utf-8")
    return python


def ibind() -> Path:
    """Give an interpreter that has ibind. Errors: `UnavailableError`."""
    return python_with("ibind", "ibind[oauth]")


def picows() -> Path:
    """Give an interpreter that has picows, and msgspec as here. Errors: `UnavailableError`."""
    return python_with("picows", "picows", f"msgspec=={version('msgspec')}")


def version_in(python: Path, package: str) -> str:
    """Give the version of a package in another environment."""
    ask = f"from importlib.metadata import version; print(version({package!r}))"
    done = subprocess.run(  # noqa: S603 - our own environment
        [str(python), "-c", ask], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "?"
