"""`ibkr-async demo` as a user runs it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from ibkr_async import IbkrError, UsageError
from ibkr_async.cli import demo as demo_module
from ibkr_async.cli.demo import demo
from ibkr_async.cli.demo_bot import follow

_COMMAND = [sys.executable, "-W", "error", "-m", "ibkr_async.cli.main", "demo", "--plain"]


@pytest.fixture(scope="module")
def finished() -> subprocess.CompletedProcess[str]:
    """Return a demo that has run through, with every warning an error."""
    return subprocess.run(
        [*_COMMAND, "--seconds", "0.5"], capture_output=True, text=True, timeout=40, check=False
    )


def test_demo_ends_well_and_silently(finished: subprocess.CompletedProcess[str]) -> None:
    """Exit code 0, no traceback, no warning."""
    assert (finished.returncode, finished.stderr) == (0, "")


@pytest.mark.parametrize(
    "line",
    [
        "simulator serves https://127.0.0.1:",
        "logged in with OAuth 1.0a: paper account DU1234567",
        "contracts: AAPL is 265598, MSFT is 272093, SPY is 756733",
        "bracket: buy 10 AAPL",
        "acknowledged: entry",
        "acknowledged: exit",
        "bought 10 AAPL at",
        "commission 1.0 USD",
        "exits cancelled, position closed at the market",
        "sold 10 AAPL at",
        "Summary",
        "fills",
        "ok: session ready, socket connected",
    ],
)
def test_demo_shows_the_whole_path(finished: subprocess.CompletedProcess[str], line: str) -> None:
    """Login, quotes, a bracket with its fills and commissions, and a summary."""
    assert line in finished.stdout


def _read_until(moment: str, process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if moment in line:
            return
    pytest.fail(f"the demo ended without {moment!r}")


@pytest.fixture
def _interrupts_are_heard() -> Iterator[None]:
    """A shell starts background jobs deaf to Ctrl-C, and children inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interrupts_are_heard")
@pytest.mark.parametrize("moment", ["starting the simulator", "logged in", "acknowledged: entry"])
def test_interrupt_ends_the_demo_without_a_traceback(moment: str) -> None:
    """Ctrl-C at any moment: exit code 130 and nothing else."""
    with subprocess.Popen(
        [sys.executable, "-u", *_COMMAND[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        _read_until(moment, process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)

    assert (process.returncode, errors) == (130, "")


@pytest.mark.parametrize("moment", ["starting the simulator", "logged in", "bracket: buy"])
def test_reader_that_goes_away_ends_the_demo_without_a_traceback(moment: str) -> None:
    """As in `ibkr-async demo --plain | head -3`: everything is closed first.

    All that may be said is that an order which was just being sent is unknown.
    """
    with subprocess.Popen(
        [sys.executable, "-u", *_COMMAND[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        _read_until(moment, process)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
        code = process.wait(timeout=20)

    assert code == 1
    assert "Traceback" not in errors


def test_demo_of_an_unknown_symbol_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake is one line on stderr and exit code 1."""
    code = demo("NOSUCH", plain=True)
    shown = capsys.readouterr()

    assert code == 1
    assert shown.err.startswith("ibkr-async demo: no contract found for symbol 'NOSUCH'")
    assert shown.err.count("\n") == 1
    assert "Summary" not in shown.out


def test_every_error_of_a_nested_group_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Task groups wrap errors; the user sees the errors."""

    async def fail(*_args: object, **_options: object) -> None:
        raise ExceptionGroup(
            "outer", [UsageError("one"), ExceptionGroup("inner", [IbkrError("two")])]
        )

    monkeypatch.setattr(demo_module, "_run", fail)
    code = demo(plain=True)

    assert code == 1
    assert capsys.readouterr().err == "ibkr-async demo: one\nibkr-async demo: two\n"


def test_other_failures_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect is shown as one."""

    async def fail(*_args: object, **_options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(demo_module, "_run", fail)
    with pytest.raises((ZeroDivisionError, ExceptionGroup)):
        demo(plain=True)


async def test_following_a_feed_ends_with_the_feed() -> None:
    """The demo's helper tasks end by themselves when the client closes."""

    async def feed() -> AsyncIterator[int]:
        for number in (1, 2):
            yield number

    shown: list[int] = []
    await follow(feed(), shown.append)

    assert shown == [1, 2]
