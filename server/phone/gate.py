"""Who may use the phone in the browser: people on this machine, or, once `server.api_token` is configured, those who bring it, as a bearer
or once in a form, for a cookie; and operators who have signed in at the console. Nothing that another site's page makes a browser ask for."""

import hashlib
import hmac
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp import web

from server import auth
from server.config import ServerSettings
from server.console.gate import Gate as Operators
from server.placed import Pace
from server.routes.door import Door

COOKIE = "allo_phone"
_COOKIE_LIFE_S = 12 * 3_600
_WRONG_PER_MINUTE = 10


class Gate:
    def __init__(
        self,
        settings: ServerSettings,
        door: Door,
        operators: Operators | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`operators`: the console's gate, where it stands beside this; `clock`: Unix time, in seconds."""
        self._operators = operators
        self._token = settings.api_token.get_secret_value() if settings.api_token else ""
        self._door, self._clock = door, clock
        self._wrong = Pace(_WRONG_PER_MINUTE, clock)

    @property
    def has_lock(self) -> bool:
        """Whether signing in opens it."""
        return bool(self._token)

    def refusal(self, request: web.Request) -> str:
        """Why the request may not come in, or nothing."""
        if self._operators is not None and self._operators.signed_in(request):
            return ""
        if not self._token:
            return "" if self._door.on_loopback(request) else "not_loopback"
        bearer = auth.bearer_authorized(request.headers.get("Authorization", ""), self._token)
        return "" if bearer or self._known(request.cookies.get(COOKIE, "")) else "phone_token"

    def acting_refusal(self, request: web.Request) -> str:
        """The same for a request that does something: it must not be another site's page that makes it."""
        origin = request.headers.get("Origin")
        ours = {request.host, urlsplit(self._door.url(request)).netloc}
        if origin is not None and _netloc(origin) not in ours:
            return "cross_origin"
        return self.refusal(request)

    def sign_in(self, request: web.Request, token: str, response: web.Response) -> str:
        """Put the cookie on `response`; or why not: "phone_token", or "pace" where too many wrong ones came."""
        if not self._token or not hmac.compare_digest(token.encode(errors="surrogateescape"), self._token.encode()):
            return "phone_token" if self._wrong.admit() else "pace"
        expires = str(int(self._clock()) + _COOKIE_LIFE_S)
        secure = self._door.url(request).startswith("https:")
        response.set_cookie(
            COOKIE,
            f"{expires}.{self._signature(expires)}",
            max_age=_COOKIE_LIFE_S,
            path="/phone",
            httponly=True,
            samesite="Strict",
            secure=secure,
        )
        return ""

    def _known(self, cookie: str) -> bool:
        expires, _, signature = cookie.partition(".")
        fits = hmac.compare_digest(signature.encode(errors="surrogateescape"), self._signature(expires).encode())
        return fits and int(expires) >= self._clock()

    def _signature(self, expires: str) -> str:
        return hmac.new(self._token.encode(), f"{COOKIE}.{expires}".encode(), hashlib.sha256).hexdigest()


def _netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""
