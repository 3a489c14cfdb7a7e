"""`allo doctor`: what is missing or misconfigured on this machine, and the mend. Changes nothing, imports none of the
models' packages."""

import importlib.util
import json
import os
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from pipelines.adapters.kinds import INSTALL, NEEDS
from pipelines.errors import ConfigError, ModelError
from pipelines.models.store import Progress, Store, silent
from server.config import Config, load
from server.doctor_dial import check_dialling
from server.finding import Finding
from server.machine import cores_here, memory_here
from server.progress import ModelProgress

_PACKAGES = (
    "aiohttp",
    "faster_whisper",
    "msgspec",
    "numpy",
    "onnxruntime",
    "prometheus_client",
    "structlog",
    "websockets",
)
_PACKAGES_OF_KIND = {
    "piper": "piper",
    "kokoro": "piper",  # its phonemes come from the espeak inside
    "gguf": "xllamacpp",
    "agent": "agents",
    "twilio": "twilio",
}
_REINSTALL = "Install them: make install."
_BASE_MEMORY = 600 << 20  # Python with its packages; models come on top


def check(config: Config, progress: Progress = silent) -> list[Finding]:
    """Everything that `allo serve` needs, in the order in which it would be missed. Hashes models that were never
    hashed."""
    return [
        _python(),
        *_packages(config),
        *_models(config, progress),
        *_machine(config),
        _port(config),
        *_dumps(config),
        *_carriers(config),
        *check_dialling(config),
        *_tools(config),
    ]


def doctor(
    config: Annotated[Path | None, typer.Option("--config", "-c", help="TOML file.", metavar="FILE")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Say what is missing or misconfigured, and the mend; exits with 1 if the server could not serve."""
    try:
        settings = load(config)
    except ConfigError as error:
        findings = [Finding("error", str(error), "Mend the configuration; deploy/allo.example.toml has every key.")]
    else:
        with ModelProgress() as progress:
            findings = check(settings, progress)
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(findings), indent=2))
    else:
        render(findings, Console())
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(1)


def render(findings: list[Finding], console: Console) -> None:
    table = Table.grid(padding=(0, 1))
    signs = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "error": "[bold red]error[/]"}
    for finding in findings:
        table.add_row(
            signs[finding.level], _plain(finding.what) + (f"\n[dim]{_plain(finding.mend)}[/]" if finding.mend else "")
        )
    console.print(table)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("ok", f"Python {version}")


def _packages(config: Config) -> Iterator[Finding]:
    kinds = {kind or _card_kind(config, name) for *_, kind, name in config.wanted_models()}
    if any(agent.kind == "llm" for agent in config.agents):
        kinds.add("agent")
    if config.twilio.account_sid or config.twilio.auth_token:
        kinds.add("twilio")
    wanted = {*_PACKAGES, *(package for kind, package in _PACKAGES_OF_KIND.items() if kind in kinds)}
    if missing := sorted(package for package in wanted if importlib.util.find_spec(package) is None):
        yield Finding("error", f"packages missing: {', '.join(missing)}", _REINSTALL)
    else:
        yield Finding("ok", "packages")
    yield from _trained(config)
    if "piper" in wanted - set(missing):
        place = importlib.util.find_spec("piper").submodule_search_locations[0]
        if Path(place, "espeak-ng-data").is_dir():
            yield Finding("ok", "espeak data")
        else:
            yield Finding(
                "error",
                f"piper at {place} has no espeak-ng-data",
                "Install it again: pip install --force-reinstall piper-tts.",
            )


def _trained(config: Config) -> Iterator[Finding]:
    """What recognisers of one's own need beyond the plain installation."""
    for _, port, _, name in config.wanted_models():
        kind = _card_kind(config, name) if port == "stt" else ""
        if missing := [package for package in NEEDS.get(kind, ()) if importlib.util.find_spec(package) is None]:
            yield Finding(
                "error", f"{name} is a model of kind {kind}, which needs {', '.join(missing)}", f"Run: {INSTALL}."
            )


def _card_kind(config: Config, name: str) -> str:
    registry = config.registry()
    return registry[name].kind if name in registry else ""


def _models(config: Config, progress: Progress) -> Iterator[Finding]:
    store = config.store()
    for name in config.model_names():
        try:
            store.path(name, progress)
        except ModelError as error:
            what, *mend = re.split(r"(?<!\.)\. ", str(error), maxsplit=1)  # not at the three dots of a hash
            yield Finding("error", what, *mend)
        else:
            yield Finding("ok", f"model {name}")
    yield _disk(config, store)


def _disk(config: Config, store: Store) -> Finding:
    lacking = sum(
        store.registry[name].size for name in config.model_names() if store.status(name).state in ("missing", "partial")
    )
    place = _existing(store.root)
    free = shutil.disk_usage(place).free
    what = f"{free / 1e9:,.1f} GB of disk free in {place}"
    if free < lacking:
        return Finding(
            "error",
            f"{what}; models need {lacking / 1e9:,.1f} GB",
            "Free some, or set models.dir or ALLO_MODELS to another disk.",
        )
    return Finding("ok", what)


def _machine(config: Config) -> Iterator[Finding]:
    models, cores = config.models, cores_here()
    threads = [models.stt.threads] + [
        llm.threads for llm in (models.llm, models.llm_fallback) if llm is not None and llm.kind == "embedded"
    ]
    if max(threads) > cores:
        mend = f"Set models.stt.threads and models.llm.threads to {int(cores) or 1}."
        yield Finding(
            "warning", f"{cores:g} cores, and models set to {max(threads)} threads: they will wait for each other", mend
        )
    elif cores < 2:
        yield Finding(
            "warning",
            f"{cores:g} core: replies will be slow",
            "Give it two, or use an llm of kind openai on another machine.",
        )
    else:
        yield Finding("ok", f"{cores:g} cores")
    registry = config.store().registry
    need = _BASE_MEMORY + sum(registry[name].size for name in config.model_names()) * 5 // 4
    memory = memory_here()
    what = f"{memory / 1e9:,.1f} GB of memory, about {need / 1e9:,.1f} GB needed"
    yield (
        Finding("ok", what)
        if memory > need
        else Finding("warning", what, "Choose smaller models (allo models list), or give it more.")
    )


def _port(config: Config) -> Finding:
    host, port = config.server.host, config.server.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":
                probe.setsockopt(
                    socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
                )  # as the server does: a port just left is free
            probe.bind(address)
    except OSError as error:
        return Finding(
            "error", f"cannot listen on {host}:{port}: {error.strerror}", "Stop what listens there, or set server.port."
        )
    return Finding("ok", f"can listen on {host}:{port}")


def _dumps(config: Config) -> Iterator[Finding]:
    recording = config.recording
    if not recording.enabled:
        return
    if recording.dir is None:
        yield Finding(
            "warning", "recording is enabled and has no place", "Set recording.dir, or start with --dumps DIR."
        )
        return
    place = _existing(recording.dir)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        yield Finding(
            "error", f"cannot write call dumps to {recording.dir}: {error.strerror}", f"Mend the rights of {place}."
        )
        return
    free = shutil.disk_usage(place).free
    if free < recording.max_gigabytes * 1e9:
        what = f"{free / 1e9:,.1f} GB free for call dumps, up to {recording.max_gigabytes:g} GB allowed"
        yield Finding("warning", what, "Lower recording.max_gigabytes, or record to another disk.")
    else:
        sealed = ", sealed" if recording.keys else ""
        yield Finding("ok", f"call dumps can be written to {recording.dir}{sealed}")


def _carriers(config: Config) -> Iterator[Finding]:
    server, twilio = config.server, config.twilio
    signed = twilio.auth_token is not None or bool(twilio.webhook_shared_keys)
    if signed and server.public_url is None:
        mend = "Set server.public_url to the https address that Twilio calls."
        yield Finding(
            "warning",
            "Twilio signatures are checked, but no public_url is set: behind a proxy they will not match",
            mend,
        )
    if server.public_url is not None and not signed:
        yield Finding(
            "warning",
            "public_url is set, but no Twilio key: only callers on loopback are taken",
            "Set twilio.auth_token.",
        )
    if signed and not twilio.account_sid:
        yield Finding(
            "warning",
            "no Twilio account_sid: calls cannot be hung up or transferred by REST",
            "Set twilio.account_sid.",
        )
    if twilio.account_sid and twilio.auth_token is None and twilio.api_secret is None:
        yield Finding(
            "warning",
            "twilio.account_sid is set without a key to use it",
            "Set twilio.auth_token, or api_key and api_secret.",
        )


def _tools(config: Config) -> Iterator[Finding]:
    for agent in config.agents:
        for tool in agent.tools:
            module, _, function = tool.partition(":")
            if function and not _found(module):
                mend = "Install it, or mend the name in agents.tools."
                yield Finding("error", f"agent {agent.name}: no module {module} for the tool {tool}", mend)


def _found(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is not there
        return False


def _existing(path: Path) -> Path:
    """The nearest folder on the way to `path` that is there."""
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())
