"""Who may bring us a call: signatures of carriers, one-time tokens for media sockets, and loopback when nothing is
configured."""

import base64
import hashlib
import hmac
import ipaddress
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

import msgspec
from twilio.request_validator import HMAC_SHA1, HMAC_SHA256, RequestValidator, get_signature_algorithm

_FORWARDING = ("x-forwarded", "forwarded", "via", "x-real-ip", "true-client-ip", "cf-connecting-ip", "x-original-")
_TOKEN_LIFE_S = 60.0
_TOKEN_LIMIT = 10_000
_SIGNATURE_AGE_S = 300

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def address(text: str | None) -> Address | None:
    """An IP address as it is meant: without a zone, and IPv4 where IPv6 only carries it. None for what is none."""
    try:
        ip = ipaddress.ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    return getattr(ip, "ipv4_mapped", None) or ip


def is_loopback(peer: str | None, headers: Mapping[str, str]) -> bool:
    """Whether a request really comes from this machine, and is meant for it.

    One that a tunnel or proxy here has forwarded does not: those say so in a header, or leave the public name in
    `Host`. Nor does one that a web page made a browser here send (its `Origin` is elsewhere; with a rebound name, its
    `Host` is).
    """
    ip = address(peer)
    if ip is None or not ip.is_loopback:
        return False
    told = {name.lower(): value for name, value in headers.items()}
    if any(name.startswith(_FORWARDING) for name in told):
        return False
    return _names_loopback(f"//{told.get('host', '')}") and ("origin" not in told or _names_loopback(told["origin"]))


def _names_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    ip = address(host)
    return ip.is_loopback if ip is not None else host == "localhost"


def twilio_signed(
    url: str,
    form: Mapping[str, str | Sequence[str]],
    headers: Mapping[str, str],
    *,
    auth_token: str = "",
    shared_keys: Mapping[str, str] | None = None,
) -> bool:
    """Whether Twilio signed this request: HMAC-SHA1 with the auth token, or HMAC-SHA256 with a shared key when
    `X-Twilio-Webhooks-Signature-Settings` names one. Source: twilio/request_validator.py of the twilio package, 9.13.

    `url`: as the carrier sees it; the default port may or may not be in it. `form`: fields of a POST, {} for a
    websocket.
    """
    settings = headers.get("X-Twilio-Webhooks-Signature-Settings", "")
    algorithm = get_signature_algorithm(settings).upper()
    if algorithm == HMAC_SHA1:
        secret = auth_token
    elif algorithm == HMAC_SHA256:
        secret = (shared_keys or {}).get(_settings(settings).get("key", ""), "")
    else:
        return False
    signature = headers.get("X-Twilio-Signature", "")
    if not secret or not signature:
        return False
    try:
        return RequestValidator(secret).validate(_with_port(url), form, signature, algorithm)
    except ValueError:  # a Host that makes no URL: its port is no number, it is not text
        return False


def _with_port(url: str) -> str:
    """The validator tries a URL with its port and without, but takes 80 for wss' default: write the port for it."""
    parts = urlsplit(url)
    if parts.scheme != "wss" or parts.port is not None:
        return url
    return parts._replace(netloc=f"{parts.netloc}:443").geturl()


def _settings(header: str) -> dict[str, str]:
    pairs = (part.split("=", 1) for part in header.split(",") if "=" in part)
    return {name.strip(): value.strip() for name, value in pairs}


def jambonz_signed(body: bytes, header: str, secret: str, now: float) -> bool:
    """Whether `Jambonz-Signature: t=<unix>,v1=<hex>` fits the body and is at most five minutes old (`now`: Unix time,
    s). Source: jambonz-feature-server lib/utils/base-requestor.js."""
    parts = _settings(header)
    stamp = parts.get("t", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 16) or abs(now - int(stamp)) > _SIGNATURE_AGE_S:
        return False
    expected = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return same(expected, parts.get("v1", ""))


def basic_authorized(header: str, user: str, password: str) -> bool:
    """Whether an `Authorization` header is this user's and password's (RFC 7617)."""
    scheme, _, given = header.partition(" ")
    expected = base64.b64encode(f"{user}:{password}".encode()).decode()
    return scheme.lower() == "basic" and same(expected, given.strip())


def bearer_authorized(header: str, token: str) -> bool:
    """Whether an `Authorization` header brings this token (RFC 6750)."""
    scheme, _, given = header.partition(" ")
    return scheme.lower() == "bearer" and same(token, given.strip())


def same(expected: str, given: str) -> bool:
    """Compared in constant time; headers may hold any byte, as surrogate escapes."""
    return hmac.compare_digest(expected.encode(), given.encode(errors="surrogateescape"))


class _Issued(msgspec.Struct, frozen=True):
    call_id: str
    expires: float


class Tokens:
    """One-time tokens: a signed webhook mints one, the media socket it leads to spends it, once, for the same call."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: seconds, never backwards."""
        self._clock = clock
        self._issued: OrderedDict[str, _Issued] = OrderedDict()

    def mint(self, call_id: str) -> str:
        """A token that is good for a minute; the oldest give way when there are ten thousand."""
        now = self._clock()
        while self._issued and (len(self._issued) >= _TOKEN_LIMIT or next(iter(self._issued.values())).expires < now):
            self._issued.popitem(last=False)
        token = secrets.token_urlsafe(24)
        self._issued[token] = _Issued(call_id, now + _TOKEN_LIFE_S)
        return token

    def spend(self, token: str, call_id: str) -> bool:
        """Whether `token` was minted for this call, is fresh and was not spent. Either way it is spent now."""
        issued = self._issued.pop(token, None)
        return issued is not None and issued.call_id == call_id and issued.expires >= self._clock()
