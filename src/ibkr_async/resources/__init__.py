"""Thin typed endpoints of the Web API: each builds a request and returns a model.

| File | Public as | Endpoints |
|---|---|---|
| `session` | (the session keeper's) | `/iserver/auth/*`, `/tickle`, `/sso/validate`, `/logout` |
| `accounts` | `ib.accounts` | `/iserver/accounts`, `/iserver/account*` |
| `contracts` | `ib.contracts` | `/iserver/secdef/*`, `/iserver/contract/*`, `/trsrv/*` |
| `market_data` | `ib.market_data` | `/iserver/marketdata/*` |
| `portfolio` | `ib.portfolio` | `/portfolio/*` |

Nothing here signs, paces, retries or decodes: that is `rest`. Nothing here trades: that is `orders`.
"""
