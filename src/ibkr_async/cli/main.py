"""`ibkr-async`: the entry point. It only finds out whether the extras are installed."""

from __future__ import annotations

import sys

_NEEDS_EXTRAS = (
    "ibkr-async: this command needs an extra that is not installed ({missing} is missing).\n"
    "Install them with:  pip install 'ibkr_async[cli,sim]'"
)
_EXTRAS = frozenset({"cyclopts", "rich", "starlette", "uvicorn"})
_USAGE_ERROR = 2


def main() -> None:
    """Run the command line; explain what to install when an extra is missing."""
    try:
        from ibkr_async.cli.app import build_app

        build_app()(sys.argv[1:])
    except ModuleNotFoundError as error:  # some commands import what they need when they run
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRAS:
            raise
        print(_NEEDS_EXTRAS.format(missing=missing), file=sys.stderr)
        raise SystemExit(_USAGE_ERROR) from None


if __name__ == "__main__":
    main()
