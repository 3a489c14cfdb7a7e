"""What a model's failure leads to: another attempt, or None, when its attempts are used up and the call must apologise.

Each port has its own count: a retry of the same model, then the configured fallback (the driver picks it by `attempt`).
"""

from pipelines.actions import Action, StartReply
from pipelines.events import ModelFailed
from pipelines.turns.hearing import Hearing
from pipelines.turns.policy import CallSettings
from pipelines.turns.reply import Reply
from pipelines.turns.speaking import Speaking


class Retry:
    """The failures of one call."""

    def __init__(self, settings: CallSettings) -> None:
        self._settings = settings
        self._deaf_windows = 0

    def window_analyzed(self) -> None:
        """Voice activity works (again)."""
        self._deaf_windows = 0

    def after(self, failure: ModelFailed, hearing: Hearing, speaking: Speaking) -> list[Action] | None:
        """What to do now; [] when nobody waits for that answer any more, None when nothing is left to try."""
        match failure.port:
            case "vad":
                self._deaf_windows += 1
                return [] if self._deaf_windows < self._settings.vad_failures else None
            case "stt":
                return hearing.retry(failure.request)
            case "turn" | "overlap" | "emotion" | "speaker" | "sentiment":
                return []  # the call does without
            case "agent" if speaking.is_draft(failure.request):
                return speaking.drop_draft()  # the reply is asked for again when it is needed
            case "agent":
                reply = speaking.live(failure.request)
                return [] if reply is None else self.reply(reply)
            case "tts" if speaking.is_draft(failure.reply):
                return speaking.drop_draft()
            case "tts":
                reply = speaking.live(failure.reply)
                if reply is None:
                    return []
                return reply.requests() if reply.failed(failure.request) else None
        return None

    def finished(self, reply: Reply, speaking: Speaking) -> list[Action] | None:
        """The agent has no more text. [] when that is well; another attempt, or None, when it had nothing to say."""
        reply.finish()
        nothing = reply.empty and not reply.after
        if speaking.is_draft(reply.number):
            return speaking.drop_draft() if nothing else reply.requests()
        return self.reply(reply) if nothing else []

    def reply(self, reply: Reply) -> list[Action] | None:
        """The agent failed, or had nothing to say. Once something was said, another attempt would repeat it."""
        reply.attempt += 1
        if not reply.empty or reply.attempt >= self._settings.agent_attempts:
            return None
        reply.text_done = False
        return [StartReply(reply.number, reply.asked, reply.language, reply.attempt)]
