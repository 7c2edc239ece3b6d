"""What the library takes from its surroundings it takes from a `World`: read from the syntax trees."""

from __future__ import annotations

import ast
import asyncio
import time

import pytest

from ibkr_async.world import RealClock, RealNetwork, RealRandom, World, seeded
from support.source_tree import MODULES, tree_of

TREES = {name.removeprefix("ibkr_async."): tree_of(path) for name, path in MODULES.items()}

BANNED_MODULES = frozenset(
    {"random", "secrets", "threading", "_thread", "concurrent.futures", "anyio.to_thread", "sched"}
)
"""Not to be imported at all."""
BANNED_NAMES = frozenset(
    {
        "time.time",
        "time.time_ns",
        "time.monotonic",
        "time.monotonic_ns",
        "time.perf_counter",
        "time.perf_counter_ns",
        "time.process_time",
        "time.sleep",
        "os.urandom",
        "uuid.uuid1",
        "uuid.uuid4",
        "asyncio.sleep",
        "asyncio.to_thread",
        "asyncio.open_connection",
        "asyncio.start_server",
        "anyio.sleep",
        "anyio.sleep_until",
        "anyio.current_time",
        "anyio.connect_tcp",
        "anyio.create_tcp_listener",
        "anyio.to_thread",
        "anyio.from_thread",
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
        "socket.socket",
        "socket.socketpair",
        "socket.create_server",
        "socket.create_connection",
    }
)
"""Not to be named, however they were imported."""
BANNED_METHODS = frozenset(
    {
        "run_in_executor",
        "create_connection",
        "create_server",
        "create_unix_connection",
        "sock_connect",
    }
)
"""Of an event loop; nothing else in the library has methods of these names."""
BANNED_LOOP_METHODS = frozenset({"time", "call_later", "call_at"})
"""Of anything whose name ends in `loop`: `self._loop.time()`, `get_running_loop().call_at(...)`."""

# Who may break the rule, and which part of it, each with its reason.
EXCEPTIONS: dict[str, frozenset[str]] = {
    # The two places that a world is made of.
    "world": frozenset({"*"}),
    "testing": frozenset({"*"}),
    # A timer inside a protocol of asyncio: it belongs to the loop, as the transport does.
    "stream.socket.connection": frozenset({"loop.call_later"}),
    # Types of arguments that the HTTP server hands in; nothing is opened.
    "simulator.server": frozenset({"socket.socket"}),
    # An example of a user's own program, which sleeps as users do.
    "cli.demo_bot": frozenset({"anyio.sleep"}),
}


_ZERO = ast.dump(ast.Constant(0))


def dotted(node: ast.expr) -> str:
    """Return `a.b.c` for such an expression, calls left out; an empty text for any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else f"?.{node.attr}"
    if isinstance(node, ast.Call):
        return dotted(node.func)
    return ""


def harmless(tree: ast.Module) -> set[int]:
    """Return the nodes below `if TYPE_CHECKING`, and `sleep` in `sleep(0)`: no time passes there."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            found |= {id(inner) for inner in ast.walk(node)}
        elif isinstance(node, ast.Call) and [ast.dump(each) for each in node.args] == [_ZERO]:
            found.add(id(node.func))
    return found


def violations(tree: ast.Module) -> set[str]:
    """Return what a module takes from its surroundings without a world."""
    ignored = harmless(tree)
    aliases: dict[str, str] = {}
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in ignored:
            continue
        imported: list[str] = []
        if isinstance(node, ast.Import):
            imported = [alias.name for alias in node.names]
            aliases |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            imported = [f"{node.module}.{alias.name}" for alias in node.names]
            aliases |= {
                alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names
            }
            found |= {node.module or ""} & BANNED_MODULES
        found |= {name for name in imported if name in BANNED_MODULES or name in BANNED_NAMES}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or id(node) in ignored:
            continue
        first, _, rest = dotted(node).partition(".")
        name = f"{aliases.get(first, first)}.{rest}"
        owner, _, method = name.rpartition(".")
        if name in BANNED_NAMES:
            found.add(name)
        elif method in BANNED_METHODS or (method in BANNED_LOOP_METHODS and owner.endswith("loop")):
            found.add(f"loop.{method}")
    return found


def rows_for(module: str) -> frozenset[str]:
    """Return what a module may do all the same."""
    rows = [
        allowed
        for name, allowed in EXCEPTIONS.items()
        if module == name or module.startswith(name + ".")
    ]
    return frozenset().union(*rows)


@pytest.mark.parametrize("module", TREES)
def test_module_takes_time_chance_threads_and_network_from_a_world(module: str) -> None:
    """Whoever hands in another world owns all of it."""
    found = violations(TREES[module])
    allowed = rows_for(module)

    assert "*" in allowed or found <= allowed


def test_exceptions_are_needed() -> None:
    """A row that nobody uses goes."""
    for name, allowed in EXCEPTIONS.items():
        modules = [each for each in TREES if each == name or each.startswith(name + ".")]
        found = set().union(*(violations(TREES[each]) for each in modules))
        assert found, name
        assert "*" in allowed or allowed <= found, name


@pytest.mark.parametrize(
    ("planted", "wanted"),
    [
        ("import time\nbegan = time.monotonic()", "time.monotonic"),
        ("from time import time as clock\nnow = clock()", "time.time"),
        ("import time\ndef f(clock=time.time): ...", "time.time"),
        ("import time as t\nt.sleep(1)", "time.sleep"),
        ("import random", "random"),
        ("from random import uniform", "random"),
        ("from secrets import token_hex", "secrets"),
        ("import os\nos.urandom(3)", "os.urandom"),
        ("from uuid import uuid4", "uuid.uuid4"),
        ("import asyncio\nasync def f(): await asyncio.sleep(1)", "asyncio.sleep"),
        ("import asyncio as a\nasync def f(): await a.to_thread(f)", "asyncio.to_thread"),
        ("import anyio\nasync def f(): await anyio.to_thread.run_sync(f)", "anyio.to_thread"),
        ("from anyio import to_thread", "anyio.to_thread"),
        ("import anyio.to_thread", "anyio.to_thread"),
        ("from anyio import sleep", "anyio.sleep"),
        ("from datetime import datetime\nnow = datetime.now()", "datetime.datetime.now"),
        ("import datetime as d\nday = d.date.today()", "datetime.date.today"),
        ("import socket\nsocket.create_server(('', 0))", "socket.create_server"),
        ("import asyncio\nnow = asyncio.get_running_loop().time()", "loop.time"),
        ("async def f(self): await self._loop.create_connection(g)", "loop.create_connection"),
        ("def f(loop): loop.run_in_executor(None, f)", "loop.run_in_executor"),
        ("def f(loop): loop.call_later(1, f)", "loop.call_later"),
        ("import threading", "threading"),
        ("from concurrent.futures import ThreadPoolExecutor", "concurrent.futures"),
    ],
)
def test_planted_violation_is_found(planted: str, wanted: str) -> None:
    """However it is spelled."""
    assert wanted in violations(ast.parse(planted))


@pytest.mark.parametrize(
    "innocent",
    [
        "async def f(world): await world.clock.sleep(1); world.clock.monotonic()",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import random",
        "def f(row): return row.time() + row.timestamp.time",
        "import asyncio\nasync def f(): await asyncio.sleep(0)",
        "import time\nname = time.strftime('%H')",
        "from datetime import UTC, datetime\nday = datetime.fromtimestamp(0, UTC)",
    ],
)
def test_innocent_code_is_left_alone(innocent: str) -> None:
    """A test that cries wolf is switched off in the end."""
    assert violations(ast.parse(innocent)) == set()


def test_real_clock_is_the_machines() -> None:
    """The two clocks are not mixed up."""
    clock = RealClock()

    assert abs(clock.wall() - time.time()) < 1
    assert abs(clock.monotonic() - time.monotonic()) < 1


def test_real_chance_has_the_size_that_was_asked_for() -> None:
    """And never the same twice."""
    chance = RealRandom()

    assert 0 <= chance.uniform() < 1
    assert {chance.bits(8) >> 8 for _ in range(100)} == {0}
    assert len({chance.token(16) for _ in range(1000)}) == 1000
    assert len(chance.token(16)) == 16


async def test_real_network_connects_to_what_listens() -> None:
    """A port is taken at once and served later; closing frees it."""
    network = RealNetwork()
    listener = network.listen("127.0.0.1", 0)
    with pytest.raises(OSError, match="in use"):
        network.listen("127.0.0.1", listener.port)
    reader = asyncio.StreamReader()

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    await listener.serve(lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader(), greet), None)
    transport, _ = await network.connect(
        lambda: asyncio.StreamReaderProtocol(reader), "127.0.0.1", listener.port
    )

    assert await reader.read() == b"hello"
    transport.close()
    port = listener.port
    listener.close()
    listener.close()
    network.listen("127.0.0.1", port).close()


def test_equal_parts_give_equal_numbers() -> None:
    """In every process: nothing depends on how texts are hashed."""
    assert seeded(1, "prices").random() == seeded(1, "prices").random()
    assert seeded(1, "prices").random() != seeded(2, "prices").random()
    assert seeded(1, "prices").getrandbits(32) == 3_525_720_248


def test_default_world_is_the_real_one() -> None:
    """Nobody gets a virtual clock by accident."""
    world = World()

    assert isinstance(world.clock, RealClock)
    assert isinstance(world.random, RealRandom)
    assert isinstance(world.network, RealNetwork)
