"""`allo doctor` on calls that we place: each missing or malformed key is named with its mend, and never shown."""

import pytest

from server.config import load
from server.doctor_dial import check_dialling
from server.finding import Finding

AC, SK, KEY = "AC" + "0a" * 16, "SK" + "1b" * 16, "2c" * 16
SERVER = '[server]\napi_token = "env:API"\npublic_url = "https://a.example.org"\n'
TWILIO = f'[twilio]\naccount_sid = "{AC}"\nauth_token = "env:KEY"\n'
UUID = "0f0f0f0f-1111-2222-3333-444444444444"
JAMBONZ = f"""[jambonz]
api_url = "https://jambonz.example/api/v1"
api_key = "env:KEY"
account_sid = "{UUID}"
application_sid = "{UUID}"
"""
AGENT = '[[agents]]\nname = "clinic"\nnumbers = ["+33 1 23 45 67 89"]\n'


@pytest.fixture
def look(tmp_path, monkeypatch):
    """What is found in a configuration; `key`, `api`: the secrets it names."""

    def findings(text: str, key: str = KEY, api: str = "a-token-of-good-length") -> list[Finding]:
        monkeypatch.setenv("KEY", key)
        monkeypatch.setenv("API", api)
        monkeypatch.setenv("OTHER", "hunter2hunter2")
        path = tmp_path / "allo.toml"
        path.write_text(text)
        found = list(check_dialling(load(path)))
        said = repr(found)
        assert key not in said
        assert api not in said
        assert "hunter2" not in said
        return found

    return findings


def test_where_nobody_dials_there_is_nothing_to_say(look):
    assert look(TWILIO + AGENT) == []


@pytest.mark.parametrize(
    ("text", "carriers"),
    [
        (SERVER + TWILIO, "Twilio"),
        (SERVER.replace("public_url", "# ") + JAMBONZ, "jambonz"),
        (SERVER + TWILIO + JAMBONZ, "Twilio and jambonz"),
    ],
)
def test_what_can_dial_is_said(look, text, carriers):
    (finding,) = look(text + AGENT)
    assert finding == Finding("ok", f"calls can be placed through {carriers}")


@pytest.mark.parametrize(
    ("text", "what", "mend"),
    [
        (SERVER, "no carrier can place calls", "twilio.account_sid"),
        (JAMBONZ, "no server.api_token", "server.api_token"),
        (SERVER.replace("public_url", "# ") + TWILIO, "no server.public_url", "server.public_url"),
        (SERVER.replace("a.example.org", "10.0.0.7") + TWILIO, "server.public_url is an address of this", "the world"),
        (SERVER.replace("a.example.org", "localhost") + TWILIO, "server.public_url is an address of this", "the world"),
        (SERVER + TWILIO.replace(AC, "AC1"), "twilio.account_sid is not AC and 32", "twilio.account_sid"),
        (SERVER + TWILIO.replace("env:KEY", "env:OTHER"), "twilio.auth_token is not 32", "twilio.auth_token"),
        (
            SERVER + TWILIO + f'api_key = "{SK}"\napi_secret = "env:OTHER"\n',
            "twilio.api_secret is not 32",
            "api_secret",
        ),
        (SERVER + TWILIO + 'api_key = "SK1"\napi_secret = "env:KEY"\n', "twilio.api_key is not SK and 32", "api_key"),
        (SERVER + JAMBONZ.replace(UUID, "1"), "jambonz.application_sid is not a UUID", "jambonz.application_sid"),
        (SERVER + JAMBONZ.replace("https://j", "http://j"), "jambonz.api_url is not encrypted", "https://"),
    ],
)
def test_what_is_missing_or_malformed_is_named(look, text, what, mend):
    findings = look(text + AGENT)
    assert [f.level for f in findings if what in f.what and mend in f.mend] == ["warning"]
    assert "ok" not in {f.level for f in findings}


def test_a_token_that_can_be_guessed(look):
    short, ok = look(SERVER + TWILIO + AGENT, api="sesame")
    assert "server.api_token" in short.what
    assert ok.level == "ok"


@pytest.mark.parametrize(("numbers", "what"), [("[]", "has no number"), ('["5551234567"]', "is not written +33")])
def test_an_agent_that_has_no_number_to_show(look, numbers, what):
    agent = f'[[agents]]\nname = "clinic"\nnumbers = {numbers}\n'
    (finding,) = [f for f in look(SERVER + TWILIO + agent) if f.level == "warning"]
    assert what in finding.what
    assert "agent clinic" in finding.what
