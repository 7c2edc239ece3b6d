"""Run inside ibind's own virtual environment: log in, read accounts, receive quotes, say what was seen.

Arguments: a credentials directory as the simulator writes it, and a conid. Prints one JSON line.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

from ibind import CallbackSink, IbkrClient, IbkrWsClient, events, subscriptions
from ibind.oauth.oauth1a import OAuth1aConfig

WANTED_QUOTES = 3
PATIENCE_S = 30


def main(home: Path, conid: str) -> dict[str, Any]:
    """Do what a user of ibind does first, and collect it."""
    facts = json.loads((home / "credentials.json").read_text())
    config = OAuth1aConfig(
        oauth_rest_url=f"{facts['base_url']}/",
        access_token=facts["access_token"],
        access_token_secret=facts["access_token_secret"],
        consumer_key=facts["consumer_key"],
        dh_prime=facts["dh_prime"],
        encryption_key_fp=str(home / "private_encryption.pem"),
        signature_key_fp=str(home / "private_signature.pem"),
        realm=facts["realm"],
        maintain_oauth=False,
    )
    client = IbkrClient(
        account_id=facts["account_id"],
        use_oauth=True,
        oauth_config=config,
        auto_register_shutdown=False,
    )
    accounts = client.receive_brokerage_accounts().data["accounts"]
    # With a query: ibind leaves it out of the signature, which only the tolerant mode accepts.
    snapshot = client.live_marketdata_snapshot(conids=[conid], fields=["31", "84", "86"]).data

    quotes: list[dict[str, Any]] = []
    enough = threading.Event()

    def take(event: Any) -> None:
        quotes.append(event.data)
        if len(quotes) >= WANTED_QUOTES:
            enough.set()

    sink = CallbackSink()
    sink.on(events.MarketData, take)
    socket = IbkrWsClient(
        account_id=facts["account_id"],
        url=facts["ws_url"],
        ibkr_client=client,
        use_oauth=True,
        access_token=facts["access_token"],
        cacert=str(home / "ca.pem"),
        sink=sink,
    )
    socket.start()
    handle = socket.subscribe(
        subscriptions.MarketDataSubscription(conid=conid, fields=["31", "84", "86"])
    )
    subscribed = not socket.wait_all(handle, timeout_each=PATIENCE_S)
    received = enough.wait(PATIENCE_S)
    socket.shutdown()
    client.logout()
    return {
        "accounts": accounts,
        "snapshot_conids": [row["conid"] for row in snapshot],
        "subscribed": subscribed,
        "received": received,
        "quotes": quotes,
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2])))  # noqa: T201 - the report
