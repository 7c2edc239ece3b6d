"""`ibkr-async simulate` as another program sees it."""

from __future__ import annotations

import asyncio
import signal
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from ibkr_async.cli.simulate import simulate_app

if TYPE_CHECKING:
    from asyncio.subprocess import Process

PROGRAM = "from ibkr_async.cli.simulate import simulate_app; simulate_app()"


async def _start(*arguments: str) -> tuple[Process, dict[str, str]]:
    """Start the program and read its ready line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        "-c",
        PROGRAM,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode().split()
    assert line[:1] == ["ready"], (await process.communicate())[1].decode()
    return process, dict(part.split("=", 1) for part in line[1:])


async def _stop(process: Process, number: int) -> tuple[int | None, bytes, bytes]:
    process.send_signal(number)
    out, err = await asyncio.wait_for(process.communicate(), 10)
    return process.returncode, out, err


async def test_serves_until_sigterm(tmp_path: Path) -> None:
    """One ready line, working addresses, private credentials, exit code 0, nothing else printed."""
    process, facts = await _start("--port", "0", "--write-credentials", str(tmp_path / "c"))
    context = ssl.create_default_context(cafile=str(tmp_path / "c" / "ca.pem"))
    async with httpx.AsyncClient(verify=context, trust_env=False) as http:
        reply = await http.get(f"{facts['base_url']}/tickle")
    ended = await _stop(process, signal.SIGTERM)

    assert reply.status_code == 200
    assert facts["ws_url"] == facts["base_url"].replace("https", "wss") + "/ws"
    assert (facts["account"], facts["credentials"]) == ("DU1234567", str(tmp_path / "c"))
    assert ended == (0, b"", b"")
    assert (tmp_path / "c" / "private_signature.pem").stat().st_mode & 0o077 == 0


async def test_stops_on_interrupt_and_serves_plain_http(tmp_path: Path) -> None:
    """Ctrl-C ends it as cleanly; every option together is accepted."""
    recording = tmp_path / "recording.jsonl"
    recording.write_text('{"raw":"{}"}\n')
    process, facts = await _start(
        "--no-tls", "--tolerant", "--seed", "7", "--replay", str(recording), "--speed", "10"
    )
    async with httpx.AsyncClient(trust_env=False) as http:
        reply = await http.get(f"{facts['base_url']}/tickle")
    ended = await _stop(process, signal.SIGINT)

    assert reply.status_code == 200
    assert facts["credentials"] == "none"
    assert ended == (0, b"", b"")


def _run(*arguments: str) -> int:
    """Run the program in this process until it returns."""
    result = simulate_app(arguments, result_action="return_value")
    assert isinstance(result, int)
    return result


def test_unusable_options_are_explained_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing recording and foreign credentials are errors of use, without a traceback."""
    (tmp_path / "credentials.json").write_text("{}")

    codes = (
        _run("--replay", str(tmp_path / "absent.jsonl")),
        _run("--write-credentials", str(tmp_path)),
        _run("--replay", str(tmp_path / "credentials.json")),
    )

    lines = capsys.readouterr().err.splitlines()
    assert codes == (2, 2, 2)
    assert [line.partition(":")[0] for line in lines] == ["ibkr-async simulate"] * 3
    assert "absent.jsonl" in lines[0]
    assert "choose another directory" in lines[1]
    assert "no text named raw" in lines[2]
