"""Import a name of a package when it is first asked for.

For what a program uses one of, or none: it then costs no start that does not use it. It must never
know what it imports.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def importer(package: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of `package`; `names` has those of each module, with blanks between."""
    homes = {name: module for module, those in names.items() for name in those.split()}

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(homes[name]), name)
        setattr(sys.modules[package], name, found)
        return found

    return get
