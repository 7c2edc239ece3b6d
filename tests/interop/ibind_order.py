"""Run inside ibind's own virtual environment: place orders with ibind's own answers, print what came.

Arguments: a credentials directory as the simulator writes it, and a conid. Prints one JSON line.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ibind import IbkrClient, OrderRequest, QuestionType
from ibind.oauth.oauth1a import OAuth1aConfig


def main(home: Path, conid: str) -> list[dict[str, Any]]:
    """Place an order far from the market, and a market order."""
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
    client.receive_brokerage_accounts()
    answers = dict.fromkeys(QuestionType, True)
    terms: dict[str, Any] = {
        "conid": int(conid), "side": "BUY", "quantity": 2, "acct_id": facts["account_id"], "tif": "DAY",
    }  # fmt: skip
    orders = [
        OrderRequest(**terms, order_type="LMT", price=150.0, coid="ibind-far"),
        OrderRequest(**terms, order_type="MKT", coid="ibind-market"),
    ]
    placed = [client.place_order(order, answers).data for order in orders]
    client.logout()
    return placed


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2])))  # noqa: T201 - the report
