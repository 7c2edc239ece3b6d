"""The commands of `ibkr-async`, one file each."""

from __future__ import annotations

import cyclopts

from ibkr_async import __version__
from ibkr_async.cli.config import config_app
from ibkr_async.cli.demo import demo_app
from ibkr_async.cli.oauth.commands import oauth_app
from ibkr_async.cli.orders import orders_app
from ibkr_async.cli.simulate import simulate_app


def build_app() -> cyclopts.App:
    """Put the commands together."""
    app = cyclopts.App(
        name="ibkr-async",
        help="Tools for Interactive Brokers' Web API: OAuth keys, a demo bot, and a simulator of IBKR.",
        version=__version__,
    )
    app.command(config_app)
    app.command(demo_app)
    app.command(oauth_app)
    app.command(orders_app)
    app.command(simulate_app)
    return app
