"""The measurements: which variants are run against each other, and which promises they answer.

Responsible for one function for each group of the table. Each returns its figures by target name and
the lines that show what they were made of; a comparison that cannot be made is a skip with a reason.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks import corpus, environments
from benchmarks.machine import Series, interleave, measure, serving
from benchmarks.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FEW = 100_000
"""Frames for clients that take 20 µs for each; the fast ones get three times as many."""


@dataclass
class Findings:
    """What a suite has found."""

    figures: dict[str, float] = field(default_factory=dict)
    """By name of the target."""
    spreads: dict[str, float] = field(default_factory=dict)
    """Half the range over the rounds in percent, by name of the target."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Reasons, by name of the target."""
    details: list[tuple[str, str]] = field(default_factory=list)
    """What was measured, and what it came to."""
    raw: dict[str, Any] = field(default_factory=dict)

    def take(self, series: Mapping[str, Series], number: str, unit: str) -> None:
        """Keep the rounds, and a line for each variant."""
        for name, rounds in series.items():
            self.raw.setdefault(name, {})[number] = rounds.as_json()
            said = f"failed: {rounds.error[-200:]}"
            if rounds:
                spread = rounds.spread_pct(number)
                said = f"{rounds.median(number):10.2f} {unit}  ±{spread:.0f} %"
            self.details.append((name, said))

    def compare(self, target: str, top: Series, bottom: Series, number: str) -> None:
        """Divide the medians of two variants."""
        for series in (top, bottom):
            if not series:
                self.skipped[target] = series.error[-200:] or "not measured"
                return
        self.figures[target] = top.median(number) / bottom.median(number)
        self.spreads[target] = top.spread_pct(number) + bottom.spread_pct(number)

    def take_alone(self, target: str, series: Series, number: str) -> None:
        """Keep one variant's median as it is."""
        if series:
            self.figures[target] = series.median(number)
            self.spreads[target] = series.spread_pct(number)
        else:
            self.skipped[target] = series.error[-200:]


def throughput(*, quick: bool) -> Findings:
    """Cost of a message from the socket to the body of `async for`."""
    found = Findings()
    slow, fast = (_FEW // 2, _FEW) if quick else (_FEW, 3 * _FEW)
    with serving("benchmarks.blast") as port:
        ours = {
            f"ibkr_async, {words}": partial(measure, "benchmarks.client_ours", style, port, fast)
            for style, words in {
                "items": "item by item",
                "batches": "batches()",
                "recv": "plain recv() fall-back",
                "quotes": "ib.quotes(), merged",
                "separate": "100 subscription objects, 100 tasks",
                "everything": "orders, executions, P&L delivered too",
            }.items()
        }
        others: dict[str, Callable[[], dict[str, float]]] = {
            "bare websockets + msgspec + asyncio.Queue": partial(
                measure, "benchmarks.client_bare", port, fast
            )
        }
        try:
            python = environments.picows()
            others["practical limit: C framing, callback"] = partial(
                measure, "benchmarks.client_limit", port, fast, python=python
            )
        except environments.UnavailableError as error:
            found.details.append(("practical limit", f"skipped: {error}"))
        try:
            python = environments.ibind()
            label = f"ibind {environments.version_in(python, 'ibind')}"
            for style in ("queue", "callback"):
                others[f"{label}, {style}"] = partial(
                    measure, "benchmarks.client_ibind", style, port, slow, python=python
                )
        except environments.UnavailableError as error:
            label = "ibind"
            found.details.append(("ibind", f"skipped: {error}"))
        series = interleave(ours | others, 3 if quick else 5)
    found.take(series, "cpu_us", "µs CPU")
    nothing = Series()
    items, batches, recv, quotes = list(series.values())[:4]
    ibind = series.get(f"{label}, queue", nothing)
    limit = series.get("practical limit: C framing, callback", nothing)
    found.compare("items_vs_ibind", ibind, items, "cpu_us")
    found.compare("batches_vs_ibind", ibind, batches, "cpu_us")
    found.compare("recv_vs_ibind", ibind, recv, "cpu_us")
    found.compare("items_vs_limit", limit, items, "cpu_us")
    found.compare("batches_vs_limit", limit, batches, "cpu_us")
    found.compare("quotes_vs_items", quotes, items, "cpu_us")
    return found


def latency(*, quick: bool) -> Findings:
    """Time from the sender's clock to the body of `async for`, at a steady rate."""
    found = Findings()
    with serving("benchmarks.blast") as port:
        for rate, count in ((1_000, 1_500), (10_000, 10_000)):
            arguments = (port, count if quick else 3 * count, "deltas", rate)
            series = interleave(
                {
                    f"ibkr_async, {rate:,}/s": partial(
                        measure, "benchmarks.client_ours", "items", *arguments
                    ),
                    f"bare websockets + msgspec, {rate:,}/s": partial(
                        measure, "benchmarks.client_bare", *arguments
                    ),
                },
                3 if quick else 5,
            )
            found.take(series, "p50_us", "µs p50")
            ours, bare = series.values()
            found.compare(f"latency_{rate}", ours, bare, "p50_us")
    return found


def memory(*, quick: bool) -> Findings:
    """What subscriptions weigh, and what a slow consumer costs."""
    found = Findings()
    idle = interleave({"idle": partial(measure, "benchmarks.client_bounds", "idle")}, 1)["idle"]
    found.take_alone("idle_bytes", idle, "object_bytes")
    if idle:
        entered = idle.median("entered_bytes")
        found.details.append(
            ("a subscription once entered, with its channel", f"{entered:10.0f} B")
        )
    with serving("benchmarks.blast") as port:
        bursts = interleave(
            {
                policy: partial(measure, "benchmarks.client_bounds", "burst", port, 50_000, policy)
                for policy in ("fail", "conflate", "latest", "drop_oldest")
            },
            1 if quick else 3,
        )
    for policy, series in bursts.items():
        found.raw[f"burst, {policy}"] = series.as_json()
        if not series:
            found.skipped["burst_exact"] = found.skipped["burst_mb"] = series.error[-200:]
            return found
        waiting, lost = series.median("most_waiting"), series.median("lost")
        said = f"{series.median('grown_mb'):10.1f} MB, {waiting:,.0f} waiting, {lost:,.0f} lost"
        found.details.append((f"burst of 50,000, policy {policy}", said))
    found.figures["burst_mb"] = max(one.median("grown_mb") for one in bursts.values())
    found.figures["burst_exact"] = min(
        min(one.median("exact"), one.median("open")) for one in bursts.values()
    )
    return found


def growth(*, quick: bool) -> Findings:
    """Whether a message, or a subscription, costs more when there are many."""
    found = Findings()
    sizes = (1, 100, 1_000) if quick else (1, 10, 100, 1_000)
    with serving("benchmarks.blast") as port:
        series = interleave(
            {
                f"{size:,} contracts": partial(
                    measure, "benchmarks.client_ours", "items", port, _FEW, f"contracts-{size}"
                )
                for size in sizes
            },
            2 if quick else 5,
        )
        connecting = interleave(
            {
                f"{size:,} contracts": partial(
                    measure, "benchmarks.client_bounds", "connect", port, size
                )
                for size in (100, 1_000)
            },
            3 if quick else 5,
        )
    found.take(series, "cpu_us", "µs CPU")
    few, *_, many = series.values()
    found.compare("growth", many, few, "cpu_us")
    hundred, thousand = connecting.values()
    for number, words in (
        ("subscribe_us", "connect and subscribe"),
        ("resubscribe_us", "connect again and resubscribe"),
    ):
        named = {f"{words} {size}": one for size, one in connecting.items()}
        found.take(named, number, "µs CPU for each")
        found.compare(number.replace("_us", "_growth"), thousand, hundred, number)
    return found


def rest(*, quick: bool) -> Findings:
    """A REST read through everything, over the same on bare httpx; and what a signature costs."""
    found = Findings()
    count = 1_000 if quick else 3_000
    with serving("benchmarks.http_echo") as port:
        series = interleave(
            {
                "REST read, ibkr_async": partial(
                    measure, "benchmarks.client_rest", "ours", port, count
                ),
                "REST read, bare httpx": partial(
                    measure, "benchmarks.client_rest", "bare", port, count
                ),
            },
            3 if quick else 7,
        )
    found.take(series, "cpu_us", "µs CPU")
    ours, bare = series.values()
    found.compare("rest_vs_httpx", ours, bare, "cpu_us")
    signers = {"HMAC header, ibkr_async": partial(measure, "benchmarks.client_sign")}
    try:
        python = environments.ibind()
        signers["HMAC header, ibind"] = partial(
            measure, "benchmarks.client_sign_ibind", python=python
        )
    except environments.UnavailableError as error:
        found.skipped["sign_vs_ibind"] = str(error)
    signed = interleave(signers, 3 if quick else 5)
    found.take(signed, "cpu_us", "µs CPU")
    if "HMAC header, ibind" in signed:
        ours, theirs = signed.values()
        found.compare("sign_vs_ibind", ours, theirs, "cpu_us")
    return found


def waiting(*, quick: bool) -> Findings:
    """What a user waits for: import, first tick, an order. Against the simulator."""
    found = Findings()
    imports = interleave({"import": partial(measure, "benchmarks.client_import")}, 5)["import"]
    found.take_alone("import_ms", imports, "ours_ms")
    if imports:
        others = f"{imports.median('others_ms'):10.0f} ms"
        found.details.append(("import of the five dependencies alone", others))
    count = 12 if quick else 40
    with serving("benchmarks.serve_simulator") as where:
        orders = interleave(
            {"orders": partial(measure, "benchmarks.client_simulator", "orders", where, count)},
            2 if quick else 3,
        )["orders"]
        connecting = interleave(
            {"connect": partial(measure, "benchmarks.client_simulator", "connect", where, 1)}, 3
        )["connect"]
    found.take_alone("order_vs_posts", orders, "ratio")
    if orders:
        for name, what in (
            ("ours_ms", "order round trip, ibkr_async"),
            ("ours_p90_ms", "order round trip, ibkr_async, 90th percentile"),
            ("bare_ms", "two bare posts"),
            ("bare_p90_ms", "two bare posts, 90th percentile"),
        ):
            found.details.append((what, f"{orders.median(name):10.2f} ms"))
    found.take_alone("tick_ms", connecting, "tick_ms")
    if connecting:
        said = f"{connecting.median('open_ms'):10.0f} ms"
        found.details.append(("opening a client, until the session is up", said))
    return found


SUITES: dict[str, Callable[..., Findings]] = {
    "throughput": throughput,
    "latency": latency,
    "memory": memory,
    "growth": growth,
    "rest": rest,
    "waiting": waiting,
}


def facts() -> str:
    """Describe what is sent."""
    frames = corpus.mixed()
    mean = sum(map(len, frames)) / len(frames)
    share = corpus.market_data_in(frames, len(frames)) / len(frames)
    return json.dumps(
        {
            "frames": len(frames),
            "mean_bytes": round(mean),
            "market_data": share,
            "targets": len(TARGETS),
        }
    )
