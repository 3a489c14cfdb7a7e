"""`allo call`: places one scripted call and tells what came of it.

Without `--url` it starts a server for the time of the call, as a separate process: what is measured in the caller's ear
is then not helped, or hurt, by sharing an event loop with the server.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console

from pipelines.errors import AlloError

if TYPE_CHECKING:
    from pipelines.replay.sealed import Keys
    from server.caller.line import Line
    from server.caller.report import Report
    from server.caller.script import Script


class Carrier(StrEnum):
    """Whose protocol the call comes through."""

    TWILIO = "twilio"
    JAMBONZ = "jambonz"


def call(
    script: Annotated[
        str, typer.Option(help="A shipped script (en, fr, recorded), or the path of a .toml file.")
    ] = "en",
    carrier: Annotated[Carrier, typer.Option(help="Whose protocol the call comes through.")] = Carrier.TWILIO,
    url: Annotated[
        str | None, typer.Option(help="Call a running server, such as http://127.0.0.1:8080, instead of starting one.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Configuration of the server that is started.", metavar="FILE")
    ] = None,
    port: Annotated[
        int, typer.Option(help="Port of the server that is started; 0 takes a free one.", min=0, max=65_535)
    ] = 0,
    dumps: Annotated[Path, typer.Option(help="Where the server records its calls.", metavar="DIR")] = Path("dumps"),
    database: Annotated[
        Path | None,
        typer.Option(help="With --url: the agent's database, where the script's rows must appear.", metavar="FILE"),
    ] = None,
    token: Annotated[
        str, typer.Option(help="Twilio auth token to sign with.", envvar="TWILIO_AUTH_TOKEN", show_default=False)
    ] = "",
    noise: Annotated[
        float | None, typer.Option(help="Line noise, that many dB under the caller's speech.", metavar="DB")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON on standard output, and nothing else there.")
    ] = False,
) -> None:
    """Place one scripted call through a carrier's real protocol, and say what came of it.

    Exit status 1 when the agent did not hear, answer or yield as it should.
    """
    from server.caller.script import load_script
    from server.caller.show import print_report
    from server.config import load
    from server.recording_keys import keys_of

    console = Console(stderr=json, highlight=False)
    keys = keys_of(load(config) if config else None)
    chosen = load_script(script)
    if noise is not None:
        chosen = msgspec.structs.replace(chosen, noise_snr=noise)
    arguments = ["--port", str(port), "--dumps", str(dumps), *(["--config", str(config)] if config else [])]

    if url is None:
        dumps.mkdir(parents=True, exist_ok=True)

    async def place() -> "Report":
        with TemporaryDirectory(prefix="allo-call-") as data:  # the agent's database starts empty: every slot is free
            books = database if url else Path(data) / "clinic.sqlite"
            async with _server(console, url, arguments, dumps, {"ALLO_DATA": data}) as base:
                console.rule(f"{chosen.title} ({carrier})", align="left", style="dim")
                return await _converse(console, base, carrier, chosen, dumps, books, token, keys)

    report = asyncio.run(place())
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2))
    else:
        console.print()
        print_report(console, report)
    if report.failures:
        raise typer.Exit(1)


@asynccontextmanager
async def _server(
    console: Console, url: str | None, arguments: list[str], dumps: Path, environment: dict[str, str]
) -> AsyncIterator[str]:
    """The base URL of a server that takes calls: the one given, or one that runs for the time of the block."""
    import aiohttp

    from server.caller.host import Host, is_ready

    if url is not None:
        base = url.rstrip("/")
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
            if not await is_ready(http, base):
                raise AlloError(
                    f"{base}/readyz does not answer 200: start the server with `allo serve`, or leave out --url."
                )
        yield base
        return
    async with Host(arguments, log=dumps / "server.log", environment=environment) as host:
        with console.status("starting the server") as status:
            told: set[str] = set()

            def progress(what: str) -> None:
                status.update(f"starting the server: {what}")
                if not console.is_terminal and what not in told:
                    told.add(what)
                    console.print(what)

            base = await host.ready(progress)
        yield base


async def _converse(
    console: Console,
    base: str,
    carrier: Carrier,
    script: "Script",
    dumps: Path,
    database: Path | None,
    token: str,
    keys: "Keys",
) -> "Report":
    from server.caller.conversation import Conversation
    from server.caller.report import Ledger, heard_turn, judge
    from server.caller.show import line_of
    from server.caller.watch import find_dump, turns_of

    ledger = Ledger(database, script.row) if database else None
    line = await _dial(base, carrier, script, token)
    conversation = Conversation(line, script)
    acting = asyncio.create_task(conversation.act())
    try:
        turns = []
        async for turn in turns_of(dumps, line.call_id, acting.done, keys):
            turns.append(turn)
            console.print(line_of(heard_turn(turn, conversation)), soft_wrap=True)
        await acting
    finally:
        acting.cancel()
    report = judge(conversation, turns, ledger.unmet() if ledger else ())
    folder = find_dump(dumps, line.call_id)
    if folder is None:
        missing = f"recorded: the server left no dump of the call in {dumps}; name its folder with --dumps"
        return msgspec.structs.replace(report, failures=[*report.failures, missing])
    return msgspec.structs.replace(report, files=await asyncio.to_thread(_leave_behind, folder))


async def _dial(base: str, carrier: Carrier, script: "Script", token: str) -> "Line":
    import aiohttp
    from websockets.exceptions import WebSocketException

    from server.caller.jambonz import JambonzLine
    from server.caller.twilio import TwilioLine

    numbers = {"caller": script.caller, "called": script.called, "noise_snr": script.noise_snr}
    try:
        if carrier is Carrier.JAMBONZ:
            return await JambonzLine.dial(f"{base.replace('http', 'ws', 1)}/jambonz", **numbers)
        return await TwilioLine.dial(f"{base}/twilio/voice", token=token, **numbers)
    except (OSError, aiohttp.ClientError, WebSocketException) as error:
        raise AlloError(f"the call to {base} did not come through: {error}") from error


def _leave_behind(folder: Path) -> dict[str, str]:
    """Write the call's sound and picture beside its dump, unless that is sealed; returns what there is, by name."""
    from pipelines.replay.dump import META, read_dump
    from pipelines.replay.sealed import is_sealed
    from server.observe.listen import write_wav
    from server.observe.timeline import write_picture

    if is_sealed((folder / META).read_bytes()):
        return {"dump": str(folder)}
    dump = read_dump(folder)
    sound, picture = folder / "call.wav", folder / "timeline.png"
    write_wav(dump, sound)
    write_picture(dump, picture)
    return {"dump": str(folder), "sound": str(sound), "picture": str(picture)}
