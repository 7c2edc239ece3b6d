"""Measured process: what `import ibkr_async` takes beyond its five dependencies."""

from __future__ import annotations

import json
import time

from benchmarks.machine import pin_client


def main() -> None:
    """Print the numbers as one line of JSON."""
    pin_client()
    began = time.perf_counter()
    # What a program that uses the five directly would import of them.
    import anyio
    import cryptography.hazmat.primitives.asymmetric.rsa
    import cryptography.hazmat.primitives.serialization
    import httpx
    import msgspec
    import websockets.asyncio.client

    _ = (anyio, cryptography, httpx, msgspec, websockets)
    middle = time.perf_counter()
    import ibkr_async

    _ = ibkr_async
    end = time.perf_counter()
    print(json.dumps({"others_ms": (middle - began) * 1e3, "ours_ms": (end - middle) * 1e3}))


if __name__ == "__main__":
    main()
