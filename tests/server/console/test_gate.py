"""Who may come in to the console, asked over HTTP."""

from types import SimpleNamespace

import pytest
from aiohttp import CookieJar
from pydantic import SecretStr

from server.console.gate import COOKIE
from tests.helpers.carriers import Served, serving

TOKEN = "a-token-for-operators"
WITH_TOKEN = {"console_token": SecretStr(TOKEN)}
PROXIED = {"console_user_header": "X-Auth-User", "trusted_proxies": ["127.0.0.0/8"]}
HTML = {"Accept": "text/html"}


async def get(served: Served, path: str = "/", **headers: str) -> tuple[int, str]:
    async with served.http.get(served.base + path, headers=headers, allow_redirects=False) as response:
        return response.status, await response.text()


async def post(served: Served, path: str, data: dict[str, str], **headers: str):
    async with served.http.post(served.base + path, data=data, headers=headers, allow_redirects=False) as response:
        await response.read()
        return response


def ours(served: Served) -> dict[str, str]:
    return {"Origin": served.base}


async def signed_in(served: Served) -> dict[str, str]:
    """Headers of a browser that has signed in."""
    response = await post(served, "/sign-in", {"token": TOKEN}, **ours(served))
    assert response.status == 303
    served.http.cookie_jar.clear()
    return {"Cookie": f"{COOKIE}={response.cookies[COOKIE].value}"}


# ---- nothing configured


async def test_with_nothing_configured_this_machine_alone_comes_in():
    async with serving() as served:
        assert (await get(served))[0] == 200
        for headers in (
            {"X-Forwarded-For": "127.0.0.1"},
            {"Host": "phone.example.org"},
            {"Origin": "https://evil.example"},
            {"Authorization": f"Bearer {TOKEN}", "Via": "1.1 x"},
        ):
            status, text = await get(served, **headers)
            assert status == 403
            assert "console_token" in text or text == "forbidden\n"
        assert served.house.refused("console_who") == 4


# ---- the token


@pytest.mark.parametrize(
    "path", ["/", "/live/x", "/live/events", "/calls/x", "/calls/x/call.wav", "/forget", "/replays/x"]
)
async def test_without_the_token_nobody_comes_in(path):
    async with serving({"server": WITH_TOKEN}) as served:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": f"{COOKIE}=guess"}, {"X-Auth-User": "ana"}):
            status, text = await get(served, path, **headers)
            assert (status, text) == (401, "sign in first\n")
        assert (await get(served, path, **HTML))[0] == 303  # a browser is shown the form


async def test_the_form_opens_the_console_by_a_cookie_that_no_script_reads():
    async with serving({"server": WITH_TOKEN}) as served:
        served.http._cookie_jar = CookieJar(unsafe=True)  # of an address, too
        assert (await get(served, "/sign-in"))[0] == 200
        response = await post(served, "/sign-in", {"token": f" {TOKEN} "}, **ours(served))
        cookie = response.cookies[COOKIE]
        assert (response.status, response.headers["Location"]) == (303, "/")
        assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["secure"]) == (True, "Strict", "/", "")
        assert TOKEN not in str(cookie)
        assert (await get(served))[0] == 200
        assert (await post(served, "/sign-out", {}, **ours(served))).status == 303
        assert (await get(served, **{"Cookie": f"{COOKIE}={cookie.value}"}))[0] == 401


async def test_the_cookie_is_for_tls_where_the_proxy_speaks_it():
    async with serving({"server": {**WITH_TOKEN, "trusted_proxies": ["127.0.0.1/32"]}}) as served:
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "console.example.org"}
        response = await post(served, "/sign-in", {"token": TOKEN}, Origin="https://console.example.org", **headers)
        assert (response.status, response.cookies[COOKIE]["secure"]) == (303, True)


async def test_a_bearer_comes_in_and_may_act_without_an_origin():
    async with serving({"server": WITH_TOKEN}) as served:
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert (await get(served, **bearer))[0] == 200
        assert (await post(served, "/live/none/hang-up", {}, **bearer)).status == 404


async def test_wrong_tokens_are_shown_the_form_and_then_the_door():
    async with serving({"server": WITH_TOKEN}) as served:
        statuses = [(await post(served, "/sign-in", {"token": f"guess {n}"}, **ours(served))).status for n in range(12)]
        assert statuses == [401] * 10 + [429] * 2
        assert (await post(served, "/sign-in", {"token": TOKEN}, **ours(served))).status == 429
        assert (await get(served, Authorization=f"Bearer {TOKEN}"))[0] == 429
        assert served.house.refused("console_token") == 10


async def test_who_guesses_from_elsewhere_locks_nobody_else_out():
    async with serving({"server": {**WITH_TOKEN, "trusted_proxies": ["127.0.0.1/32"]}}) as served:
        guesser = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9"}  # what is before the last is the guesser's own invention
        for n in range(10):
            await post(
                served,
                "/sign-in",
                {"token": "x"},
                **ours(served),
                **guesser | {"X-Forwarded-For": f"6.6.6.{n}, 203.0.113.9"},
            )
        assert (await post(served, "/sign-in", {"token": "x"}, **ours(served), **guesser)).status == 429
        other = {"X-Forwarded-For": "203.0.113.10"}
        assert (await post(served, "/sign-in", {"token": TOKEN}, **ours(served), **other)).status == 303


# ---- a proxy


async def test_a_trusted_proxy_says_who_it_is():
    async with serving({"server": PROXIED}) as served:
        status, text = await get(served, **{"X-Auth-User": "ana@example.org"})
        assert status == 200
        assert "ana@example.org" in text
        assert (await get(served))[0] == 403
        assert (await get(served, **{"X-Auth-User": " "}))[0] == 403


async def test_nobody_else_says_who_it_is():
    async with serving({"server": {**PROXIED, "trusted_proxies": ["10.0.0.0/8"]}}) as served:
        assert (await get(served, **{"X-Auth-User": "ana@example.org"}))[0] == 403


async def test_a_header_that_comes_twice_was_not_set_by_the_proxy_alone():
    twice = [("X-Auth-User", "root"), ("X-Auth-User", "ana")]
    async with serving({"server": PROXIED}) as served, served.http.get(served.base, headers=twice) as response:
        assert response.status == 403


async def test_a_user_that_is_markup_is_text():
    async with serving({"server": PROXIED}) as served:
        _, text = await get(served, **{"X-Auth-User": "<script>alert(1)</script>"})
        assert "<script>alert" not in text


# ---- other sites


@pytest.mark.parametrize(
    "path", ["/live/x/hang-up", "/live/x/note", "/calls/x/forget", "/forget", "/calls/x/replay", "/sign-out"]
)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[bad"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
async def test_no_other_sites_page_acts(path, headers):
    async with serving({"server": WITH_TOKEN}) as served:
        cookie = await signed_in(served)
        assert (await post(served, path, {"number": "+15550100"}, **cookie, **headers)).status == 403
        assert (
            await post(served, path, {}, **cookie, **ours(served), **{"Sec-Fetch-Site": "cross-site"})
        ).status == 403
        assert (await post(served, path, {}, **cookie, **ours(served))).status != 403


async def test_no_other_sites_page_signs_a_browser_in_or_loads_anything():
    async with serving({"server": WITH_TOKEN}) as served:
        assert (await post(served, "/sign-in", {"token": TOKEN}, Origin="https://evil.example")).status == 403
        cookie = await signed_in(served)
        embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
        assert (await get(served, "/calls/x/call.wav", **cookie, **embedded))[0] == 403
        followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        assert (await get(served, "/", **cookie, **followed))[0] == 200


# ---- what a browser may do with it


async def test_every_answer_says_what_a_browser_may_do():
    async with serving({"server": WITH_TOKEN}) as served:
        cookie = await signed_in(served)
        for path in ("/", "/sign-in", "/static/console.js", "/calls/none", "/static/none", "/live/none"):
            async with served.http.get(served.base + path, headers=cookie) as response:
                policy = response.headers["Content-Security-Policy"]
                assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'")
                assert "unsafe" not in policy
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                assert response.headers["X-Frame-Options"] == "DENY"
                assert response.headers["Referrer-Policy"] == "same-origin"  # with none, a form's Origin is null
        async with served.http.get(served.base) as response:
            assert "Content-Security-Policy" in response.headers  # also to who is turned away


async def test_static_files_are_those_and_no_others():
    async with serving() as served:
        for name in ("console.js", "console.css", "look.css", "icon.svg"):
            assert (await get(served, f"/static/{name}"))[0] == 200
        for name in ("../app.py", "..%2fapp.py", "%2e%2e%2fapp.py", "console.js%00", ".", "templates"):
            assert (await get(served, f"/static/{name}"))[0] == 404


async def test_with_a_port_of_its_own_the_console_is_not_on_the_carriers():
    async with serving({"server": {**WITH_TOKEN, "console_port": 0}}) as served:
        for path in ("/", "/sign-in", "/static/console.js", "/live/events"):
            assert (await get(served, path))[0] == 404
        assert (await get(served, "/healthz"))[0] == 200


# ---- one sign-in for console, phone and feelings

API = "a-token-for-scripts-and-callers"
BOTH = {**WITH_TOKEN, "api_token": SecretStr(API)}
DOORS = ("/phone", "/feelings")


@pytest.mark.parametrize("settings", [BOTH, WITH_TOKEN])
async def test_who_has_signed_in_here_may_call_and_try_feelings(settings):
    """From anywhere, without another token, and only as long as he is signed in."""
    async with serving({"server": settings}) as served:
        served.house.feelings = SimpleNamespace(hears=False)
        away = {"X-Forwarded-For": "203.0.113.9"}
        cookie = {**await signed_in(served), **away}
        for path in DOORS:
            assert (await get(served, path, **cookie))[0] == 200
            assert (await get(served, path, **away))[0] in (303, 401, 403)
        assert (await post(served, "/phone/ticket", {}, **cookie, **ours(served))).status == 200
        assert (await post(served, "/phone/ticket", {}, **away, **ours(served))).status == 403
        await post(served, "/sign-out", {}, **cookie, **ours(served))
        for path in DOORS:
            assert (await get(served, path, **cookie))[0] != 200
        assert (await post(served, "/phone/ticket", {}, **cookie, **ours(served))).status == 403


async def test_who_may_call_may_not_read_calls():
    async with serving({"server": BOTH}) as served:
        bearer = {"Authorization": f"Bearer {API}"}
        assert (await get(served, "/phone", **bearer))[0] == 200
        assert (await get(served, "/", **bearer))[0] == 401
        response = await post(served, "/phone/sign-in", {"token": API})
        phone = {"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in response.cookies.items())}
        served.http.cookie_jar.clear()
        assert (await get(served, "/phone", **phone))[0] == 200
        assert (await get(served, "/", **phone))[0] == 401
        assert (await get(served, "/feelings", **phone))[0] == 401


async def test_scripts_with_their_token_spend_nobodys_tries():
    """The phone's token is no wrong one of the console's."""
    async with serving({"server": BOTH}) as served:
        for _ in range(12):
            assert (await get(served, "/phone", Authorization=f"Bearer {API}"))[0] == 200
        await signed_in(served)


async def test_a_proxys_user_may_call_but_not_from_another_sites_page():
    async with serving({"server": {**PROXIED, "api_token": SecretStr(API)}}) as served:
        ana = {"X-Auth-User": "ana"}
        foreign = {**ana, "Origin": "https://evil.example"}
        assert (await get(served, "/phone", **ana))[0] == 200
        assert (await post(served, "/phone/ticket", {}, **ana, **ours(served))).status == 200
        assert (await post(served, "/phone/ticket", {}, **foreign)).status == 403
        assert (await post(served, "/feelings", {"text": "x"}, **foreign)).status == 401


async def test_with_a_port_of_its_own_the_consoles_cookie_is_worth_nothing_on_the_carriers():
    async with serving({"server": {**BOTH, "console_port": 0}}) as served:
        for path in DOORS:
            assert (await get(served, path, Cookie=f"{COOKIE}=x"))[0] == 401


async def test_the_way_from_one_to_the_other_is_shown():
    async with serving({"server": WITH_TOKEN}) as served:
        cookie = await signed_in(served)
        assert 'href="/phone"' in (await get(served, "/", **cookie, **HTML))[1]
        async with served.http.get(
            f"{served.base}/phone", headers={"X-Forwarded-For": "203.0.113.9"}, allow_redirects=False
        ) as response:
            assert (response.status, response.headers["Location"]) == (303, "/sign-in")
    async with serving({"server": BOTH}) as served:
        assert 'href="/sign-in"' in (await get(served, "/phone"))[1]
    async with serving({"phone": {"enabled": False}}) as served:
        assert "/phone" not in (await get(served, "/"))[1]
