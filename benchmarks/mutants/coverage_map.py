"""Which tests run which line: asked of coverage once, and kept while the modules stay as they are."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from coverage import CoverageData

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT: Final = Path(__file__).parents[2]
SOURCE: Final = ROOT / "src" / "ibkr_async"
_CONFIGURATION: Final = "[run]\nsource_pkgs = ibkr_async\n"


class CoverageMap:
    """The tests of each line."""

    def __init__(self, home: Path, tests: Sequence[str], *, fresh: bool = False) -> None:
        """`tests` are folders or files; `fresh` forgets what was found before."""
        self._home = home
        self._tests = list(tests)
        self._fresh = fresh
        self.failing: list[str] = []
        """Tests that fail without any mutant: they notice nothing."""
        self._contexts: dict[str, dict[int, list[str]]] = {}

    def make(self, modules: Iterable[Path]) -> None:
        """Make sure that the map knows these modules as they are."""
        self._home.mkdir(parents=True, exist_ok=True)
        facts = self._home / "facts.json"
        wanted = {str(path): _hash(SOURCE / path) for path in modules}
        known = json.loads(facts.read_text()) if facts.exists() and not self._fresh else {}
        kept = known.get("modules", {})
        if known.get("tests") != self._tests or wanted.items() - kept.items():
            self.failing = self._measure()
            everything = {
                str(path.relative_to(SOURCE)): _hash(path) for path in SOURCE.rglob("*.py")
            }
            known = {"tests": self._tests, "modules": everything, "failing": self.failing}
            facts.write_text(json.dumps(known))
        self.failing = known["failing"]
        found = CoverageData(str(self._home / "data"))
        found.read()
        for path in wanted:
            self._contexts[path] = found.contexts_by_lineno(str(SOURCE / path))

    def tests_of(self, path: Path, line: int) -> list[str]:
        """Return the tests that run a line; for what runs on import, those that run the module."""
        contexts = self._contexts[str(path)]
        found = {_test(one) for one in contexts.get(line, ())} - {""}
        if not found:
            found = {_test(one) for ones in contexts.values() for one in ones} - {""}
        own = [str(one.relative_to(ROOT)) for one in (ROOT / "tests").rglob(f"test_{path.stem}.py")]
        # The module's own tests know best, and those written since the map was made are not in it.
        return own + sorted(test for test in found if not test.startswith(tuple(own) or ("?",)))

    def _measure(self) -> list[str]:
        print(f"looking which of {' '.join(self._tests)} runs which line ...", flush=True)
        configuration = self._home / "coveragerc"
        configuration.write_text(f"{_CONFIGURATION}data_file = {self._home / 'data'}\n")
        done = subprocess.run(  # noqa: S603 - this project's own tests
            [
                *(sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider"),
                *("--cov", f"--cov-config={configuration}", "--cov-context=test", "--cov-report="),
                *self._tests,
            ],
            cwd=ROOT,
            check=False,
            stdout=subprocess.PIPE,
            text=True,
        )
        said = [line.partition(" ") for line in done.stdout.splitlines()]
        failing = [rest.partition(" - ")[0] for word, _, rest in said if word == "FAILED"]
        print("\n".join(f"fails without any mutant: {test}" for test in failing), flush=True)
        return failing


def _test(context: str) -> str:
    return context.rpartition("|")[0]


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
