"""The other end of the redirect: a listener on this machine that waits for one verifier.

Responsible for one address on loopback, for as long as one login takes. It must never listen
elsewhere, never believe a visitor who does not know the request token, and never log the address.
"""

from __future__ import annotations

import asyncio
import hmac
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import parse_qs, urlsplit

from ibkr_async.errors import AuthError, UsageError

if TYPE_CHECKING:
    from types import TracebackType

    from ibkr_async.world import TakenPort, World

_STEP: Final = "authorisation"
_MAX_LINE: Final = 8192
_PATIENCE_S: Final = 5.0
_PAGE: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
    "<body><main><h1>{title}</h1><p>{text}</p></main></body></html>"
)


class CallbackListener:
    """Waits on `http://127.0.0.1:port/` for the browser to come back with the verifier."""

    def __init__(self, request_token: str, *, world: World, port: int = 0) -> None:
        self._token = request_token
        self._network = world.network
        self._port = port
        self._listener: TakenPort | None = None
        self._verifier: asyncio.Future[str] | None = None

    async def __aenter__(self) -> Self:
        """Start listening. Errors: `OSError` when the port is taken."""
        self._verifier = asyncio.get_running_loop().create_future()
        self._listener = self._network.listen("127.0.0.1", self._port)
        self._port = self._listener.port
        await self._listener.serve(self._visit, None)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._listener is not None:
            self._listener.close()
        if self._verifier is not None:
            self._verifier.cancel()

    @property
    def address(self) -> str:
        """Where the browser should come back to."""
        return f"http://127.0.0.1:{self._port}/"

    async def verifier(self, timeout_s: float) -> str:
        """Wait for the verifier.

        Errors: `AuthError` when the user refused, or did not decide in time.
        """
        if self._verifier is None:
            raise UsageError("the listener is not open; use `async with`")
        try:
            return await asyncio.wait_for(asyncio.shield(self._verifier), timeout_s)
        except TimeoutError:
            raise AuthError(
                _STEP,
                f"the browser did not come back within {timeout_s:.0f} s",
                "if it landed on another address, run the command again with --paste and paste that "
                "address: IBKR sends users to the callback that was registered with the key",
            ) from None

    def _visit(self) -> asyncio.StreamReaderProtocol:
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=_MAX_LINE), self._serve)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                line = (await reader.readline()).decode("latin-1").split(" ")
                while (await reader.readline()).strip():
                    pass
                target = line[1] if len(line) > 1 and line[0] == "GET" else ""
                status, title, text = self._take(target)
                page = _PAGE.format(title=title, text=text).encode()
                writer.write(
                    f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\n"
                    f"Content-Length: {len(page)}\r\nCache-Control: no-store\r\n"
                    "Content-Security-Policy: default-src 'none'\r\n"
                    "Referrer-Policy: no-referrer\r\nConnection: close\r\n\r\n".encode()
                    + page
                )
                await writer.drain()
        except (OSError, ValueError, TimeoutError):
            # A visitor that breaks off or sends nonsense is nobody we wait for.
            pass
        finally:
            writer.close()

    def _take(self, target: str) -> tuple[str, str, str]:
        """Look at one visit; keep its verifier when it is the one we wait for."""
        verifier = self._verifier
        if not target or verifier is None:
            return "400 Bad Request", "Not understood", "This address waits for a login."
        try:
            found = verifier_of(target, self._token)
        except AuthError as error:
            if not verifier.done():
                verifier.set_exception(error)
            return "200 OK", "Access was not granted", "You can close this page."
        if found is None:
            return "404 Not Found", "Not the expected login", "This address waits for another one."
        if not verifier.done():
            verifier.set_result(found)
        return "200 OK", "Done", "The program has what it needs. You can close this page."


def verifier_of(address: str, request_token: str) -> str | None:
    """Read the verifier from a callback address; None when it is about another request token.

    Errors: `AuthError` when the user refused.
    """
    query = parse_qs(urlsplit(address).query)
    token = query.get("oauth_token", [""])[0]
    if not hmac.compare_digest(token.encode(), request_token.encode()):
        return None
    verifier = query.get("oauth_verifier", [""])[0]
    if not verifier:
        raise AuthError(_STEP, "access was not granted", "run the command again and approve")
    return verifier
