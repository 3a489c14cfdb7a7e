"""Traces of calls for OpenTelemetry: one trace a call, one span tree a turn. Off unless `[tracing]` names an endpoint.

    call                                    carrier, agent, why it ended
      turn                                  the caller's last word .. the last of the answer in his ear; gap and its parts
        endpointing, stt, first_token, ..   the response gap's parts (`Turn.parts`), one after the other
        transcribe                          a final transcript, from its asking
        chat MODEL                          the language model at work (gen_ai semantic conventions)
          execute_tool NAME
        synthesize                          one chunk of speech

A call's spans are made from its events and actions, as its metrics are: nothing in the call knows of them. What belongs to a reply that was
dropped before anybody heard it is dropped too. Exporting is the library's own: a thread and a bounded queue, which forgets
when the collector is slow. Words of callers go in only when `words` is set.

Sources: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/ (names of attributes, `chat`, `execute_tool`).
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from pipelines import actions as do
from pipelines import events as ev

_US = 1_000
"""Nanoseconds, in which spans count, of a microsecond, in which calls do."""

_PIECES = 200
"""Of one turn; more are left out."""


class Piece(msgspec.Struct):
    """A stretch of work within a turn. Times are call time in microseconds; `end` is None while it goes on."""

    name: str
    start: int
    end: int | None = None
    about: dict[str, Any] = {}
    failed: bool = False
    within: list["Piece"] = []


class Tracing:
    """Where spans go. Close it to send the last ones."""

    def __init__(self, exporter: SpanExporter, version: str, *, model: str = "", words: bool = False) -> None:
        """`model`: of language, for its spans; `words`: put what was said into spans."""
        about = Resource.create({"service.name": "allo", "service.version": version})
        self._provider = TracerProvider(resource=about)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("allo", version)
        self._model, self._words = model, words

    def call(self, call_id: str, carrier: str, agent: str) -> "CallTrace":
        """The observer of one session, to be made when it begins."""
        about = {"allo.call_id": call_id, "allo.carrier": carrier, "gen_ai.agent.name": agent}
        return CallTrace(self._tracer, about, model=self._model, words=self._words)

    def close(self) -> None:
        """Blocks until the last spans are sent, or the exporter gives up."""
        self._provider.shutdown()


def to_collector(endpoint: str, headers: dict[str, str]) -> SpanExporter:
    """Spans by OTLP over HTTP. `endpoint`: the collector's whole address, as http://127.0.0.1:4318/v1/traces."""
    return OTLPSpanExporter(endpoint=endpoint, headers=headers)


class CallTrace:
    """A `server.session.Observer` that turns what happens in a call into spans."""

    def __init__(self, tracer: trace.Tracer, about: dict[str, Any], *, model: str, words: bool) -> None:
        self._tracer, self._model, self._words = tracer, model, words
        self._born = time.time_ns()
        self._root = tracer.start_span("call", start_time=self._born, attributes=about, kind=trace.SpanKind.SERVER)
        self._context = trace.set_span_in_context(self._root)
        self._heard: dict[int, Piece] = {}  # final transcripts of the turn being said, by request
        self._replies: dict[int, list[Piece]] = {}
        self._live: int | None = None  # the reply that the caller hears, or will
        self._asked = ""

    def __call__(self, at: int, event: ev.Event, actions: list[do.Action]) -> None:
        self._answered(at, event)
        for action in actions:
            self._began(at, action)
        if type(event) is ev.CallEnded:
            self._root.set_attribute("allo.end_reason", event.reason)
            if event.reason == "failed":
                self._root.set_status(trace.StatusCode.ERROR)
            self._root.end(self._born + at * _US)

    # ---- work begins

    def _began(self, at: int, action: do.Action) -> None:
        kind = type(action)
        if kind is do.Transcribe and action.final:
            if len(self._heard) < _PIECES:
                self._heard[action.request] = Piece("transcribe", at, about={"allo.attempt": action.attempt})
        elif kind is do.StartReply:
            self._asked = action.text
            chat = Piece(f"chat {self._model}".strip(), at, about=self._of_model(action))
            self._replies.setdefault(action.reply, []).append(chat)
            if not action.speculative:
                self._live = action.reply
        elif kind is do.CommitReply:
            self._live = action.reply
        elif kind is do.Synthesize:
            if action.reply not in self._replies:  # words of the call's own: a greeting, a filler
                self._live = action.reply
            pieces = self._replies.setdefault(action.reply, [])
            if len(pieces) < _PIECES:
                about = {"allo.chunk": action.chunk, "allo.language": action.language}
                pieces.append(Piece("synthesize", at, about=about))
        elif kind is do.CancelReply:
            for piece in self._open(action.reply):
                piece.end = at
        elif kind is do.TurnTaken and action.turn.party == "agent":
            self._turn(at, action.turn)

    def _of_model(self, action: do.StartReply) -> dict[str, Any]:
        about = {"gen_ai.operation.name": "chat", "gen_ai.request.model": self._model, "allo.attempt": action.attempt}
        return about | {"allo.speculative": action.speculative}

    # ---- work ends

    def _answered(self, at: int, event: ev.Event) -> None:
        kind = type(event)
        if kind is ev.TranscriptReady and (piece := self._heard.get(event.request)) is not None:
            piece.end = at
        elif kind is ev.ReplyFinished:
            self._end(event.reply, "chat", at)
        elif kind is ev.ToolStarted and (chat := self._of(event.reply, "chat")) is not None:
            if len(chat.within) < _PIECES:
                about = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": event.tool}
                about |= {"gen_ai.tool.call.arguments": event.arguments} if self._words else {}
                chat.within.append(Piece(f"execute_tool {event.tool}", at, about=about))
        elif kind is ev.ToolFinished and (chat := self._of(event.reply, "chat")) is not None:
            for tool in chat.within:
                if tool.end is None and tool.about["gen_ai.tool.name"] == event.tool:
                    tool.end, tool.failed = at, event.failed
        elif kind is ev.SpeechSynthesized and event.last:
            self._end(event.reply, "synthesize", at, event.chunk)
        elif kind is ev.ModelFailed:
            self._failed(at, event)

    def _failed(self, at: int, event: ev.ModelFailed) -> None:
        if event.port == "stt" and (piece := self._heard.get(event.request)) is not None:
            piece.end, piece.failed = at, True
        elif event.port == "agent":
            self._end(event.request, "chat", at, failed=True)
        elif event.port == "tts":
            self._end(event.reply, "synthesize", at, event.request, failed=True)

    def _end(self, reply: int, name: str, at: int, chunk: int | None = None, *, failed: bool = False) -> None:
        piece = self._of(reply, name, chunk)
        if piece is not None:
            piece.end, piece.failed = at, failed

    def _of(self, reply: int, name: str, chunk: int | None = None) -> Piece | None:
        """What is under way for a reply."""
        for piece in self._open(reply):
            if piece.name.startswith(name) and chunk in (None, piece.about.get("allo.chunk")):
                return piece
        return None

    def _open(self, reply: int) -> Iterator[Piece]:
        return (piece for piece in self._replies.get(reply, ()) if piece.end is None)

    # ---- a turn is over: its spans

    def _turn(self, at: int, turn: do.Turn) -> None:
        """The agent has answered, and was heard or cut: its spans, with what was recognised for it."""
        live = -1 if self._live is None else self._live
        pieces = [*self._heard.values(), *self._replies.get(live, [])]
        self._heard, self._live = {}, None
        self._replies = {reply: kept for reply, kept in self._replies.items() if reply > live}
        start = round((turn.start - (turn.gap or 0.0)) * 1e6)
        end = max(at, round(turn.end * 1e6))
        about = {"allo.language": turn.language, "allo.interrupted": turn.interrupted}
        if turn.gap is not None:
            about["allo.response_gap"] = turn.gap
        if self._words:
            about["gen_ai.input.messages"] = _message("user", self._asked)
            about["gen_ai.output.messages"] = _message("assistant", turn.heard)
        since, parts = start, []
        for name, seconds in turn.parts.items():
            parts.append(Piece(name, since, since + round(seconds * 1e6)))
            since = parts[-1].end
        self._write(Piece("turn", start, end, about, within=[*parts, *pieces]), self._context, at)

    def _write(self, piece: Piece, context: Any, at: int) -> None:
        """A span and those below it. What is still under way ends with the turn: nobody hears of it any more."""
        tool_or_model = trace.SpanKind.CLIENT if piece.name.startswith("chat") else trace.SpanKind.INTERNAL
        start, end = (self._born + us * _US for us in (piece.start, at if piece.end is None else piece.end))
        span = self._tracer.start_span(piece.name, context, tool_or_model, piece.about, start_time=start)
        if piece.failed:
            span.set_status(trace.StatusCode.ERROR)
        below = trace.set_span_in_context(span)
        for one in piece.within:
            self._write(one, below, at)
        span.end(max(start, end))


def _message(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}], ensure_ascii=False)
