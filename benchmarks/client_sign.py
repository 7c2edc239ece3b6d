"""Measured process: this library's Authorization header (HMAC-SHA256) of a read with two parameters."""

from __future__ import annotations

import json
import time

from benchmarks.machine import pin_client
from benchmarks.sign_facts import COUNT, LIVE_TOKEN, QUERY, URL
from ibkr_async.auth import OAuth1a
from ibkr_async.auth._secret import Secret
from ibkr_async.auth.oauth1a import _handshake


def main() -> None:
    """Print the numbers as one line of JSON."""
    pin_client()
    unused = b"keys are read at login, and nobody logs in here"
    auth = OAuth1a(
        consumer_key="BENCHMARK",
        access_token="a" * 20,
        access_token_secret="unused",  # noqa: S106 - not a secret
        signature_key=unused,
        encryption_key=unused,
        dh=unused,
    )
    # A login would need a server; the token is all that it would leave behind.
    auth._token = _handshake.LiveSessionToken(key=Secret(LIVE_TOKEN), expires_at=2e9)  # noqa: SLF001 - as above
    query = tuple(QUERY.items())
    sign = auth.sign
    for _ in range(COUNT // 10):
        sign("GET", URL, query, ())
    began = time.process_time()
    for _ in range(COUNT):
        sign("GET", URL, query, ())
    print(json.dumps({"cpu_us": (time.process_time() - began) / COUNT * 1e6}))


if __name__ == "__main__":
    main()
