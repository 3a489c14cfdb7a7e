"""The configuration of one agent, as the pure call wants it."""

import msgspec

from pipelines.call import CallSettings
from pipelines.turns.policy import Phrases
from pipelines.units import MS, SECOND
from server.config import AgentConfig, Config
from server.model_config import ModelSettings, SpeakerSettings
from server.placed import Placed


def phrases_of(agent: AgentConfig, language: str) -> Phrases:
    """What the agent's calls say without asking it."""
    return Phrases(
        greeting=agent.greeting[language],
        prompt=agent.prompt[language],
        goodbye=agent.goodbye[language],
        apology=agent.apology[language],
        fillers=tuple(agent.fillers[language]),
        openers=tuple(agent.openers.get(language, ())),
        cut_in=agent.cut_in.get(language, ""),
    )


def outbound_settings(settings: CallSettings, placed: Placed) -> CallSettings:
    """How a call goes that we placed."""
    first = [placed.language] if placed.language in settings.languages else []
    others = [language for language in settings.languages if language not in first]
    return msgspec.structs.replace(settings, outbound=True, message=placed.message, languages=(*first, *others))


def emotion_limits(models: ModelSettings, emotion: object) -> dict[str, float]:
    """By emotion, the probability from which an agent may be told of it: as configured, or as measured for the model."""
    return dict(models.emotion.sure or getattr(emotion, "thresholds", {}))


def measured(
    settings: CallSettings, models: ModelSettings, emotion: object, speaker: object, overlap: object = None
) -> CallSettings:
    """The same with what was measured for these models (their `thresholds`, None: no model), where the configuration says nothing else."""
    default = CallSettings()
    voice, sound = (getattr(model, "thresholds", {}) for model in (speaker, overlap))
    return msgspec.structs.replace(
        settings,
        emotion_sure=emotion_limits(models, emotion),
        p_interruption=sound.get("hold", default.p_interruption)
        if models.overlap.sure is None
        else models.overlap.sure,
        voice_same=voice.get("short", default.voice_same) if models.speaker.same is None else models.speaker.same,
        voice_other=voice.get("other", default.voice_other) if models.speaker.other is None else models.speaker.other,
    )


def known_from(models: SpeakerSettings, encoder: object) -> float:
    """Cosine from which a caller is taken for a person who is enrolled: as configured, or as measured for the model: for that, or else for good
    lines. A model without measures knows nobody."""
    measures = getattr(encoder, "thresholds", {})
    return measures.get("known", measures.get("clean", 1.01)) if models.known is None else models.known


def call_settings(config: Config, agent: AgentConfig) -> CallSettings:
    """Everything that decides how the agent's calls behave."""
    turns = config.turns
    models = config.models
    voices = [] if agent.kind == "echo" else [config.voice(agent, language) for language in agent.languages]
    return CallSettings(
        languages=tuple(agent.languages),
        phrases={language: phrases_of(agent, language) for language in agent.languages},
        transfer_number=agent.transfer_number or "",
        keypad=agent.keypad,
        echo=agent.kind == "echo",
        analyze=agent.voice_activity or agent.kind != "echo",
        speculate=turns.speculate,
        follow=agent.follow_caller,
        identify=agent.known_callers,
        feel=bool(agent.emotion),
        appraise=agent.sentiment,
        judge_turns=models.turn.model != "none",
        judge_overlaps=models.overlap.model != "none",
        speech_on=turns.vad_start,
        speech_off=turns.vad_stop,
        min_speech_us=turns.min_speech_ms * MS,
        min_silence_us=turns.min_silence_ms * MS,
        endpoint_us=turns.endpoint_ms * MS,
        endpoint_sure_us=turns.endpoint_sure_ms * MS,
        endpoint_unsure_us=turns.endpoint_max_ms * MS,
        interruption_us=turns.interruption_ms * MS,
        hold=turns.hold,
        faint_db=turns.faint_db,
        interruption_sure_us=turns.interruption_sure_ms * MS,
        monologue_us=turns.monologue_s * SECOND,
        turn_limit_us=turns.turn_limit_s * SECOND,
        lead_us=turns.lead_ms * MS,
        opener_after_us=agent.opener_ms * MS,
        filler_after_us=agent.filler_ms * MS,
        hold_music=agent.hold_music != "none",
        silence_prompt_us=int(agent.silence_prompt_s * SECOND),
        silence_hangup_us=int(agent.silence_hangup_s * SECOND),
        max_call_us=int(agent.max_call_s * SECOND),
        stt_attempts=3 if models.stt.fallback else 2,
        agent_attempts=3 if models.llm_fallback else 2,
        # Counted for the call as a whole: a language without a fallback has its own voice try a third time.
        tts_attempts=3 if any(voice.fallback for voice in voices) else 2,
    )
