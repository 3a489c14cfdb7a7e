"""What operators watch, derived from the events and actions of calls. Labels are fixed words, never data of a caller.

Parts of the response gap, as `Turn.parts` names them: endpointing, stt, first_token, first_audio, playout.
"""

import asyncio
import threading

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from pipelines import actions as do
from pipelines import events as ev

# 50 ms to 10 s: below, nobody hears a difference; above, the caller has hung up.
_GAP_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 1.1, 1.4, 1.8, 2.5, 3.5, 5.0, 7.5, 10.0)
_RUN_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
_LAG_PERIOD_S = 0.1
_FACTS = {
    "backchannel",
    "call_limit",
    "digit",
    "false_interruption",
    "filler",
    "gone_on",
    "hold",
    "known_caller",
    "apology",
    "media_starved",
    "opener",
    "other_voice",
    "silence_prompt",
    "speech_started",
    "speech_stopped",
    "tool_failed",
    "turn_limit",
}
_PORTS = ("stt", "agent", "tts")
_REASONS = {"caller", "agent", "operator", "transfer", "silence", "limit", "failed", "lost", "refused", "shutdown"}


class Metrics:
    """All metrics of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = r = CollectorRegistry()
        ProcessCollector(registry=r)
        self.calls_active = Gauge("allo_calls_active", "Calls under way", registry=r)
        self.calls_limit = Gauge("allo_calls_limit", "Calls beyond which others are refused", registry=r)
        self.ready = Gauge("allo_ready", "1 while calls are taken", registry=r)
        self.calls = Counter("allo_calls", "Calls that ended, by reason", ["carrier", "reason"], registry=r)
        self.refused = Counter("allo_refused", "Requests and calls refused, by cause", ["cause"], registry=r)
        self.gap = Histogram(
            "allo_response_gap_seconds", "Caller's last word to agent audible", buckets=_GAP_BUCKETS, registry=r
        )
        self.gap_part = Histogram(
            "allo_response_gap_part_seconds", "The response gap's parts", ["part"], buckets=_GAP_BUCKETS, registry=r
        )
        self.barge_in = Histogram(
            "allo_barge_in_stop_seconds",
            "Caller's first word over the agent to the clear",
            buckets=_GAP_BUCKETS,
            registry=r,
        )
        self.facts = Counter("allo_facts", "What happened in calls", ["fact"], registry=r)
        self.emotions = Counter("allo_emotions", "What stretches of speech sound like", ["label"], registry=r)
        self.sentiments = Counter("allo_sentiments", "What callers' turns say", ["label"], registry=r)
        self.model_errors = Counter("allo_model_errors", "Failures of a model port", ["port"], registry=r)
        self.model_retries = Counter(
            "allo_model_retries", "Second tries (retry) and third (fallback)", ["port", "kind"], registry=r
        )
        self.frames = Counter("allo_frames", "Inbound frames put right", ["fate"], registry=r)
        self.wire_ignored = Counter("allo_wire_ignored", "Carrier messages ignored", ["carrier", "cause"], registry=r)
        self.queue_depth = Gauge("allo_queue_depth", "Waiting requests of a worker", ["worker"], registry=r)
        self.queue_wait = Histogram(
            "allo_queue_wait_seconds", "Time before a worker began", ["worker"], buckets=_RUN_BUCKETS, registry=r
        )
        self.model_run = Histogram(
            "allo_model_run_seconds", "Time a model took", ["worker"], buckets=_RUN_BUCKETS, registry=r
        )
        self.worker_events = Counter("allo_worker_events", "Dropped, cached, late ...", ["event"], registry=r)
        self.loop_lag = Histogram(
            "allo_event_loop_lag_seconds", "How late a timer fires", buckets=_RUN_BUCKETS, registry=r
        )
        self.stalls = Counter("allo_event_loop_stalls", "Stalls over 50 ms", registry=r)
        self.stalled = Counter("allo_event_loop_stalled_seconds", "Time the event loop stood still", registry=r)
        self.recorder = Counter("allo_recorder_events", "Dumps dropped, bytes removed ...", ["event"], registry=r)
        self.analyses = Counter("allo_analyses", "Analyses of calls, after them", ["outcome"], registry=r)
        # A counter that first appears at 1 has not grown for Prometheus: the first of these must be seen too.
        for cause in ("full", "not_ready", "token"):
            self.refused.labels(cause)
        for fact in _FACTS:
            self.facts.labels(fact)
        for port in _PORTS:
            self.model_errors.labels(port)
            for kind in ("retry", "fallback"):
                self.model_retries.labels(port, kind)
        self.tasks = Gauge("allo_tasks", "asyncio tasks", registry=r)
        self.threads = Gauge("allo_threads", "Python threads", registry=r)
        self.threads.set_function(threading.active_count)

    def observe(self, at: int, event: ev.Event, actions: list[do.Action]) -> None:
        """An observer of a session."""
        if type(event) is ev.ModelFailed:
            self.model_errors.labels(event.port).inc()
        elif type(event) is ev.EmotionHeard:
            self.emotions.labels(event.label).inc()
        elif type(event) is ev.SentimentRead:
            self.sentiments.labels(event.label).inc()
        for action in actions:
            kind = type(action)
            if kind is do.TurnTaken:
                turn = action.turn
                if turn.gap is not None:
                    self.gap.observe(turn.gap)
                    for part, seconds in turn.parts.items():
                        self.gap_part.labels(part).observe(seconds)
            elif kind is do.Observed:
                if action.fact == "barge_in":
                    self.barge_in.observe(action.value)
                elif action.fact in _FACTS:
                    self.facts.labels(action.fact).inc()
            elif kind in (do.Transcribe, do.StartReply, do.Synthesize) and action.attempt:
                port = {do.Transcribe: "stt", do.StartReply: "agent", do.Synthesize: "tts"}[kind]
                self.model_retries.labels(port, "retry" if action.attempt == 1 else "fallback").inc()

    def call_ended(self, carrier: str, reason: str) -> None:
        self.calls.labels(carrier, reason if reason in _REASONS else "other").inc()

    def worker(self, name: str, value: float) -> None:
        """What the inference workers report: `<worker>_wait_s`, `<worker>_run_s`, `<worker>_depth`, or an event to count."""
        worker, _, what = name.partition("_")
        if what == "wait_s":
            self.queue_wait.labels(worker).observe(value)
        elif what == "run_s":
            self.model_run.labels(worker).observe(value)
        elif what == "depth":
            self.queue_depth.labels(worker).set(value)
        else:
            self.worker_events.labels(name).inc(value or 1)

    def stall(self, seconds: float) -> None:
        """What `StallWatch` reports."""
        self.stalls.inc()
        self.stalled.inc(seconds)

    async def watch_loop(self) -> None:
        """Measure the event loop's lag until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _LAG_PERIOD_S
            await asyncio.sleep(_LAG_PERIOD_S)
            self.loop_lag.observe(max(0.0, loop.time() - due))
            self.tasks.set(len(asyncio.all_tasks()))
