"""The page on which a user lets a program act for them: sign in, approve or deny.

Plain HTML that works without scripts, with the keyboard, and with a screen reader. It says on every
screen that it is not IBKR's. It must never send anybody to another machine, and never show what a
form brought without escaping it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from starlette.responses import Response

from ibkr_async.simulator.login.oauth_flow import THIRD_PARTY_KEY, with_parameters

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

    from ibkr_async.simulator.login.oauth_flow import ThirdPartyFlow

AUTHORIZE_PATH = "/authorize"
DEMO_USER: Final = "demo"
DEMO_PASSWORD: Final = "demo"  # noqa: S105 - printed on the page itself

_OK, _SEE_OTHER, _BAD_REQUEST, _FORBIDDEN = 200, 303, 400, 403
_STYLE: Final = """
body { font: 1.05rem/1.5 system-ui, sans-serif; color: #1b1b1b; background: #f4f4f2; margin: 0; }
main { max-width: 26rem; margin: 2rem auto; padding: 1.5rem 2rem; background: #fff; border: 1px solid #767676; border-radius: .4rem; }
h1 { font-size: 1.4rem; margin: 0 0 1rem; }
.notice { background: #fff3cd; border-left: .3rem solid #7a5b00; padding: .5rem .8rem; margin: 0 0 1.2rem; }
.error { background: #fdecea; border-left: .3rem solid #a4000f; padding: .5rem .8rem; }
label { display: block; margin: .8rem 0 .2rem; font-weight: 600; }
input { font: inherit; box-sizing: border-box; width: 100%; padding: .45rem; border: 1px solid #595959; border-radius: .25rem; }
button { font: inherit; padding: .5rem 1.2rem; margin: 1.2rem .6rem 0 0; border: 2px solid #0b4f9c; border-radius: .25rem; background: #0b4f9c; color: #fff; cursor: pointer; }
button.quiet { background: #fff; color: #0b4f9c; }
:focus-visible { outline: 3px solid #d35400; outline-offset: 2px; }
code { font-size: 1.1rem; overflow-wrap: anywhere; }
"""


class PageAnswer(NamedTuple):
    """What a browser is shown or told."""

    status: int
    html: str = ""
    location: str = ""
    """Where to go instead."""
    form_target: str = ""
    """Origin that a form of this screen may lead to in the end."""


class AuthorizePage:
    """The dialogue with one user after the other. Pure but for the randomness it is given."""

    def __init__(self, flow: ThirdPartyFlow, *, new_ticket: Callable[[], str]) -> None:
        self._flow = flow
        self._new_ticket = new_ticket
        self._tickets: dict[str, str] = {}
        """Request token to the proof that its user has signed in."""

    def open(self, query: Mapping[str, str], now: float) -> PageAnswer:
        """Show the sign-in form for the request token in the address."""
        return self._checked(query, now) or _sign_in(query, self._target(query))

    def submit(self, form: Mapping[str, str], now: float) -> PageAnswer:
        """Take a form: the sign-in, or the decision."""
        problem = self._checked(form, now)
        if problem is not None:
            return problem
        if form.get("step") == "decide":
            return self._decide(form, now)
        if (form.get("username"), form.get("password")) != (DEMO_USER, DEMO_PASSWORD):
            return _sign_in(
                form, self._target(form), error="The user name or the password is not right."
            )
        ticket = self._tickets[form["oauth_token"]] = self._new_ticket()
        return _consent(form, ticket, self._target(form))

    def _checked(self, given: Mapping[str, str], now: float) -> PageAnswer | None:
        token = given.get("oauth_token", "")
        if not self._flow.is_open(token, now):
            return _problem(
                "This request is not valid",
                "It is unknown, too old, or has been answered. Start again from the program that "
                "sent you here.",
            )
        try:
            self._target(given)
        except ValueError:
            return _problem(
                "This callback is refused",
                "The simulator sends people to addresses of this machine only.",
            )
        return None

    def _target(self, given: Mapping[str, str]) -> str:
        return self._flow.callback_of(given["oauth_token"], given.get("redirect_uri", ""))

    def _decide(self, form: Mapping[str, str], now: float) -> PageAnswer:
        token = form["oauth_token"]
        known = self._tickets.get(token, "")
        if not known or not hmac.compare_digest(known.encode(), form.get("ticket", "").encode()):
            return _sign_in(form, self._target(form), error="Please sign in first.")
        if form.get("decision") not in {"approve", "deny"}:
            return _consent(form, known, self._target(form))
        target = self._target(form)
        del self._tickets[token]
        if form["decision"] == "deny":
            self._flow.deny(token, now)
            return _denied(token, target)
        return _approved(token, self._flow.approve(token, now), target)


def _approved(token: str, verifier: str, target: str) -> PageAnswer:
    if target:
        location = with_parameters(target, oauth_token=token, oauth_verifier=verifier)
        return PageAnswer(_SEE_OTHER, location=location)
    return _screen(
        "Access approved",
        "<p>Give this code to the program that sent you here:</p>"
        f'<p><label for="verifier">Verifier</label><code><output id="verifier">{escape(verifier)}'
        "</output></code></p><p>You can close this page.</p>",
    )


def _denied(token: str, target: str) -> PageAnswer:
    if target:
        # The name is that of the problem-reporting extension of OAuth 1.0; IBKR's is not known.
        location = with_parameters(target, oauth_token=token, oauth_problem="user_refused")
        return PageAnswer(_SEE_OTHER, location=location)
    return _screen("Access denied", "<p>Nothing was granted. You can close this page.</p>")


def _sign_in(given: Mapping[str, str], target: str, *, error: str = "") -> PageAnswer:
    alert = f'<p class="error" role="alert" id="error">{escape(error)}</p>' if error else ""
    described = "error hint" if error else "hint"
    return _screen(
        "Sign in",
        f"{alert}"
        f'<p id="hint">The demo user is <code>{DEMO_USER}</code> with the password '
        f"<code>{DEMO_PASSWORD}</code>.</p>"
        f'<form method="post" action="{AUTHORIZE_PATH}">{_hidden(given, step="sign_in")}'
        '<label for="username">User name</label>'
        '<input id="username" name="username" type="text" autocomplete="username" required '
        f'autocapitalize="none" spellcheck="false" aria-describedby="{described}">'
        '<label for="password">Password</label>'
        '<input id="password" name="password" type="password" autocomplete="current-password" '
        f'required aria-describedby="{described}">'
        '<button type="submit">Sign in</button></form>',
        status=_FORBIDDEN if error else _OK,
        target=target,
    )


def _consent(given: Mapping[str, str], ticket: str, target: str) -> PageAnswer:
    return _screen(
        "Allow access?",
        f"<p>The program <strong>{THIRD_PARTY_KEY}</strong> asks to act for you:</p>"
        "<ul><li>read your accounts, positions and orders</li>"
        "<li>place, change and cancel orders</li></ul>"
        f'<form method="post" action="{AUTHORIZE_PATH}">'
        f"{_hidden(given, step='decide', ticket=ticket)}"
        '<button type="submit" name="decision" value="approve">Approve</button>'
        '<button type="submit" name="decision" value="deny" class="quiet">Deny</button></form>',
        target=target,
    )


def _problem(title: str, text: str) -> PageAnswer:
    return _screen(title, f'<p class="error" role="alert">{escape(text)}</p>', status=_BAD_REQUEST)


def _hidden(given: Mapping[str, str], **more: str) -> str:
    kept = {name: given[name] for name in ("oauth_token", "redirect_uri") if given.get(name)}
    return "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in {**kept, **more}.items()
    )


def _screen(title: str, body: str, *, status: int = _OK, target: str = "") -> PageAnswer:
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title} - IBKR simulator</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{title}</h1>"
        '<p class="notice"><strong>Simulator.</strong> This is not Interactive Brokers: never type a '
        f"real password here.</p>{body}</main></body></html>"
    )
    parts = urlsplit(target)
    return PageAnswer(
        status, html, form_target=f"{parts.scheme}://{parts.netloc}" if target else ""
    )


def _headers(screen: PageAnswer) -> dict[str, str]:
    """Allow nothing but our own style and form; browsers apply `form-action` to redirects as well."""
    style = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
    headers = {
        "content-security-policy": (
            f"default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; "
            f"form-action 'self' {screen.form_target}".rstrip()
            + "; frame-ancestors 'none'"
        ),
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }
    if screen.location:
        headers["location"] = screen.location
    return headers


def authorize_endpoint(
    page: AuthorizePage, clock: Callable[[], float]
) -> Callable[[Request], Awaitable[Response]]:
    """Return the HTTP endpoint that serves the page."""

    async def serve(request: Request) -> Response:
        if request.method == "POST":
            text = (await request.body()).decode("utf-8", "replace")
            screen = page.submit(dict(parse_qsl(text, keep_blank_values=True)), clock())
        else:
            screen = page.open(dict(request.query_params), clock())
        return Response(
            screen.html, screen.status, media_type="text/html", headers=_headers(screen)
        )

    return serve
