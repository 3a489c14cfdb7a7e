"""Signatures against vectors made without our code, tokens, loopback."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from server.auth import Tokens, basic_authorized, is_loopback, jambonz_signed, twilio_signed

TOKEN = "12345"
KEY_ID = "webhooks_sharedkey_0001"
SHA256_SETTINGS = f"key={KEY_ID},algorithm=HMAC_SHA256"

# The example of https://www.twilio.com/docs/usage/security (also in the twilio package's own tests).
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
FORM = {
    "CallSid": "CA1234567890ABCDE",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
    "Caller": "+14158675309",
}
SIGNATURE = "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def by_hand(url: str, form: dict[str, str], secret: str, digest=hashlib.sha1) -> str:
    """What the documentation describes, in its own words: URL, then each key and value, sorted, without separators."""
    text = url + "".join(key + form[key] for key in sorted(form))
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), digest).digest()).decode()


# ---- Twilio


def test_twilios_published_example():
    assert by_hand(URL, FORM, TOKEN) == SIGNATURE
    assert twilio_signed(URL, FORM, {"X-Twilio-Signature": SIGNATURE}, auth_token=TOKEN)


def test_a_websocket_is_signed_by_its_url_alone():
    url = "wss://voice.example.com/twilio/media"
    headers = {"X-Twilio-Signature": by_hand(url, {}, TOKEN)}
    assert twilio_signed(url, {}, headers, auth_token=TOKEN)
    assert not twilio_signed(url + "x", {}, headers, auth_token=TOKEN)
    assert not twilio_signed(url.replace("wss", "https"), {}, headers, auth_token=TOKEN)


@pytest.mark.parametrize("signed_as", ["https://a.example.com/v", "https://a.example.com:443/v"])
def test_the_default_port_may_be_in_the_url_or_not(signed_as):
    headers = {"X-Twilio-Signature": by_hand(signed_as, FORM, TOKEN)}
    assert twilio_signed("https://a.example.com/v", FORM, headers, auth_token=TOKEN)


@pytest.mark.parametrize("host", ["a.example.com", "a.example.com:443"])
@pytest.mark.parametrize("seen_as", ["a.example.com", "a.example.com:443"])
def test_the_default_port_of_wss_is_443(host, seen_as):
    headers = {"X-Twilio-Signature": by_hand(f"wss://{host}/twilio/media", {}, TOKEN)}
    assert twilio_signed(f"wss://{seen_as}/twilio/media", {}, headers, auth_token=TOKEN)


def test_sha256_with_a_shared_key():
    headers = {
        "X-Twilio-Signature": by_hand(URL, FORM, "shared secret", hashlib.sha256),
        "X-Twilio-Webhooks-Signature-Settings": SHA256_SETTINGS,
    }
    keys = {KEY_ID: "shared secret"}
    assert twilio_signed(URL, FORM, headers, shared_keys=keys)
    assert twilio_signed(URL, FORM, headers, auth_token=TOKEN, shared_keys=keys)
    assert not twilio_signed(URL, FORM, headers, auth_token=TOKEN)
    assert not twilio_signed(URL, FORM, headers, shared_keys={KEY_ID: "another"})
    assert not twilio_signed(URL, FORM, headers, shared_keys={"webhooks_sharedkey_0002": "shared secret"})
    spaced = headers | {"X-Twilio-Webhooks-Signature-Settings": f" key = {KEY_ID} , algorithm = hmac_sha256 "}
    assert twilio_signed(URL, FORM, spaced, shared_keys=keys)


@pytest.mark.parametrize(
    "settings", ["algorithm=HMAC_SHA512,key=k", "algorithm=none,key=k", f"algorithm=,key={KEY_ID}"]
)
def test_other_algorithms_are_refused_or_fall_back_to_the_token(settings):
    for digest in (hashlib.sha1, hashlib.sha256, hashlib.sha512):
        headers = {
            "X-Twilio-Signature": by_hand(URL, FORM, "k", digest),
            "X-Twilio-Webhooks-Signature-Settings": settings,
        }
        assert not twilio_signed(URL, FORM, headers, auth_token=TOKEN, shared_keys={"k": "k", KEY_ID: "k"})


def test_a_shared_key_does_not_sign_in_the_old_way():
    headers = {"X-Twilio-Signature": by_hand(URL, FORM, "shared secret")}
    assert not twilio_signed(URL, FORM, headers, shared_keys={KEY_ID: "shared secret"})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Twilio-Signature": ""},
        {"X-Twilio-Signature": SIGNATURE[:-1]},
        {"X-Twilio-Signature": SIGNATURE.swapcase()},
        {"X-Twilio-Signature": "\udcff"},
    ],
)
def test_no_signature_or_a_wrong_one(headers):
    assert not twilio_signed(URL, FORM, headers, auth_token=TOKEN)


def test_no_secret_signs_nothing():
    assert not twilio_signed(URL, FORM, {"X-Twilio-Signature": by_hand(URL, FORM, "")}, auth_token="")


@pytest.mark.parametrize("url", ["https://h:99999/", "https://h:port/", "https://\udcff/", "https://[::1/"])
def test_an_address_that_is_none_is_refused(url):
    assert not twilio_signed(url, {}, {"X-Twilio-Signature": SIGNATURE}, auth_token=TOKEN)


forms = st.lists(st.tuples(st.text(st.characters(codec="utf-8"), max_size=6), st.text(st.characters(codec="utf-8"))))


@given(forms, st.sampled_from(["HMAC_SHA1", "HMAC_SHA256"]))
def test_we_agree_with_twilios_validator_on_any_form(fields, algorithm):
    form = MultiDict(fields)
    headers = {
        "X-Twilio-Signature": RequestValidator(TOKEN).compute_signature(URL, form, algorithm),
        "X-Twilio-Webhooks-Signature-Settings": f"key=k,algorithm={algorithm}",
    }
    assert twilio_signed(URL, form, headers, auth_token=TOKEN, shared_keys={"k": TOKEN})
    assert not twilio_signed(URL + "&", form, headers, auth_token=TOKEN, shared_keys={"k": TOKEN})


@given(st.text(), st.text())
def test_any_headers_are_refused_without_an_accident(signature, settings):
    headers = {"X-Twilio-Signature": signature, "X-Twilio-Webhooks-Signature-Settings": settings}
    assert not twilio_signed(URL, FORM, headers, auth_token=TOKEN, shared_keys={"k": "v"}) or signature == SIGNATURE


# ---- jambonz

BODY = b'{"call_sid":"c1"}'
NOW = 1_700_000_000
# printf '1700000000.{"call_sid":"c1"}' | openssl dgst -sha256 -hmac topsecret
JAMBONZ_HEX = "9d16aaf72107e2db5c94d6e58832435fb8b8f89d9d7230ec892a11af9aff8578"


def test_a_jambonz_signature():
    assert jambonz_signed(BODY, f"t={NOW},v1={JAMBONZ_HEX}", "topsecret", NOW + 3.5)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=1700000000",
        f"v1={JAMBONZ_HEX}",
        f"t=,v1={JAMBONZ_HEX}",
        f"t=-1700000000,v1={JAMBONZ_HEX}",
        f"t=1700000001,v1={JAMBONZ_HEX}",
        f"t=1700000000,v1={JAMBONZ_HEX[:-1]}",
        f"t=1700000000,v1={JAMBONZ_HEX.upper()}",
        "t=1700000000,v1=é",
        "t=1700000000,v1=\udcff",
        f"t=١٧٠٠٠٠٠٠٠٠,v1={JAMBONZ_HEX}",
        "t=" + "9" * 10_000 + ",v1=0",
    ],
)
def test_no_jambonz_signature_or_a_wrong_one(header):
    assert not jambonz_signed(BODY, header, "topsecret", NOW)


def test_a_jambonz_signature_is_good_for_five_minutes_for_one_body_and_one_secret():
    header = f"t={NOW},v1={JAMBONZ_HEX}"
    assert jambonz_signed(BODY, header, "topsecret", NOW + 300)
    assert not jambonz_signed(BODY, header, "topsecret", NOW + 301)
    assert not jambonz_signed(BODY, header, "topsecret", NOW - 301)
    assert not jambonz_signed(BODY + b" ", header, "topsecret", NOW)
    assert not jambonz_signed(BODY, header, "another", NOW)


def test_basic_authentication():
    good = base64.b64encode("allo:pàss:word".encode()).decode()
    assert basic_authorized(f"Basic {good}", "allo", "pàss:word")
    assert basic_authorized(f"basic {good}", "allo", "pàss:word")
    for header in ("", "Basic", f"Bearer {good}", f"Basic {good[:-1]}", "Basic \udcff", "Basic é"):
        assert not basic_authorized(header, "allo", "pàss:word")


# ---- tokens


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> Tokens:
    return Tokens(clock)


def test_a_token_is_spent_once(tokens):
    token = tokens.mint("CA1")
    assert tokens.spend(token, "CA1")
    assert not tokens.spend(token, "CA1")


def test_a_token_is_good_for_its_own_call_only_and_a_wrong_try_spends_it(tokens):
    token = tokens.mint("CA1")
    assert not tokens.spend(token, "CA2")
    assert not tokens.spend(token, "CA1")


def test_a_token_expires(tokens, clock):
    token, late = tokens.mint("CA1"), tokens.mint("CA1")
    clock.now += 60.0
    assert tokens.spend(token, "CA1")
    clock.now += 0.1
    assert not tokens.spend(late, "CA1")


def test_nothing_and_inventions_are_no_tokens(tokens):
    tokens.mint("CA1")
    assert not tokens.spend("", "CA1")
    assert not tokens.spend("invented", "CA1")


def test_tokens_differ_and_take_bounded_memory(tokens, clock):
    first = tokens.mint("CA0")
    minted = {tokens.mint(f"CA{n}") for n in range(10_000)}
    assert len(minted) == 10_000
    assert not tokens.spend(first, "CA0")
    clock.now += 100
    tokens.mint("CA1")
    assert len(tokens._issued) == 1


# ---- loopback


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("127.0.0.1", "127.0.0.1:8080"),
        ("127.9.9.9", "localhost"),
        ("::1", "[::1]:8080"),
        ("::1%lo", "localhost:8080"),
        ("::ffff:127.0.0.1", "LOCALHOST"),
    ],
)
def test_callers_on_loopback(peer, host):
    assert is_loopback(peer, {"Host": host})


@pytest.mark.parametrize(
    "peer", [None, "", "10.0.0.1", "192.168.1.2", "2001:db8::1", "::ffff:10.0.0.1", "localhost", "x"]
)
def test_callers_from_elsewhere(peer):
    assert not is_loopback(peer, {"Host": "127.0.0.1"})


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For", "x-forwarded-host", "X-FORWARDED-PROTO", "Forwarded", "Via", "X-Real-IP", "CF-Connecting-IP"],
)
def test_what_was_forwarded_to_loopback_does_not_come_from_it(header):
    assert not is_loopback("127.0.0.1", {"Host": "127.0.0.1", header: "127.0.0.1"})


@pytest.mark.parametrize(
    "host", ["", "allo.example.com", "127.0.0.1.example.com", "localhost.example.com", "[::1", "\udcff"]
)
def test_a_public_name_on_loopback_is_a_tunnel_or_a_rebound_name(host):
    assert not is_loopback("127.0.0.1", {"Host": host})
    assert not is_loopback("127.0.0.1", {})


def test_a_web_page_elsewhere_is_not_the_machine_its_browser_runs_on():
    assert is_loopback("127.0.0.1", {"Host": "localhost", "Origin": "http://localhost:3000"})
    for origin in ("https://evil.example.com", "null", ""):
        assert not is_loopback("127.0.0.1", {"Host": "localhost", "Origin": origin})
