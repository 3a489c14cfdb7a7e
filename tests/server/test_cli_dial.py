"""`allo dial` against a running server: what it says, and what it says to do next."""

import asyncio
import json

import pytest
import typer
from pydantic import SecretStr
from structlog.testing import capture_logs
from typer.testing import CliRunner

from pipelines.errors import AlloError
from server.cli_dial import dial
from tests.helpers.carrier_rest import (
    JAMBONZ_ACCOUNT,
    JAMBONZ_APPLICATION,
    JAMBONZ_KEY,
    JAMBONZ_SID,
    carrier_apis,
)
from tests.helpers.carriers import serving

TO, TOKEN = "+33123456789", "token-of-the-operator"
AGENTS = [{"name": "desk", "numbers": ["+15550100"]}]


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLO_API_TOKEN", TOKEN)
    path = tmp_path / "allo.toml"
    path.write_text('[server]\nport = 9\napi_token = "env:ALLO_API_TOKEN"\n[[agents]]\nname = "desk"\n')
    return path


async def run(*arguments: str):
    app = typer.Typer()
    app.command()(dial)
    with capture_logs():  # of the server, which is in this process
        return await asyncio.to_thread(CliRunner().invoke, app, arguments)


def served(apis):
    jambonz = {"api_url": apis.url, "api_key": SecretStr(JAMBONZ_KEY)}
    jambonz |= {"account_sid": JAMBONZ_ACCOUNT, "application_sid": JAMBONZ_APPLICATION}
    return serving({"server": {"api_token": SecretStr(TOKEN)}, "jambonz": jambonz, "agents": AGENTS})


async def test_a_call_is_placed(config):
    async with carrier_apis() as apis, served(apis) as server:
        where = ("--config", str(config), "--url", f"{server.base}/")
        result = await run(TO, "--agent", "desk", "--message", "Rappelez-nous.", "--language", "fr", *where)
        assert (result.exit_code, result.stdout) == (0, f"desk is calling, through jambonz. Call {JAMBONZ_SID}\n")
        assert apis.asked[0]["to"] == {"type": "phone", "number": TO}
        assert server.house.placed.take(apis.asked[0]["tag"]).message == "Rappelez-nous."
        answer = json.loads((await run(TO, "--json", *where)).stdout)
        assert (answer["call_id"], answer["errors"]) == (JAMBONZ_SID, [])


async def test_every_problem_is_told(config):
    async with carrier_apis() as apis, served(apis) as server:
        where = ("--config", str(config), "--url", server.base)
        result = await run("112", "--carrier", "pigeon", *where)
        assert result.exit_code == 1
        assert [line.split(":")[:2] for line in result.stderr.splitlines()] == [
            ["not placed", " to"],
            ["not placed", " carrier"],
        ]
        result = await run(TO, "--agent", "nobody", "--json", *where)
        assert (result.exit_code, len(json.loads(result.stdout)["errors"])) == (1, 1)
        assert apis.asked == []


async def test_what_to_do_next(config, tmp_path):
    result = await run(TO, "--config", str(config))
    assert isinstance(result.exception, AlloError)
    assert "127.0.0.1:9 does not answer" in str(result.exception)
    assert "allo serve" in str(result.exception)
    (tmp_path / "empty.toml").write_text("")
    result = await run(TO, "--config", str(tmp_path / "empty.toml"))
    assert "set server.api_token" in str(result.exception)
    async with serving({"server": {"api_token": SecretStr("another")}}) as server:
        result = await run(TO, "--config", str(config), "--url", server.base)
        assert (result.exit_code, "not the configured one" in result.stderr) == (1, True)
    result = await run(TO, "--config", str(config), "--url", "nonsense")
    assert "--url" in str(result.exception)
