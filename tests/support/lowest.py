"""Print the oldest version of each dependency that `pyproject.toml` allows, one a line, for pip."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def main() -> None:
    """Print the pins of what users install; development tools are not theirs."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    for text in (*project["dependencies"], *optional["sim"], *optional["cli"]):
        needed = Requirement(text)
        lowest = next(each.version for each in needed.specifier if each.operator == ">=")
        sys.stdout.write(f"{needed.name}=={lowest}\n")


if __name__ == "__main__":
    main()
