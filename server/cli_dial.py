"""`allo dial`: lets a running server place a call."""

import asyncio
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from pipelines.errors import AlloError
from server.config import Config, load

_TIMEOUT_S = 30.0  # the server waits for the carrier meanwhile
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}


class _Answer(msgspec.Struct):
    """What is read of the server's answer."""

    call_id: str = ""
    carrier: str = ""
    agent: str = ""
    errors: list[str] = []


def dial(
    number: Annotated[str, typer.Argument(help="Whom to call: +33123456789, or a SIP address.")],
    agent: Annotated[str | None, typer.Option(help="Who speaks: a name of [[agents]] (default: the first).")] = None,
    message: Annotated[
        str, typer.Option(help="What is left on an answering machine; without it, a machine is hung up on.")
    ] = "",
    language: Annotated[
        str | None, typer.Option(help="In which the agent begins, and the message is spoken: en, fr ...")
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="The number that is shown (default: the agent's first).")
    ] = None,
    carrier: Annotated[str | None, typer.Option(help="twilio or jambonz (default: the one that can).")] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="The server's configuration: address and token.", metavar="FILE"),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="The running server, where it is not the configured host and port.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the server's answer as JSON, and nothing else.")] = False,
) -> None:
    """Let the running server call somebody.

    The call goes on by itself: the server's log and dumps tell who answered. Exit status 1 when it was not placed.
    """
    settings = load(config)
    asked = {"to": number, "from": from_, "agent": agent, "carrier": carrier, "message": message, "language": language}
    body = {key: value for key, value in asked.items() if value}
    answer = asyncio.run(_place((url or _url(settings)).rstrip("/"), _token(settings), body))
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2))
    else:
        console = Console(highlight=False, stderr=bool(answer.errors))
        for error in answer.errors:
            console.print(f"not placed: {error}", soft_wrap=True, markup=False)
        if not answer.errors:
            console.print(
                f"{answer.agent} is calling, through {answer.carrier}. Call {answer.call_id}",
                soft_wrap=True,
                markup=False,
            )
    if answer.errors:
        raise typer.Exit(1)


def _url(config: Config) -> str:
    return f"http://{_ANYWHERE.get(config.server.host, config.server.host)}:{config.server.port}"


def _token(config: Config) -> str:
    if config.server.api_token is None:
        raise AlloError(
            'no token is configured: set server.api_token = "env:ALLO_API_TOKEN", for the server too, and name the file with --config.'
        )
    return config.server.api_token.get_secret_value()


async def _place(url: str, token: str, body: dict[str, str]) -> _Answer:
    import aiohttp

    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)) as http,
            http.post(f"{url}/api/calls", json=body, headers={"Authorization": f"Bearer {token}"}) as response,
        ):
            status, text = response.status, await response.read()
    except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: no address
        raise AlloError(
            f"{url} does not answer ({type(error).__name__}): start the server with `allo serve`, or name it with --url."
        ) from None
    try:
        answer = msgspec.json.decode(text, type=_Answer)
    except msgspec.MsgspecError:
        answer = _Answer()
    if status != 202 and not answer.errors:
        raise AlloError(f"{url} answered {status}: it is no Allô that places calls. Name the server with --url.")
    return answer
