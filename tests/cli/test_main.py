"""The entry point: help, version, and what it says when something is not installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

import ibkr_async
from ibkr_async.cli.main import main

_RUN = (
    "import sys; from ibkr_async.cli.main import main; sys.argv[0] = 'ibkr-async'; sys.exit(main())"
)


def run(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command line in a fresh interpreter that turns warnings into errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{before}{_RUN}", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["Usage: ibkr-async", "demo", "simulate", "oauth"]),
        (["demo", "--help"], ["Usage: ibkr-async demo", "--seconds", "--plain", "SYMBOLS"]),
        (["simulate", "--help"], ["--port", "--write-credentials", "--replay", "--speed"]),
        (["--version"], [ibkr_async.__version__]),
    ],
)
def test_help_names_everything(
    arguments: list[str],
    words: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What can be done is found without documentation."""
    monkeypatch.setattr(sys, "argv", ["ibkr-async", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()

    assert not ended.value.code
    assert shown.err == ""
    assert [word for word in words if word not in shown.out] == []


@pytest.mark.parametrize(
    ("missing", "arguments"),
    [
        ("cyclopts", ["--help"]),
        ("starlette", ["simulate"]),
        ("uvicorn", ["demo", "--plain"]),
        ("rich", ["demo", "--plain"]),
    ],
)
def test_missing_extra_is_one_line_with_the_pip_command(
    missing: str,
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without an extra the command says what to install instead of showing a traceback."""
    for name in [name for name in sys.modules if _needs_extra(name)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)  # type: ignore[arg-type]  # how imports are blocked
    monkeypatch.setattr(sys, "argv", ["ibkr-async", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()

    assert ended.value.code == 2
    assert f"{missing} is missing" in shown.err
    assert "pip install 'ibkr_async[cli,sim]'" in shown.err
    assert "Traceback" not in shown.err


def _needs_extra(name: str) -> bool:
    return name.split(".", maxsplit=1)[0] in {
        "cyclopts",
        "rich",
        "starlette",
        "uvicorn",
    } or name.startswith(("ibkr_async.cli.", "ibkr_async.simulator"))


def test_missing_extra_in_a_fresh_interpreter() -> None:
    """The same from outside: exit code 2, nothing on the standard output."""
    done = run("--help", before="import sys; sys.modules['cyclopts'] = None; ")

    assert (done.returncode, done.stdout) == (2, "")
    assert "cyclopts is missing" in done.stderr


def test_bug_is_not_mistaken_for_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of our own that is missing is a defect, and shown as one."""
    monkeypatch.setitem(sys.modules, "ibkr_async.cli.app", None)  # type: ignore[arg-type]  # as above
    with pytest.raises(ModuleNotFoundError, match=r"ibkr_async\.cli\.app"):
        main()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "Unknown command"),
        (["demo", "--seconds", "x"], "--seconds"),
        (["demo", "--seconds", "-1"], "Must be >= 0"),
        (["simulate", "--port", "99999999"], "0-65535"),
        (["simulate", "--replay", "/nowhere"], "/nowhere"),
    ],
)
def test_wrong_argument_is_named(
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A usage error is exit code 2 and one message, never a traceback."""
    monkeypatch.setattr(sys, "argv", ["ibkr-async", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()

    assert ended.value.code == 2
    assert words in shown.err + shown.out
    assert "Traceback" not in shown.err


def test_importing_the_package_needs_no_extra() -> None:
    """`import ibkr_async` works with the core dependencies only, and starts nothing."""
    blocked = ["cyclopts", "rich", "starlette", "uvicorn"]
    code = (
        f"import sys, threading; sys.modules.update(dict.fromkeys({blocked!r})); "
        "import ibkr_async, ibkr_async.errors, ibkr_async.events; "
        "assert threading.active_count() == 1; print(ibkr_async.__version__)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (done.stdout.strip(), done.stderr) == (ibkr_async.__version__, "")
