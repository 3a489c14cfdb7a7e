"""Who may bring us a call: signatures of carriers, one-time tokens for media sockets, and loopback when nothing is configured."""

import hashlib
import hmac
import ipaddress
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import msgspec
from twilio.request_validator import HMAC_SHA1, RequestValidator, get_signature_algorithm

_FORWARDING = ("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded", "x-real-ip", "cf-connecting-ip")
_TOKEN_LIFE_S = 60.0
_TOKEN_LIMIT = 10_000
_SIGNATURE_AGE_S = 300


def is_loopback(peer: str | None, headers: Mapping[str, str]) -> bool:
    """Whether a request really comes from this machine. One that was forwarded by anything (a tunnel, a proxy) does not."""
    if not peer or any(name in headers for name in _FORWARDING):
        return False
    try:
        return ipaddress.ip_address(peer.partition("%")[0]).is_loopback
    except ValueError:
        return False


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

    `url`: as the carrier sees it; the default port may or may not be in it. `form`: fields of a POST, {} for a websocket.
    """
    signature = headers.get("X-Twilio-Signature", "")
    if not signature:
        return False
    settings = headers.get("X-Twilio-Webhooks-Signature-Settings", "")
    algorithm = get_signature_algorithm(settings).upper()
    if algorithm == HMAC_SHA1:
        secret = auth_token
    else:
        secret = (shared_keys or {}).get(_settings(settings).get("key", ""), "")
    return bool(secret) and RequestValidator(secret).validate(url, form, signature, algorithm)


def _settings(header: str) -> dict[str, str]:
    return dict(part.strip().split("=", 1) for part in header.split(",") if "=" in part)


def jambonz_signed(body: bytes, header: str, secret: str, now: float) -> bool:
    """Whether `Jambonz-Signature: t=<unix>,v1=<hex>` fits the body and is at most five minutes old.
    Source: jambonz-feature-server lib/utils/base-requestor.js."""
    parts = _settings(header)
    try:
        stamp = int(parts.get("t", ""))
    except ValueError:
        return False
    if abs(now - stamp) > _SIGNATURE_AGE_S:
        return False
    expected = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, parts.get("v1", ""))


class _Issued(msgspec.Struct, frozen=True):
    call_id: str
    expires: float


class Tokens:
    """One-time tokens: a signed webhook mints one, the media socket it leads to spends it, once, for the same call."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._issued: OrderedDict[str, _Issued] = OrderedDict()

    def mint(self, call_id: str) -> str:
        now = self._clock()
        while self._issued and (len(self._issued) >= _TOKEN_LIMIT or next(iter(self._issued.values())).expires < now):
            self._issued.popitem(last=False)
        token = secrets.token_urlsafe(24)
        self._issued[token] = _Issued(call_id, now + _TOKEN_LIFE_S)
        return token

    def spend(self, token: str, call_id: str) -> bool:
        """Whether `token` was minted for this call, is fresh and was not spent."""
        issued = self._issued.pop(token, None)
        return issued is not None and issued.call_id == call_id and issued.expires >= self._clock()
