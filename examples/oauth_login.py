"""Let a user grant your program access (the three legs of OAuth 1.0a), then read the account.

    python examples/oauth_login.py

It runs against the simulator. With a consumer that IBKR has registered for you, build the flow with
your own keys instead:

    OAuthFlow(consumer_key="YOURAPPID", signature_key="private_signature.pem",
              encryption_key="private_encryption.pem", dh="dhparam.pem")

Self-service users need none of this: their token is shown on IBKR's page (`ibkr-async oauth init`).
"""

from __future__ import annotations

import asyncio

from ibkr_async import Client
from ibkr_async.simulator import Simulator


async def main() -> None:
    """Walk the three legs and use what was granted."""
    async with Simulator() as sim:
        async with sim.flow() as flow:
            request_token = await flow.request_token()
            address = flow.authorize_url(request_token)
            print("1. your user opens", address.partition("?")[0])

            # The user signs in and approves; the browser comes back to the callback that was
            # registered with the key, with `oauth_verifier` in the address. Here a lever does it.
            verifier = sim.approve(request_token.reveal())
            print("2. the user approves, and your callback receives a verifier")

            auth = await flow.access_token(verifier)
            grant = flow.granted
            # Store grant.access_token.reveal() and grant.access_token_secret.reveal(), closed to
            # others: they do not expire. `flow.auth(grant)` gives credentials again.
            print("3. access granted to", "a paper account" if grant.is_paper else "an account")

        async with Client(auth) as ib:
            accounts = await ib.portfolio.accounts()
            print("4. logged in:", ", ".join(account.account_id or "?" for account in accounts))


if __name__ == "__main__":
    asyncio.run(main())
