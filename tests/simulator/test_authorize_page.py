"""The page on which users approve: its rules without a browser, and the page in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from ibkr_async.auth import OAuthFlow
from ibkr_async.cli.oauth.callback import CallbackListener
from ibkr_async.errors import AuthError
from ibkr_async.simulator import Simulator
from ibkr_async.simulator.login.authorize_page import AuthorizePage, PageAnswer
from ibkr_async.simulator.login.keys import SimulatorKeys
from ibkr_async.simulator.login.oauth_flow import ThirdPartyFlow
from ibkr_async.simulator.login.verifier import Verified
from ibkr_async.world import World
from support.chromium import Browser, headless_chromium
from support.inside import send_of
from support.simulator_peer import FAST

NOW = 1_700_000_000.0
CALLBACK = "http://127.0.0.1:20000/back?x=1"
TAB, ENTER = "\ue004", "\ue007"


@pytest.fixture
def flow(keys: SimulatorKeys) -> ThirdPartyFlow:
    """Return a flow whose tokens can be foretold."""
    numbers = count(1)
    return ThirdPartyFlow(
        keys.consumer,
        keys.encryption_key,
        is_paper=True,
        new_bytes=lambda length: next(numbers).to_bytes(length, "big"),
    )


@pytest.fixture
def page(flow: ThirdPartyFlow) -> AuthorizePage:
    """Return a page whose tickets can be foretold."""
    numbers = count(1)
    return AuthorizePage(flow, new_ticket=lambda: f"ticket{next(numbers)}")


Ask = Callable[..., str]


@pytest.fixture
def ask(flow: ThirdPartyFlow) -> Ask:
    """Return a function that asks for a request token."""

    def ask(callback: str = "oob") -> str:
        verified = Verified(
            step="request_token",
            consumer=flow.consumer,
            token="",
            parameters={"oauth_callback": callback},
            form="A",
        )
        return str(flow.request_token(verified, NOW).body["oauth_token"])

    return ask


def sign_in(page: AuthorizePage, token: str, **more: str) -> PageAnswer:
    """Fill in the first form as the demo user."""
    form = {"step": "sign_in", "oauth_token": token, "username": "demo", "password": "demo"}
    return page.submit({**form, **more}, NOW)


def decide(page: AuthorizePage, token: str, decision: str, **more: str) -> PageAnswer:
    """Fill in the second form."""
    form = {"step": "decide", "oauth_token": token, "ticket": "ticket1", "decision": decision}
    return page.submit({**form, **more}, NOW)


def test_approval_leads_to_the_signed_callback(page: AuthorizePage, ask: Ask) -> None:
    """Token and verifier are added to the callback that was signed; `redirect_uri` cannot move it."""
    token = ask(CALLBACK)
    elsewhere = "http://127.0.0.1:9/"

    opened = page.open({"oauth_token": token, "redirect_uri": elsewhere}, NOW)
    consent = sign_in(page, token, redirect_uri=elsewhere)
    back = decide(page, token, "approve", redirect_uri=elsewhere)

    assert (opened.status, consent.status, back.status) == (200, 200, 303)
    assert 'value="ticket1"' in consent.html
    address = urlsplit(back.location)
    assert f"{address.scheme}://{address.netloc}{address.path}" == "http://127.0.0.1:20000/back"
    query = parse_qs(address.query)
    assert (query["x"], query["oauth_token"]) == (["1"], [token])
    assert len(query["oauth_verifier"][0]) == 20


def test_refusal_leads_back_without_a_verifier(page: AuthorizePage, ask: Ask) -> None:
    """The program learns that the user said no, and the token is dead."""
    token = ask()
    sign_in(page, token, redirect_uri=CALLBACK)

    back = decide(page, token, "deny", redirect_uri=CALLBACK)

    assert parse_qs(urlsplit(back.location).query)["oauth_problem"] == ["user_refused"]
    assert "oauth_verifier" not in back.location
    assert page.open({"oauth_token": token}, NOW).status == 400


@pytest.mark.parametrize(("decision", "words"), [("approve", "Verifier"), ("deny", "Nothing was")])
def test_without_a_callback_the_outcome_is_shown(
    page: AuthorizePage, ask: Ask, decision: str, words: str
) -> None:
    """`oob` means that the user carries the verifier over."""
    token = ask()
    sign_in(page, token)

    screen = decide(page, token, decision)

    assert (screen.status, screen.location) == (200, "")
    assert words in screen.html


@pytest.mark.parametrize(
    "change",
    [{"username": "other"}, {"password": "wrong"}, {"username": "", "password": ""}],
)
def test_wrong_sign_in_is_said_and_grants_nothing(
    page: AuthorizePage, ask: Ask, change: dict[str, str]
) -> None:
    """The alert names no field, and no ticket is given."""
    screen = sign_in(page, ask(), **change)

    assert screen.status == 403
    assert 'role="alert"' in screen.html
    assert "ticket" not in screen.html


def test_decision_needs_the_ticket_of_the_sign_in(page: AuthorizePage, ask: Ask) -> None:
    """Another site cannot post an approval: it does not know the ticket."""
    token = ask()

    before = decide(page, token, "approve")
    sign_in(page, token)
    wrong = decide(page, token, "approve", ticket="ticket2")
    neither = decide(page, token, "perhaps")

    assert (before.status, wrong.status, neither.status) == (403, 403, 200)
    assert "Please sign in first" in wrong.html
    assert "Approve" in neither.html


@pytest.mark.parametrize("token", ["", "unknown"])
def test_unknown_request_token_is_refused(page: AuthorizePage, token: str) -> None:
    """Also when the form is posted directly."""
    assert page.open({"oauth_token": token}, NOW).status == 400
    assert sign_in(page, token).status == 400


def test_request_token_grows_old(page: AuthorizePage, ask: Ask) -> None:
    """After ten minutes the user must start again from the program."""
    token = ask()

    assert page.open({"oauth_token": token}, NOW + 599).status == 200
    assert page.open({"oauth_token": token}, NOW + 600).status == 400


@pytest.mark.parametrize(
    "callback",
    [
        "http://evil.example/",
        "https://127.0.0.1.evil.example/",
        "http://127.0.0.1@evil.example/",
        "javascript:alert(1)",
        "http://127.0.0.1/#x",
        "http://127.0.0.1/\r\nSet-Cookie: a=b",
        "//evil.example",
    ],
)
def test_verifier_never_leaves_this_machine(page: AuthorizePage, ask: Ask, callback: str) -> None:
    """Neither the signed callback nor `redirect_uri` may point elsewhere."""
    signed, plain = ask(callback), ask()

    assert page.open({"oauth_token": signed}, NOW).status == 400
    assert page.open({"oauth_token": plain, "redirect_uri": callback}, NOW).status == 400
    assert sign_in(page, plain, redirect_uri=callback).status == 400


def test_what_a_form_brought_is_escaped(page: AuthorizePage, ask: Ask) -> None:
    """A callback with markup in it stays text."""
    screen = page.open(
        {"oauth_token": ask(), "redirect_uri": 'http://127.0.0.1/?"><script>x</script>'}, NOW
    )

    assert "<script" not in screen.html
    assert "&quot;&gt;&lt;script&gt;" in screen.html


# --- in a real browser ---------------------------------------------------------------------------


@pytest.fixture
async def plain_sim(keys: SimulatorKeys) -> AsyncIterator[Simulator]:
    """Return a simulator without TLS, which a browser trusts on loopback."""
    async with Simulator(keys=keys, settings=FAST, tls=False) as running:
        yield running


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    """Return a fresh headless Chromium."""
    async with headless_chromium(tmp_path) as running:
        yield running


def _address(flow: OAuthFlow, listener: CallbackListener) -> str:
    return flow.authorize_url(redirect_uri=listener.address)


@pytest.mark.browser
@pytest.mark.timeout(120)
async def test_user_approves_in_chromium_with_the_keyboard(
    plain_sim: Simulator, browser: Browser
) -> None:
    """Sign in and approve without a mouse; the browser lands on the callback; the login works."""
    async with plain_sim.flow() as flow:
        token = await flow.request_token()
        async with CallbackListener(token.reveal(), world=World()) as listener:
            await browser.open(_address(flow, listener))
            await browser.press(TAB, *"demo", TAB, *"wrong", ENTER)
            alert = await browser.find("[role=alert]")
            assert (await alert.role(), "not right" in await alert.text()) == ("alert", True)
            await browser.press(TAB, *"demo", TAB, *"demo", TAB, ENTER)
            await browser.until_title("Allow access? - IBKR simulator")
            await browser.press(TAB)
            assert await (await browser.focused()).label() == "Approve"
            await browser.press(ENTER)
            verifier = await listener.verifier(10)
            await browser.until_title("Done")
            landed = await browser.url()
        auth = await flow.access_token(verifier)
        await auth.login(send_of(flow))

    assert landed.startswith(listener.address)
    assert not auth.needs_login


@pytest.mark.browser
@pytest.mark.timeout(120)
async def test_user_denies_in_chromium(plain_sim: Simulator, browser: Browser) -> None:
    """The program gets a clear refusal instead of waiting."""
    async with plain_sim.flow() as flow:
        token = await flow.request_token()
        async with CallbackListener(token.reveal(), world=World()) as listener:
            await browser.open(_address(flow, listener))
            await (await browser.find("#username")).type("demo")
            await (await browser.find("#password")).type("demo")
            await (await browser.find("button")).click()
            await (await browser.find("button[value=deny]")).click()
            with pytest.raises(AuthError, match="not granted"):
                await listener.verifier(10)
            await browser.until_title("Access was not granted")


@pytest.mark.browser
@pytest.mark.timeout(120)
async def test_verifier_can_be_read_from_the_page(plain_sim: Simulator, browser: Browser) -> None:
    """Without a callback the code is on the page, with a name that is read out."""
    async with plain_sim.flow() as flow:
        await flow.request_token()
        await browser.open(flow.authorize_url())
        await (await browser.find("#username")).type("demo")
        await (await browser.find("#password")).type("demo")
        await (await browser.find("button")).click()
        await (await browser.find("button[value=approve]")).click()
        shown = await browser.find("output")
        verifier = await shown.text()
        await flow.access_token(verifier)

    assert re.fullmatch(r"[0-9a-f]{20}", verifier)
    assert await shown.label() == "Verifier"


@pytest.mark.browser
@pytest.mark.timeout(120)
async def test_page_is_accessible_and_harmless(plain_sim: Simulator, browser: Browser) -> None:
    """Names, roles, language and contrast as assistive technology needs them; nothing else loads."""
    async with plain_sim.flow() as flow:
        await flow.request_token()
        await browser.open(flow.authorize_url())
    user, password = await browser.find("#username"), await browser.find("#password")
    button, main = await browser.find("button"), await browser.find("main")

    assert [await each.label() for each in (user, password, button)] == [
        "User name",
        "Password",
        "Sign in",
    ]
    assert [await each.role() for each in (user, button, main)] == ["textbox", "button", "main"]
    assert await browser.script("return document.documentElement.lang") == "en"
    assert await browser.script("return document.querySelectorAll('h1').length") == 1
    assert "not Interactive Brokers" in await main.text()
    assert await _contrast(browser, "button") >= 4.5
    assert await _contrast(browser, ".notice") >= 4.5
    loaded = await browser.script("return performance.getEntriesByType('resource').length")
    assert loaded == 0
    # The policy lets our style through, and would stop a script that found its way in.
    assert await browser.script("return getComputedStyle(document.body).margin") == "0px"


async def _contrast(browser: Browser, selector: str) -> float:
    """Contrast of text and background by the formula of WCAG 2."""
    colours = await browser.script(
        f"const s = getComputedStyle(document.querySelector('{selector}'));"
        "return [s.color, s.backgroundColor]"
    )
    light, dark = sorted(map(_luminance, colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


async def test_page_is_served_with_a_strict_policy(sim: Simulator) -> None:
    """Over TLS as well; forms may lead to the callback's origin only."""
    import httpx

    from support.simulator_peer import trust

    async with sim.flow() as flow, httpx.AsyncClient(verify=trust(sim), trust_env=False) as http:
        await flow.request_token()
        shown = await http.get(flow.authorize_url(redirect_uri=CALLBACK))
        posted = await http.post(
            f"{sim.origin}/authorize",
            content=urlencode({"oauth_token": "x"}),
            headers={"content-type": "application/x-www-form-urlencoded"},
        )

    policy = shown.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self' http://127.0.0.1:20000;" in policy
    assert shown.headers["cache-control"] == "no-store"
    assert posted.status_code == 400
