"""Who may come in to the console: by its token, by a proxy that has signed them in, or, with neither configured, from this machine.

A signed-in browser holds a name that means something only here, in a cookie that no script reads and no other site sends. What changes
something is taken only from our own pages (`Origin`, as every browser sends it with a POST), or with the token itself, which no foreign
page has.
"""

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from server import auth
from server.placed import Pace
from server.routes.door import Door

WHO = web.RequestKey("who", str)
"""The operator's name."""
CONSOLE = web.RequestKey("console", bool)
"""Set for whatever the console answers."""
COOKIE = "allo_console"
SIGN_IN = "/sign-in"
_LIFE_S = 12 * 3_600.0
_SESSIONS, _PEERS = 1_000, 1_000
_TRIES_A_MINUTE = 10

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gate:
    """`who` names the operator of a request, or nobody."""

    def __init__(self, door: Door, clock: Callable[[], float]) -> None:
        """`clock`: seconds, never backwards."""
        settings = door.house.config.server
        self._door, self._clock = door, clock
        self._token = settings.console_token.get_secret_value() if settings.console_token else ""
        self._header = settings.console_user_header or ""
        self._open: OrderedDict[str, float] = OrderedDict()  # digests of cookies, until when they are good
        self._tries: OrderedDict[str, Pace] = OrderedDict()

    @property
    def has_form(self) -> bool:
        """Whether a token signs people in."""
        return bool(self._token)

    def guard(self, handler: Handler) -> Handler:
        """`handler`, for operators: their name is `request[WHO]`."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            request[CONSOLE] = True
            if self._from_elsewhere(request):
                return self._door.refuse("console_origin")
            who = self.who(request)
            if not who:
                return self._turned_away(request)
            request[WHO] = who
            return await handler(request)

        return guarded

    # ---- who

    def who(self, request: web.Request) -> str:
        """ "" for nobody."""
        if signed_in := self.signed_in(request):
            return signed_in
        if self._token:
            return "token" if self._brings_token(request) else ""
        return "" if self._header else "loopback" * self._door.on_loopback(request)

    def signed_in(self, request: web.Request) -> str:
        """Who has signed in, here or at the proxy; "" for nobody, also for who brings a token along. Other pages of ours ask it too: whoever may read calls may
        make one from a browser. Not the other way round: what opens those pages opens nothing here."""
        if self._header and self._door.trusts(request):
            named = request.headers.getall(self._header, [])
            if len(named) == 1 and named[0].strip():  # one that came twice was not set by the proxy alone
                return named[0].strip()[:200]
        return "token" if self._token and self._is_open(request.cookies.get(COOKIE, "")) else ""

    def _brings_token(self, request: web.Request) -> bool:
        header = request.headers.get("Authorization", "")
        return bool(header) and self._right(request, lambda: auth.bearer_authorized(header, self._token))

    def _is_open(self, cookie: str) -> bool:
        digest = _digest(cookie)
        if self._open.get(digest, 0.0) < self._clock():
            self._open.pop(digest, None)
            return False
        return True

    def _turned_away(self, request: web.Request) -> web.Response:
        if self._token and request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
            return web.Response(status=303, headers={"Location": SIGN_IN})
        self._door.count_refusal("console_who")
        if self._token:
            return web.Response(status=401, text="sign in first\n", headers={"WWW-Authenticate": "Bearer"})
        text = "the console is for this machine only: set server.console_token or server.console_user_header\n"
        return web.Response(status=403, text=text)

    # ---- signing in

    def sign_in(self, request: web.Request, token: str) -> web.Response | None:
        """The answer to the right token, which opens the console to that browser; None to a wrong one."""
        right = self._right(request, lambda: auth.same(self._token, token.strip()))
        if not self._token or not right:
            self._door.count_refusal("console_token")
            return None
        cookie = secrets.token_urlsafe(32)
        while len(self._open) >= _SESSIONS:
            self._open.popitem(last=False)
        self._open[_digest(cookie)] = self._clock() + _LIFE_S
        response = web.Response(status=303, headers={"Location": "/"})
        response.set_cookie(
            COOKIE,
            cookie,
            max_age=int(_LIFE_S),
            httponly=True,
            samesite="Strict",
            secure=self._door.encrypted(request),
            path="/",
        )
        return response

    def sign_out(self, request: web.Request) -> web.Response:
        self._open.pop(_digest(request.cookies.get(COOKIE, "")), None)
        response = web.Response(status=303, headers={"Location": SIGN_IN if self._token else "/"})
        response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
        return response

    def _right(self, request: web.Request, compare: Callable[[], bool]) -> bool:
        """Whether a token is right, if whoever brings it has not brought too many wrong ones: then it is not looked at."""
        peer = self._door.client(request)
        pace = self._tries.setdefault(peer, Pace(_TRIES_A_MINUTE, self._clock))
        self._tries.move_to_end(peer)
        while len(self._tries) > _PEERS:
            self._tries.popitem(last=False)
        if pace.spent:
            self._door.count_refusal("console_pace")
            raise web.HTTPTooManyRequests(text="too many wrong tokens: wait a minute\n", headers={"Retry-After": "60"})
        right = compare()
        if not right:
            pace.admit()
        return right

    # ---- from where

    def _from_elsewhere(self, request: web.Request) -> bool:
        """Whether another site's page sent it: all but a link that was followed here."""
        site = request.headers.get("Sec-Fetch-Site", "")
        if request.method in ("GET", "HEAD"):
            followed = request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
            return site in ("cross-site", "same-site") and not followed
        if "Authorization" in request.headers and "Origin" not in request.headers:
            return False
        return site in ("cross-site", "same-site") or not self.is_ours(request)

    def is_ours(self, request: web.Request) -> bool:
        """Whether `Origin` says one of our own pages."""
        try:
            origin = urlsplit(request.headers.get("Origin", "")).netloc.lower()
        except ValueError:
            return False
        return bool(origin) and origin in self._door.hosts(request)


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode(errors="surrogateescape")).hexdigest()
