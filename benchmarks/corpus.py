"""Made-up frames in the shapes of IBKR's socket, the same ones in every run.

Responsible for what the benchmarks send: `mixed()` is a busy trading day in small (92.5 % market-data
deltas of 100 contracts, the rest orders, executions, profit and loss, ladders, bars, heartbeats),
`deltas()` market data only. It needs nothing but the standard library, so that every environment can
import it.
"""

from __future__ import annotations

import json
import random
import time
from typing import Any

CONIDS = tuple(265_001 + 41 * number for number in range(100))
ACCOUNT = "DU7654321"
GREETING = b'{"topic":"system","success":"bench","isFT":false,"isPaper":true}'
AUTHENTICATED = b'{"topic":"sts","args":{"authenticated":true}}'
STAMP_ZERO = 10**18
"""Added to a monotonic clock in `_updated`, so that a stamp always has 19 digits."""

_START_MS = int(1000 * time.time())
"""Now: ibind takes old heartbeats for a dead connection."""


def _frame(wire: dict[str, Any]) -> bytes:
    return json.dumps(wire, separators=(",", ":")).encode()


class Maker:
    """Makes frames from one seeded generator."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - made-up prices, not secrets
        self._now_ms = _START_MS

    def delta(self) -> bytes:
        """Make one `smd` frame: mostly a few changed fields, now and then all of them."""
        pick = self._random
        conid = pick.choice(CONIDS)
        server = f"q{conid % 40}"
        self._now_ms += pick.randint(0, 4)
        return _frame(
            {
                "server_id": server,
                "conidEx": str(conid),
                "conid": conid,
                "_updated": self._now_ms,
                "6119": server,
                **self._changes(conid),
                "topic": f"smd+{conid}",
            }
        )

    def _changes(self, conid: int) -> dict[str, str]:
        kind = self._random.random()
        price = 30 + conid % 300 + 2 * self._random.random()
        bid, ask = f"{price:.2f}", f"{price + 0.01:.2f}"
        if kind < 0.48:  # noqa: PLR2004 - shares of the kinds
            letters = {"7068": "KNPZ", "7057": "QXP"} if self._random.random() < 0.35 else {}  # noqa: PLR2004
            fields = {"84": bid, "86": ask, "88": self._size(), "85": self._size()}
            return self._some(fields, 0.75) | letters
        if kind < 0.80:  # noqa: PLR2004
            return {"31": self._last(bid), "7059": self._size()} | self._some(
                {
                    "82": f"{4 * self._random.random() - 2:.2f}",
                    "83": f"{3 * self._random.random() - 1:.2f}",
                    "87": self._volume(),
                    "7762": str(self._random.randint(10_000, 99_999_999)),
                    "7058": "D",
                },
                0.7,
            )
        if kind < 0.90:  # noqa: PLR2004
            return {self._random.choice(("31", "84", "86", "7635")): bid}
        if kind < 0.96:  # noqa: PLR2004
            return {
                "7308": f"{self._random.random():.3f}",
                "7309": f"{self._random.random() / 50:.4f}",
                "7310": f"{-self._random.random() / 4:.3f}",
                "7311": f"{self._random.random() / 3:.3f}",
                "7633": f"{60 * self._random.random():.1f}%",
            }
        return self._everything(price, bid, ask)

    def _everything(self, price: float, bid: str, ask: str) -> dict[str, str]:
        return {
            "31": self._last(bid),
            "55": "MADE",
            "70": f"{price + 2:.2f}",
            "71": f"{price - 2:.2f}",
            "82": "1.23",
            "83": "0.74",
            "84": bid,
            "85": self._size(),
            "86": ask,
            "87": self._volume(),
            "88": self._size(),
            "6004": "NASDAQ",
            "6070": "STK",
            "6509": "RpB",
            "7051": "MADE UP INDUSTRIES",
            "7057": "QXP",
            "7058": "D",
            "7059": self._size(),
            "7068": "KNPZ",
            "7084": "104.2%",
            "7219": "MADE NASDAQ.NMS",
            "7283": "24.5%",
            "7295": f"{price - 1:.2f}",
            "7296": f"{price - 0.5:.2f}",
            "7635": bid,
            "7741": f"{price - 0.5:.2f}",
            "7762": str(self._random.randint(10_000, 99_999_999)),
        }  # fmt: skip - one field a line would fill a page

    def _some(self, fields: dict[str, str], share: float) -> dict[str, str]:
        return {tag: text for tag, text in fields.items() if self._random.random() < share}

    def _last(self, price: str) -> str:
        marked = self._random.random() < 0.02  # noqa: PLR2004 - a close or a halt now and then
        return self._random.choice("CH") + price if marked else price

    def _size(self) -> str:
        lots = self._random.choice((1, 2, 4, 7, 10, 15, 30, 60, 100, 400, 900, 2600, 11000))
        return f"{100 * lots if lots < 100 and self._random.random() < 0.5 else lots:,}"  # noqa: PLR2004

    def _volume(self) -> str:
        if self._random.random() < 0.5:  # noqa: PLR2004
            return f"{90 * self._random.random():.1f}M"
        return f"{self._random.randint(1000, 999_999):,}"

    def order(self) -> bytes:
        """Make one `sor` frame with one row."""
        row = {
            "acct": ACCOUNT,
            "conidex": "265001",
            "conid": 265001,
            "orderId": self._random.randint(1, 10**9),
            "cashCcy": "USD",
            "sizeAndFills": "0/100",
            "orderDesc": "Buy 100 Limit 168.40, Day",
            "description1": "MADE",
            "ticker": "MADE",
            "secType": "STK",
            "listingExchange": "NASDAQ.NMS",
            "remainingQuantity": 100.0,
            "filledQuantity": 0.0,
            "companyName": "MADE UP INDUSTRIES",
            "status": "Submitted",
            "order_ccp_status": "Submitted",
            "origOrderType": "LIMIT",
            "supportsTaxOpt": "1",
            "lastExecutionTime": "251009182431",
            "orderType": "Limit",
            "bgColor": "#FFFFFF",
            "fgColor": "#0000CC",
            "price": "168.40",
            "timeInForce": "CLOSE",
            "lastExecutionTime_r": 1760034271000,
            "side": "BUY",
        }  # fmt: skip - as above
        return _frame({"topic": "sor", "args": [row]})

    def execution(self) -> bytes:
        """Make one `str` frame with one row."""
        row = {
            "execution_id": f"0000f711.{self._random.randint(0, 16**8):08x}.01.01",
            "symbol": "MADE",
            "side": "B",
            "order_description": "Bot 100 @ 168.42 on ISLAND",
            "trade_time": "20251009-17:23:45",
            "trade_time_r": 1760030625000,
            "size": 100.0,
            "price": "168.42",
            "exchange": "ISLAND",
            "commission": "1.0",
            "net_amount": 16842.0,
            "account": ACCOUNT,
            "company_name": "MADE UP INDUSTRIES",
            "contract_description_1": "MADE",
            "sec_type": "STK",
            "conid": 265001,
            "conidEx": "265001",
            "liquidation_trade": "0",
        }  # fmt: skip - as above
        return _frame({"topic": "str", "args": [row]})

    def profit_and_loss(self) -> bytes:
        """Make one `spl` frame."""
        row = {
            "rowType": 1,
            "dpl": round(9e3 * self._random.random(), 2),
            "nl": 1012345.1,
            "upl": 5123.0,
            "el": 998761.2,
            "uel": 998761.2,
            "mv": 231222.0,
        }  # fmt: skip - as above
        return _frame({"topic": "spl", "args": {f"{ACCOUNT}.Core": row}})

    def ladder(self, rows: int = 21) -> bytes:
        """Make one `sbd` frame."""
        data = [
            {
                "row": number,
                "focus": int(number == rows // 2),
                "price": f"{168 + number / 100:.2f}",
                "bid": str(self._random.randint(1, 900)),
                "ask": str(self._random.randint(1, 900)),
            }
            for number in range(rows)
        ]
        return _frame({"topic": f"sbd+{ACCOUNT}+{self._random.choice(CONIDS)}", "data": data})

    def bars(self, count: int = 20) -> bytes:
        """Make one `smh` frame."""
        data = [
            {
                "t": _START_MS + 60_000 * number,
                "o": 168.1,
                "c": 168.2,
                "h": 168.4,
                "l": 168.0,
                "v": self._random.randint(1, 9999),
            }
            for number in range(count)
        ]  # fmt: skip - as above
        return _frame(
            {
                "serverId": str(self._random.randint(1, 99)),
                "symbol": "MADE",
                "text": "MADE UP",
                "priceFactor": 100,
                "startTime": "20251009-13:30:00",
                "high": "17000/1234/10",
                "low": "16800/1234/10",
                "timePeriod": "1d",
                "barLength": 60,
                "mdAvailability": "S",
                "outsideRth": False,
                "volumeFactor": 1,
                "priceDisplayRule": 1,
                "direction": -1,
                "data": data,
                "points": count - 1,
                "topic": f"smh+{self._random.choice(CONIDS)}",
            }
        )  # fmt: skip - as above

    def heartbeat(self) -> bytes:
        """Make one heartbeat."""
        return _frame({"topic": "system", "hb": self._now_ms})

    def status(self) -> bytes:
        """Make one `sts` frame."""
        return _frame({"topic": "sts", "args": {"authenticated": True}})

    def any(self) -> bytes:
        """Make a frame of the mix."""
        kind = self._random.random()
        for share, make in _MIX:
            if kind < share:
                return make(self)
        return self.status()


_MIX = (
    (0.925, Maker.delta),
    (0.940, Maker.order),
    (0.955, Maker.profit_and_loss),
    (0.965, Maker.ladder),
    (0.970, Maker.bars),
    (0.985, Maker.execution),
    (0.996, Maker.heartbeat),
)
"""Cumulative shares; `sts` has the rest."""


def mixed(count: int = 10_000) -> list[bytes]:
    """Make the mix, the same one each time."""
    maker = Maker(20251009)
    return [maker.any() for _ in range(count)]


def deltas(count: int = 10_000) -> list[bytes]:
    """Make market data only, the same each time."""
    maker = Maker(20251010)
    return [maker.delta() for _ in range(count)]


def many_contracts(contracts: int, count: int = 10_000) -> list[bytes]:
    """Make market data of so many contracts in turn, all frames alike, for growth measurements."""
    template = (
        b'{"server_id":"q1","conidEx":"%d","conid":%d,"_updated":%d,"6119":"q1","84":"168.42",'
    )
    template += b'"86":"168.43","88":"300","85":"1,200","topic":"smd+%d"}'
    conids = range(1_000_000, 1_000_000 + contracts)
    return [
        template % (conid, conid, _START_MS + number, conid)
        for number in range(count)
        for conid in [conids[number % contracts]]
    ]


CORPORA = {"mixed": mixed, "deltas": deltas}


def load(name: str) -> list[bytes]:
    """Make a corpus by name: `mixed`, `deltas`, or `contracts-500`."""
    kind, _, number = name.partition("-")
    return many_contracts(int(number)) if number else CORPORA[kind]()


def market_data_in(frames: list[bytes], count: int) -> int:
    """Count the market-data frames among the first `count` of the endlessly repeated corpus."""
    each = [b'"topic":"smd+' in frame for frame in frames]
    rounds, rest = divmod(count, len(frames))
    return rounds * sum(each) + sum(each[:rest])
