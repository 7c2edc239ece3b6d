"""The architecture's import rules, read from the syntax trees of the sources."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import ibkr_async
from support.source_tree import MODULES, home_of, imports_in, tree_of

IMPURE = {
    "anyio",
    "asyncio",
    "httpx",
    "os",
    "random",
    "secrets",
    "socket",
    "ssl",
    "time",
    "websockets",
}
PURE = (
    "types",
    "errors",
    "backoff",
    "knobs",
    "models",
    "oauth",
    "rest.request",
    "rest.body",
    "rest.decode",
    "rest.pacing",
    "rest.retry",
    "rest.settings",
    "session.settings",
    "stream.settings",
    "orders.settings",
    "rest.door",
    "session.state",
    "session.settings",
    "session.accounts",
    "session.events",
    "stream.wire.topic_row",
    "stream.wire.topics",
    "stream.core.addressing",
    "stream.wire.frames",
    "stream.core.liveness",
    "stream.core.channel",
    "stream.core.staleness",
    "stream.hours",
    "feeds._bar_builder",
    "feeds._backfill",
    "stream.delivery.events",
    "stream.delivery.buffer",
    "stream.core.protocol",
    "stream.socket.close_codes",
    "stream.core.registry",
    "stream.core.agenda",
    "stream.core.channel_state",
    "stream.socket.reconnecting",
    "stream.seldom",
    "stream.core.lifecycle",
    "stream.wire.sharing",
    "stream.core.output",
    "stream.core.stats",
    "orders.write.rules",
    "orders.write.order_types",
    "orders.write.tickets",
    "orders.fate.unknown",
    "orders.send.gate",
    "orders.send.stake",
    "orders.write.groups",
    "orders.write.combos",
    "orders.write.contract_checks",
    "orders.fate.evidence",
    "orders.known.terms",
    "orders.fate.failures",
    "orders.write.policy",
    "orders.write.questions",
    "orders.write.symbols",
    "orders.send.dialogue",
    "orders.send.identity",
    "orders.write.coid",
    "orders.known.legs",
    "orders.known.observations",
    "orders.known.events",
    "orders.known.record",
    "orders.known.tracker",
)

# A package may import packages of a lower level, and its own.
LEVEL = {
    "_version": -1,
    "_late": -1,
    "types": 0,
    "errors": 0,
    "knobs": 1,
    "ports": 0,
    "world": 0,
    "testing": 1,
    "backoff": 0,
    "home": 1,
    "ending": 0,
    "_arguments": 1,
    "sealed": 1,
    "models": 1,
    "oauth": 1,
    "files": 2,
    "config": 7,
    "auth": 3,
    "rest": 4,
    "rest.settings": 2,
    "rest.retry": 2,
    # A small client of its own: the three legs are walked before there is a `Client`.
    "auth.flow": 5,
    "stream.settings": 3,
    "stream.core": 4,
    "resources": 5,
    "session": 6,
    "stream": 4,
    "feeds": 5,
    # What users call: one of the feeds is a conversation about an order.
    "feeds.catalogue": 7,
    "orders": 6,
    "thirdparty": 7,
    "flex": 7,
    "events": 7,
    "health": 7,
    "wiring": 8,
    "faces": 9,
    "client": 10,
    "simulator": 8,
    "cli": 11,
}

PUBLIC_NAMES = 10
"""Level of the package's own `__init__`, which collects what users import."""

# (importer, imported) pairs outside the rules, each with its reason.
EXCEPTIONS = {
    # `sim.auth()` and `sim.gateway()` hand out ready credentials; the import is inside the method.
    ("simulator.simulator", "auth"),
    # For type checkers only: an error carries the question that a user may answer.
    ("errors", "models.order_answers"),
}


def inner_name(name: str) -> str:
    """`ibkr_async.rest.pacing.Pacer` -> `rest.pacing.Pacer`."""
    return name.removeprefix("ibkr_async").removeprefix(".")


def level_of(name: str) -> int | None:
    """Level of a module of ours; the longest matching row of the table counts."""
    rows = [row for row in LEVEL if name == row or name.startswith(row + ".")]
    if not rows and hasattr(ibkr_async, name):
        return PUBLIC_NAMES
    return LEVEL[max(rows, key=len)] if rows else None


ALL = [pytest.param(name, path, id=name) for name, path in MODULES.items()]


@pytest.mark.parametrize(("module", "path"), ALL)
def test_module_imports_only_what_its_layer_allows(module: str, path: Path) -> None:
    """Arrows point down only, and every package has its place in the table."""
    name = inner_name(module)
    if name in {"", "__main__"}:
        return
    level = level_of(name)

    assert level is not None, f"{module} has no place in the layer table"
    for imported, _ in imports_in(tree_of(path)):
        if not imported.startswith("ibkr_async"):
            continue
        target = inner_name(imported)
        if any(name == a and target.startswith(b) for a, b in EXCEPTIONS):
            continue
        if target.split(".")[0] == name.split(".")[0]:
            continue
        target_level = level_of(target)
        assert target_level is not None, f"{module} imports {imported}, which is unknown"
        assert target_level < level, f"{module} imports {imported}, which is not below it"


@pytest.mark.parametrize(("module", "path"), ALL)
def test_pure_module_imports_nothing_that_does_io(module: str, path: Path) -> None:
    """Time, randomness and the network come in as arguments."""
    name = inner_name(module)
    if not any(name == pure or name.startswith(pure + ".") for pure in PURE):
        return
    impure = {
        imported
        for imported, typing_only in imports_in(tree_of(path))
        if imported.split(".")[0] in IMPURE and not typing_only
    }

    assert not impure


def test_every_pure_module_of_the_list_exists() -> None:
    """A renamed file cannot slip out of the rule."""
    assert [name for name in PURE if f"ibkr_async.{name}" not in MODULES] == []


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("httpx", {"ibkr_async.rest.transport"}),
        ("websockets", {"ibkr_async.stream.socket.connection", "ibkr_async.stream.socket.framing"}),
    ],
)
def test_library_is_imported_in_its_one_place(library: str, allowed: set[str]) -> None:
    """A swap of the library stays cheap."""
    users = {
        module
        for module, path in MODULES.items()
        if any(name.split(".")[0] == library for name, _ in imports_in(tree_of(path)))
    }

    assert users <= allowed


def test_simulator_shares_nothing_but_models_types_and_world() -> None:
    """One misunderstanding must not hide on both sides of the wire."""
    shared = {
        (inner_name(module), inner_name(imported))
        for module, path in MODULES.items()
        if module.startswith("ibkr_async.simulator")
        for imported, _ in imports_in(tree_of(path))
        if imported.startswith("ibkr_async")
        and inner_name(imported).split(".")[0] not in {"simulator", "models", "types", "world"}
    }

    assert {pair for pair in shared if not any(pair[0] == a for a, _ in EXCEPTIONS)} == set()


def test_modules_import_without_cycles() -> None:
    """The module graph, type-checking imports aside, has no cycle."""
    graph: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        targets: set[str] = set()
        for imported, typing_only in imports_in(tree_of(path)):
            if typing_only or not imported.startswith("ibkr_async"):
                continue
            target = home_of(imported)
            if target is not None and target != module:
                targets.add(target)
        graph[module] = targets
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail, module))
        if module in done:
            return
        for target in graph[module]:
            visit(target, (*trail, module))
        done.add(module)

    for module in graph:
        visit(module, ())


def test_importing_the_package_has_no_side_effects() -> None:
    """Module bodies hold definitions and constants, not calls that act."""
    offenders = [
        f"{module}:{node.lineno}"
        for module, path in MODULES.items()
        for node in tree_of(path).body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ]

    assert offenders == []
