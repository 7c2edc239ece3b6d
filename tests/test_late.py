"""Names of a package that are imported when they are first asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import ibkr_async
from ibkr_async import auth, models
from ibkr_async._late import importer


@pytest.mark.parametrize(
    "package", [ibkr_async, auth, models], ids=lambda package: package.__name__
)
def test_every_name_that_a_package_offers_can_be_had(package: object) -> None:
    """A name whose home has moved would be found by users only."""
    names = package.__all__  # type: ignore[attr-defined]  # both packages have one

    assert [name for name in names if not hasattr(package, name)] == []
    assert dir(package) == sorted(names)


def test_unknown_name_is_an_attribute_error() -> None:
    """As for any module."""
    get = importer("a.package", {"ibkr_async.errors": "IbkrError UsageError"})

    with pytest.raises(AttributeError, match=r"module 'a.package' has no attribute 'Unknown'"):
        get("Unknown")


def test_import_reads_no_login_and_no_older_api() -> None:
    """A program pays for the login that it uses, and once."""
    code = (
        "import sys, ibkr_async\n"
        "late = ('ibkr_async.auth.', 'ibkr_async.oauth.', 'ibkr_async.thirdparty')\n"
        "print([m for m in sys.modules if m.startswith(late)])\n"
        "print(ibkr_async.OAuth1a is ibkr_async.auth.OAuth1a, 'OAuth1a' in vars(ibkr_async))\n"
    )

    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50
    ).stdout

    assert said.splitlines() == [
        "['ibkr_async.auth._secret', 'ibkr_async.oauth.encoding']",
        "True True",
    ]
