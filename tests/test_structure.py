"""The rules of CONTRIBUTING.md that a machine can hold, read from the syntax trees of the sources.

Each rule is a function from sources to offences, and is shown to find an offence that is planted. A list
in capitals names what is excused, with the reason.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from hypothesis import settings

from support.source_tree import MODULES, PROJECT, SOURCE, home_of, imports_in, tree_of

TREES = {name: tree_of(path) for name, path in MODULES.items()}
Trees = Mapping[str, ast.Module]


def planted(**modules: str) -> Trees:
    """Make trees of our own: `rest__pacing="import x"` is the module `ibkr_async.rest.pacing`."""
    return {
        f"ibkr_async.{name.replace('__', '.')}": ast.parse(text) for name, text in modules.items()
    }


# --- circles of knowledge ------------------------------------------------------------------------


def circles(trees: Trees) -> set[frozenset[str]]:
    """Find the groups of modules that know each other, imports for type checkers included."""
    knows = {
        module: {home_of(one.name, trees) for one in imports_in(tree)} - {None, module}
        for module, tree in trees.items()
    }
    reached = {module: _reach(module, knows) for module in knows}
    found = {
        frozenset(other for other in reached[module] if module in reached.get(other, ())) | {module}
        for module in knows
        if module in reached[module]
    }
    return {frozenset(name.removeprefix("ibkr_async.") for name in circle) for circle in found}


def _reach(start: str, knows: Mapping[str, set[str | None]]) -> set[str | None]:
    seen: set[str | None] = set()
    waiting: list[str | None] = [start]
    while waiting:
        for target in knows.get(waiting.pop() or "", ()):
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen


def test_no_modules_know_each_other_in_a_circle() -> None:
    """Not even behind `TYPE_CHECKING`: who must know whom should be told in one direction."""
    found = circles(TREES)

    assert found == set()


def test_circle_is_found() -> None:
    """Behind `TYPE_CHECKING` and over three corners."""
    trees = planted(
        a="from ibkr_async.b import x",
        b="if TYPE_CHECKING:\n    from ibkr_async.c import y",
        c="def f():\n    import ibkr_async.a",
        d="import ibkr_async.a",
    )

    assert circles(trees) == {frozenset("abc")}


# --- doors ---------------------------------------------------------------------------------------


def trespassers(trees: Trees) -> list[str]:
    """List who imports a module `_name`, or a name out of one, from outside its package."""
    found = []
    for module, tree in trees.items():
        for name, _ in imports_in(tree):
            parts = name.split(".")
            private = [at for at, part in enumerate(parts) if re.match("_[a-z]", part)]
            package = ".".join(parts[: private[0]]) if private else ""
            inside = module == package or module.startswith(f"{package}.")
            if parts[0] == "ibkr_async" and private and not inside:
                found.append(f"{module} imports {name}")
    return found


def test_underscore_is_private_to_its_package() -> None:
    """A module or name with an underscore is used inside the package that it lies in."""
    assert trespassers(TREES) == []


def test_trespasser_is_found() -> None:
    """A module, a name out of a module, and what is fine."""
    trees = planted(
        rest__a="from ibkr_async.auth._secret import Secret",
        rest__b="from ibkr_async.auth.keys import _parse",
        auth__c="from ibkr_async.auth._secret import Secret",
        auth__oauth1a__d="from ibkr_async.auth._secret import Secret",
    )

    assert [line.split()[0] for line in trespassers(trees)] == [
        "ibkr_async.rest.a", "ibkr_async.rest.b",
    ]  # fmt: skip


LARGE_FOLDERS: dict[str, str] = {
    ".": "the faces, and the ground floor that everything stands on",
    "resources": "one file for each of IBKR's headings",
    "models": "one file for each kind of answer, as IBKR's reference has them",
    "simulator/broker": "one file for each thing that a broker keeps",
}
LARGE = 12


def large_folders(files: Iterable[Path], root: Path) -> dict[str, int]:
    """Count the modules of the folders that have more than a reader takes in."""
    counts = Counter(
        path.parent.relative_to(root).as_posix() for path in files if path.name != "__init__.py"
    )
    return {folder: count for folder, count in counts.items() if count > LARGE}


def test_listing_of_a_folder_explains_itself() -> None:
    """Over about twelve files a folder is split by floor."""
    assert large_folders(MODULES.values(), SOURCE).keys() <= LARGE_FOLDERS.keys()


def test_large_folder_is_found() -> None:
    """Thirteen are too many, twelve are not."""
    files = [Path(f"/a/b/{number}.py") for number in range(13)]

    assert large_folders(files, Path("/a")) == {"b": 13}
    assert large_folders(files[1:], Path("/a")) == {}


def doubled(trees: Trees) -> set[str]:
    """Find the public class names that stand for more than one class."""
    counts = Counter(
        node.name
        for tree in trees.values()
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    return {name for name, count in counts.items() if count > 1}


def test_every_public_class_has_a_name_of_its_own() -> None:
    """Whoever searches for a class finds one."""
    assert doubled(TREES) == set()


def test_doubled_name_is_found() -> None:
    """Private ones may repeat."""
    trees = planted(a="class A: ...\nclass _B: ...", b="class A: ...\nclass _B: ...\nclass C: ...")

    assert doubled(trees) == {"A"}


# --- one mechanism -------------------------------------------------------------------------------


def powers(trees: Trees) -> list[str]:
    """List where two is raised to a power that varies."""
    return [
        f"{module}:{node.lineno}"
        for module, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Pow)
        and isinstance(node.left, ast.Constant)
        and node.left.value == 2
        and not isinstance(node.right, ast.Constant)
    ]


def test_delay_doubles_in_one_place() -> None:
    """Four of six doublings written elsewhere had no bound, and ended in an overflow."""
    assert {place.split(":")[0] for place in powers(TREES)} == {"ibkr_async.backoff"}


def test_power_is_found() -> None:
    """`2 ** 31` and `10 ** n` are numbers, `2.0 ** n` is a delay."""
    assert powers(planted(a="x = 2.0 ** n\ny = 2 ** 31\nz = 10 ** n")) == ["ibkr_async.a:1"]


# --- tests ---------------------------------------------------------------------------------------

TRADES_OR_FOLDS = (
    "orders.",
    "stream.",
    "feeds._bar_builder",
    "feeds._backfill",
    "feeds.bars",
    "feeds.feed",
    "feeds.ladder",
    "feeds.quotes",
    "models.market_data",
    "models.quotes",
    "thirdparty.orders.calls",
    "thirdparty.orders.changes",
    "thirdparty.orders.requests",
    "thirdparty.orders.rules",
    "thirdparty.sending",
    "thirdparty.statuses",
)
WITHOUT_TESTS: dict[str, str] = {
    "orders.results": "values without behaviour",
    "orders.settings": "values without behaviour",
    "stream.core.stats": "values without behaviour",
    "stream.settings": "values without behaviour",
    "stream.wire.topic_row": "the shape of a row; the rows are tested in `test_topics.py`",
}


def untested(modules: Iterable[str], tests: Iterable[str]) -> set[str]:
    """Find the modules that trade or fold and have no test file of their own name."""
    named = set(tests)
    return {
        name
        for module in modules
        for name in [module.removeprefix("ibkr_async.")]
        if name.startswith(TRADES_OR_FOLDS)
        and f"test_{name.rpartition('.')[2].lstrip('_')}.py" not in named
    }


def test_module_that_trades_or_folds_has_its_own_test_file() -> None:
    """Who changes one knows where its cases are."""
    files = [path.name for path in PROJECT.glob("tests/**/test_*.py")]
    modules = [name for name, path in MODULES.items() if path.name != "__init__.py"]

    assert untested(modules, files) <= WITHOUT_TESTS.keys()


def test_untested_module_is_found() -> None:
    """An underscore is not part of the name of the test file."""
    modules = ["ibkr_async.orders.desk", "ibkr_async.feeds._backfill", "ibkr_async.orders.handle"]

    assert untested(modules, ["test_desk.py", "test_backfill.py"]) == {"orders.handle"}


def test_property_tests_are_the_same_every_time() -> None:
    """A newcomer's first run must not be red by chance; `IBKR_RANDOM_SEEDS=1` is the other mode."""
    import os

    assert settings.default is not None
    assert settings.default.derandomize is not bool(os.environ.get("IBKR_RANDOM_SEEDS"))


def unseeded(trees: Trees) -> list[str]:
    """List where chance is drawn without a seed, or a test decides on that for itself."""
    return [
        f"{module}:{node.lineno}"
        for module, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (
            (_called(node.func) in {"random.Random", "Random"} and not node.args)
            or re.fullmatch(
                r"random\.(random|randint|choice|shuffle|uniform|sample)", _called(node.func)
            )
            or any(word.arg == "derandomize" for word in node.keywords)
        )
    ]


def _called(func: ast.expr) -> str:
    if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name):
        return f"{func.value.id}.{func.attr}"
    return func.id if isinstance(func, ast.Name) else ""


def test_no_test_draws_without_a_seed() -> None:
    """The one place that decides is `tests/conftest.py`."""
    trees = {
        path.relative_to(PROJECT).as_posix(): tree_of(path)
        for path in PROJECT.glob("tests/**/*.py")
        if path != PROJECT / "tests" / "conftest.py"
    }

    assert unseeded(trees) == []


def test_draw_without_a_seed_is_found() -> None:
    """With one it is fine."""
    text = "a = random.random()\nb = random.Random()\nc = random.Random(7)\n"

    assert unseeded({"t": ast.parse(text + "settings(derandomize=False)")}) == ["t:1", "t:2", "t:4"]


# --- privates ------------------------------------------------------------------------------------

BEHIND_ONE_NAME = PROJECT / "tests" / "support" / "inside.py"
_NAMED_TUPLE: set[str] = {"_replace", "_asdict", "_fields", "_make", "_exit"}
"""Public names that begin with an underscore, so as not to meet a field; and `os._exit`."""


def unexplained_privates(text: str) -> list[int]:
    """Find the lines that touch another object's private and say nothing beside or above it."""
    lines = text.splitlines()
    touched = {
        node.end_lineno or node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute)
        and re.fullmatch(r"_[^_].*", node.attr)
        and node.attr not in _NAMED_TUPLE
        and not (isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"})
    }
    return sorted(
        number
        for number in touched
        if not re.match(r"\s*# \w", lines[number - 2])
        and not re.search(r"# (?!noqa|type: ignore\[[\w-]+\]$)\w", lines[number - 1])
    )


def test_private_is_touched_with_a_reason() -> None:
    """A test that reaches inside breaks when nothing broke; it says why it must."""
    found = {
        str(path.relative_to(PROJECT)): lines
        for path in sorted((PROJECT / "tests").rglob("*.py"))
        if path != BEHIND_ONE_NAME and (lines := unexplained_privates(path.read_text("utf-8")))
    }

    assert not found, f"touch what is public, use support.inside, or say why: {found}"


def test_unexplained_private_is_found() -> None:
    """The rule itself: a comment is a reason, a marker for another tool is none."""
    text = """
x._replace(a=1)
self._mine = 1
core._registry
core._registry  # noqa: SLF001
# The channels have no public place.
core._registry
core._registry  # as above
"""

    assert unexplained_privates(text) == [4, 5]


# --- words ---------------------------------------------------------------------------------------

_FOREIGN_VERB = re.compile(r"(Give|Say|Tell(?! whether))s?\b")


def foreign_verbs(tree: ast.Module) -> list[str]:
    """List the functions whose docstring begins with Give, Say, or Tell without whether."""
    return [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and _FOREIGN_VERB.match(ast.get_docstring(node) or "")
    ]


def test_docstrings_speak_one_dialect() -> None:
    """Return, Raise, Check, Tell whether."""
    found = {
        module.removeprefix("ibkr_async."): names
        for module, tree in TREES.items()
        if (names := foreign_verbs(tree))
    }

    assert found == {}


def test_foreign_verb_is_found() -> None:
    """Also in an async function; a method is a function."""
    text = """
def a(): "Give it."
async def b(): "Say so."
def c(): "Tell whether it is so."
class D:
    def e(self): "Tell it."
    def f(self): "Return it."
"""

    assert foreign_verbs(ast.parse(text)) == ["a", "b", "e"]


_MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:work|root|home|Users|tmp|mnt|srv)/[\w./-]*")
_UPWARDS = re.compile(r"(?:\.\./)+[\w./-]*")


def strangers(text: str, folder: Path) -> Iterator[str]:
    """Yield the paths in a text that lead out of the project, read from this folder of it."""
    yield from _MACHINE_PATH.findall(text)
    for path in _UPWARDS.findall(text):
        if PROJECT not in (folder / path).resolve().parents:
            yield path


def read_by_users() -> list[Path]:
    """List what users read: pages, examples, and the sources with their docstrings and messages."""
    patterns = ("*.md", "docs/**/*.md", "examples/**/*.py", "src/**/*.py")
    return [path for pattern in patterns for path in sorted(PROJECT.glob(pattern))]


def test_nothing_that_users_read_names_a_folder_of_the_workshop() -> None:
    """Whoever installs the package has only what is in it."""
    found = {
        path.relative_to(PROJECT).as_posix(): names
        for path in read_by_users()
        if (names := list(strangers(path.read_text(encoding="utf-8"), path.parent)))
    }

    assert found == {}


def test_path_out_of_the_project_is_found() -> None:
    """A link between two pages is none."""
    docs = PROJECT / "docs"
    text = "[a](../README.md), https://host/home/x, `../../elsewhere/b.md` and /" + "root/c"

    assert list(strangers(text, docs)) == ["/" + "root/c", "../../elsewhere/b.md"]


def test_every_module_is_read_by_these_rules() -> None:
    """The rules would hold for nothing as well."""
    assert len(TREES) > 200
    assert home_of("ibkr_async.models.quotes.Quote") == "ibkr_async.models.quotes"
    assert home_of("httpx.Client") is None
