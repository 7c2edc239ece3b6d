"""Property tests that are the same every time.

Whoever runs the suite sees the same examples; `IBKR_RANDOM_SEEDS=1` draws new ones, and what those find
becomes a case with a test of its own.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Time limits measure the machine: on a busy one the first text alone takes seconds to generate.
settings.register_profile(
    "default",
    derandomize=not os.environ.get("IBKR_RANDOM_SEEDS"),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("default")
