"""What `allo doctor` says of calls that we place: whether `allo dial` could, and the key that is missing or malformed. No value of a
key is ever shown, and no carrier is asked."""

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from server.agent_config import plain_number
from server.config import Config, JambonzSettings, TwilioSettings
from server.finding import Finding

_TOKEN_LENGTH = 16  # characters; whoever guesses it calls the world at our expense
_HEX = "[0-9a-fA-F]{32}"
_UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_E164 = r"\+[1-9][0-9]{6,14}"


def check_dialling(config: Config) -> Iterator[Finding]:
    """Nothing where nobody wants to place calls: no `server.api_token`, and none of the keys that serve nothing else."""
    token = config.server.api_token
    if token is None:
        if config.jambonz.api_url:
            yield _warning(
                "jambonz.api_url is set, which only places calls, but no server.api_token: `allo dial` is refused",
                'Set server.api_token = "env:ALLO_API_TOKEN".',
            )
        return
    if len(token.get_secret_value()) < _TOKEN_LENGTH:
        mend = f"Set server.api_token to {_TOKEN_LENGTH} random characters or more."
        yield _warning("server.api_token is short enough to be guessed", mend)
    twilio, jambonz = _twilio(config.twilio), _jambonz(config.jambonz)
    if twilio is None and jambonz is None:
        yield _warning(
            "server.api_token is set, but no carrier can place calls",
            "Set twilio.account_sid and twilio.auth_token (or api_key and api_secret), or jambonz.api_url, api_key, "
            "account_sid and application_sid.",
        )
        return
    problems = [*(twilio or []), *(jambonz or [])]
    if twilio is not None:
        problems += _reachable(config.server.public_url)
    yield from problems
    yield from _numbers(config)
    if not problems:
        able = [name for name, found in (("Twilio", twilio), ("jambonz", jambonz)) if found is not None]
        yield Finding("ok", f"calls can be placed through {' and '.join(able)}")


def _twilio(settings: TwilioSettings) -> list[Finding] | None:
    """What is wrong with the keys; None without them."""
    if not settings.account_sid or not (settings.auth_token or settings.api_secret):
        return None
    shapes = [("account_sid", settings.account_sid, f"AC{_HEX}", "AC and 32 hexadecimal digits")]
    if settings.api_secret is not None:
        shapes.append(("api_key", settings.api_key, f"SK{_HEX}", "SK and 32 hexadecimal digits"))
        shapes.append(("api_secret", settings.api_secret.get_secret_value(), "[0-9a-zA-Z]{32}", "32 letters or digits"))
    elif settings.auth_token is not None:
        shapes.append(("auth_token", settings.auth_token.get_secret_value(), _HEX, "32 hexadecimal digits"))
    return _misshapen("twilio", shapes, "Copy it again from Twilio's console")


def _jambonz(settings: JambonzSettings) -> list[Finding] | None:
    if not settings.api_url or settings.api_key is None:
        return None
    shapes = [
        ("account_sid", settings.account_sid, _UUID, "a UUID"),
        ("application_sid", settings.application_sid, _UUID, "a UUID"),
        ("api_key", settings.api_key.get_secret_value(), r"\S+", "one word"),
    ]
    problems = _misshapen("jambonz", shapes, "Copy it again from jambonz' portal")
    if urlsplit(settings.api_url).scheme != "https" and not _is_private(urlsplit(settings.api_url).hostname or ""):
        problems.append(
            _warning(
                "jambonz.api_url is not encrypted: jambonz.api_key travels in the clear", "Begin it with https://."
            )
        )
    return problems


def _misshapen(section: str, shapes: list[tuple[str, str, str, str]], mend: str) -> list[Finding]:
    """`shapes`: (key, value, pattern, the pattern in words)."""
    return [
        _warning(f"{section}.{key} is not {words}: calls will not be placed", f"{mend}: {section}.{key}.")
        for key, value, pattern, words in shapes
        if not re.fullmatch(pattern, value)
    ]


def _reachable(public_url: str | None) -> list[Finding]:
    if public_url is None:
        return [
            _warning(
                "no server.public_url: calls cannot be placed through Twilio, which could not reach this server",
                "Set server.public_url to the https address that Twilio calls.",
            )
        ]
    if _is_private(urlsplit(public_url).hostname or ""):
        mend = "Set server.public_url to an address that the world can reach."
        return [_warning("server.public_url is an address of this machine or network: Twilio cannot reach it", mend)]
    return []


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or "." not in host or host.endswith((".localhost", ".local", ".internal"))


def _numbers(config: Config) -> Iterator[Finding]:
    """The number that is shown to those we call: the first of the agent's."""
    for agent in config.agents:
        if agent.kind != "llm":
            continue
        if not agent.numbers:
            yield _warning(
                f"agent {agent.name} has no number to call from: `allo dial` needs --from",
                "Set agents.numbers, a number of yours at the carrier first.",
            )
        elif not re.fullmatch(_E164, plain_number(agent.numbers[0])):
            yield _warning(
                f"agent {agent.name}: the first of agents.numbers is not written +33123456789: carriers refuse to call from it",
                "Write it with + and the country's code, or give `allo dial` --from.",
            )


def _warning(what: str, mend: str) -> Finding:
    return Finding("warning", what, mend)
