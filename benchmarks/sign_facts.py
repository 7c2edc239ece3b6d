"""What is signed when signing is measured: the same for everyone. Standard library only."""

from __future__ import annotations

COUNT = 5_000
URL = "https://api.ibkr.com/v1/api/iserver/marketdata/snapshot"
QUERY = {"conids": "265598,8314", "fields": "31,84,86"}
LIVE_TOKEN = b"twenty bytes of key!"
