"""A real headless Chromium, driven over ChromeDriver's plain HTTP protocol (W3C WebDriver).

A few verbs, no library: enough to fill in a form as a person does and to ask the browser's own
accessibility tree what a screen reader would say.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key that the WebDriver standard gives to element references."""
_STARTED = re.compile(rb"started successfully on port (\d+)")


class Browser:
    """One browser window."""

    def __init__(self, http: httpx.AsyncClient, session: str) -> None:
        self._http = http
        self._session = f"/session/{session}"

    async def call(self, method: str, path: str, **body: Any) -> Any:
        reply = await self._http.request(
            method, self._session + path, json=body if method == "POST" else None
        )
        value = reply.json()["value"]
        assert reply.status_code == 200, value.get("message", value)
        return value

    async def open(self, url: str) -> None:
        """Go to an address and wait until it has loaded."""
        await self.call("POST", "/url", url=url)

    async def url(self) -> str:
        """Where the window is."""
        return str(await self.call("GET", "/url"))

    async def title(self) -> str:
        """Title of the page."""
        return str(await self.call("GET", "/title"))

    async def until_title(self, wanted: str) -> None:
        """Wait for a page: a key or click that submits a form does not wait for what it loads."""
        async with asyncio.timeout(10):
            while await self.title() != wanted:  # noqa: ASYNC110 - WebDriver has no event for it
                await asyncio.sleep(0.02)

    async def script(self, code: str) -> Any:
        """Evaluate a script in the page; it returns with `return`."""
        return await self.call("POST", "/execute/sync", script=code, args=[])

    async def find(self, selector: str) -> Element:
        """Find one element by CSS selector."""
        found = await self.call("POST", "/element", using="css selector", value=selector)
        return Element(self, found[_ELEMENT])

    async def focused(self) -> Element:
        """The element that has the keyboard."""
        return Element(self, (await self.call("GET", "/element/active"))[_ELEMENT])

    async def press(self, *keys: str) -> None:
        """Press keys one after the other, wherever the focus is."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        await self.call(
            "POST", "/actions", actions=[{"type": "key", "id": "keyboard", "actions": actions}]
        )


class Element:
    """One element of the page."""

    def __init__(self, browser: Browser, reference: str) -> None:
        self._browser = browser
        self._path = f"/element/{reference}"

    async def call(self, method: str, path: str, **body: Any) -> Any:
        return await self._browser.call(method, self._path + path, **body)

    async def type(self, text: str) -> None:
        """Type text into it."""
        await self.call("POST", "/value", text=text)

    async def click(self) -> None:
        """Click it."""
        await self.call("POST", "/click")

    async def text(self) -> str:
        """What is seen of it."""
        return str(await self.call("GET", "/text"))

    async def role(self) -> str:
        """What assistive technology takes it for."""
        return str(await self.call("GET", "/computedrole"))

    async def label(self) -> str:
        """The name that a screen reader says."""
        return str(await self.call("GET", "/computedlabel"))


def programs() -> tuple[str, str]:
    """Find Chromium and ChromeDriver, or skip with the reason."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no Chromium here: install Debian's chromium and chromium-driver")
    return chromium, driver


@asynccontextmanager
async def headless_chromium(profile: Path) -> AsyncIterator[Browser]:
    """Start a browser with a new profile; close it and its driver at the end."""
    chromium, driver = programs()
    process = await asyncio.create_subprocess_exec(
        driver,
        "--port=0",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "HOME": str(profile)},
    )
    try:
        port = await asyncio.wait_for(_port(process), 20)
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60
        ) as http:
            reply = await http.post("/session", json={"capabilities": _wishes(chromium, profile)})
            value = reply.json()["value"]
            assert reply.status_code == 200, value.get("message", value)
            try:
                yield Browser(http, value["sessionId"])
            finally:
                await http.delete(f"/session/{value['sessionId']}")
    finally:
        process.terminate()
        await process.communicate()


async def _port(process: asyncio.subprocess.Process) -> int:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        if found := _STARTED.search(line):
            return int(found[1])
    raise AssertionError("ChromeDriver ended before it listened")


def _wishes(chromium: str, profile: Path) -> dict[str, Any]:
    arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        # The login's own callback is on loopback; nothing else is needed, so nothing is resolved.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--user-data-dir={profile / 'profile'}",
    ]
    return {
        "alwaysMatch": {
            "browserName": "chrome",
            # An element may be on a page that is still loading.
            "timeouts": {"implicit": 10_000},
            "goog:chromeOptions": {"binary": chromium, "args": arguments},
        }
    }
