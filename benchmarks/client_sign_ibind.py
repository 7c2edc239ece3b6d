"""Measured process: ibind's Authorization header of the same read, in an environment that has ibind."""

from __future__ import annotations

import base64
import json
import time

from ibind.oauth.oauth1a import OAuth1aConfig, generate_oauth_headers

from benchmarks.machine import pin_client
from benchmarks.sign_facts import COUNT, LIVE_TOKEN, QUERY, URL


def main() -> None:
    """Print the numbers as one line of JSON."""
    pin_client()
    config = OAuth1aConfig(
        consumer_key="BENCHMARK",
        access_token="a" * 20,
        access_token_secret="unused",  # noqa: S106 - not a secret
        dh_prime="ff",
        realm="limited_poa",
    )
    token = base64.b64encode(LIVE_TOKEN).decode()

    def sign() -> object:
        return generate_oauth_headers(config, "GET", URL, token, request_params=QUERY)

    for _ in range(COUNT // 10):
        sign()
    began = time.process_time()
    for _ in range(COUNT):
        sign()
    print(json.dumps({"cpu_us": (time.process_time() - began) / COUNT * 1e6}))


if __name__ == "__main__":
    main()
