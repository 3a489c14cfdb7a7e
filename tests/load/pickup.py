"""Who answered, by real voices: recordings and synthesized greetings as callees, through mu-law, voice activity and the recogniser.

    python -m tests.load.pickup --data DIR     # DIR: recordings with manifests; without it only the synthesized ones

Prints for each kind of callee how many were told right, and after how many seconds. The recogniser is given 300 ms a look (virtual time).
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import msgspec
import numpy as np
import soundfile

from pipelines import actions as do
from pipelines.audio.g711 import encode
from pipelines.audio.resample import Resampler
from pipelines.frames import TELEPHONE, Encoding
from pipelines.replay import virtual
from pipelines.replay.answers import ModelAnswers
from pipelines.replay.audio_files import caller_dump
from server.config import Config
from server.engines import load_stt, load_vad, load_voice
from server.settings import call_settings

RATE = 8_000
SPOKEN = [
    ("person", "en", "Hello?"),
    ("person", "en", "Yes, hello, who is this?"),
    ("person", "en", "Miller's garage, good morning, Jane speaking."),
    (
        "machine",
        "en",
        "Hi, you've reached Jane. I can't come to the phone right now. Please leave a message after the tone.",
    ),
    ("machine", "en", "The person you are trying to reach is not available. At the tone, please record your message."),
    ("ivr", "en", "Thank you for calling the bank. For opening hours, press one. For anything else, press two."),
    ("person", "fr", "Allô ?"),
    ("person", "fr", "Oui bonjour, Martin à l'appareil."),
    ("person", "fr", "Boulangerie du port, bonjour, je vous écoute."),
    ("machine", "fr", "Bonjour, vous êtes bien sur le répondeur de Marie. Laissez-moi un message après le bip."),
    ("machine", "fr", "Votre correspondant n'est pas joignable pour le moment. Merci de rappeler plus tard."),
    (
        "machine",
        "fr",
        "Bonjour, je ne suis pas disponible. Laissez vos coordonnées, je vous rappellerai dès que possible.",
    ),
    ("ivr", "fr", "Bienvenue. Pour le service client, tapez un. Pour la facturation, tapez deux."),
]


class NoAgent:
    """Says nothing."""

    def reply(self, action: do.StartReply) -> Iterator:
        yield from ()

    def commit(self, action: do.CommitReply) -> None: ...
    def forget(self, action: do.ForgetReply) -> None: ...
    def remember(self, action: do.Remember) -> None: ...
    def notice(self, action: do.Notice) -> None: ...


def callees(config: Config, data: Path | None) -> Iterator[tuple[str, str, np.ndarray]]:
    """(what it is, name, int16 samples at 8 kHz)."""
    store = config.store()
    for language in ("en", "fr"):
        voice = load_voice(store, config.models.tts[language], language)
        for kind, spoken_in, text in SPOKEN:
            if spoken_in == language:
                pcm = np.concatenate([np.asarray(piece) for piece in voice.synthesize(text)])
                pcm = pcm if pcm.dtype == np.int16 else (pcm * 32_767).astype(np.int16)
                yield f"{kind}, {language}, synthesized", text, Resampler(voice.sample_rate, RATE).process(pcm)
    if data is None:
        return
    prompts = data / "en_telephone_prompts"
    for line in (prompts / "manifest.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if "press " in entry["text"].lower() and any(c.isdigit() for c in entry["text"]):
            yield "ivr, en, recorded", entry["text"], read(prompts / entry["audio"])
    mailbox = [prompts / f"{name}.flac" for name in ("vm-nobodyavail", "vm-rec-name")]
    beep = 8_000 * np.sin(2 * np.pi * 1_000 * np.arange(RATE // 2) / RATE)
    yield (
        "machine, en, recorded",
        "nobody available, beep",
        np.concatenate([*map(read, mailbox), beep.astype(np.int16)]),
    )
    for folder, kind, few in (
        ("en_spoken_digits", "person, en, one word, recorded", 12),
        ("fr_words_ktuberling", "person, fr, one word, recorded", 12),
    ):
        entries = [json.loads(line) for line in (data / folder / "manifest.jsonl").read_text().splitlines()]
        for entry in [e for e in entries if e["language"] == kind[8:10] and e["duration"] < 1.5][
            :: max(1, len(entries) // few)
        ]:
            yield kind, entry["text"], read(data / folder / entry["audio"])


def read(path: Path) -> np.ndarray:
    pcm, rate = soundfile.read(path, dtype="int16")
    return pcm if rate == RATE else Resampler(rate, RATE).process(pcm)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    data = parser.parse_args().data
    config = Config()
    store = config.store()
    vad, stt = load_vad(store, config), load_stt(store, config.models.stt, config.models.stt.model)
    settings = msgspec.structs.replace(call_settings(config, config.agents[0]), outbound=True)
    told: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for kind, name, pcm in callees(config, data):
        pcm = np.concatenate([pcm, np.zeros(4 * RATE, np.int16)])
        dump = caller_dump(TELEPHONE, encode(pcm, Encoding.MULAW), settings, "bench", after_us=600_000)
        silence = lambda action: [b"\xff" * 4_000]  # noqa: E731
        answers = ModelAnswers(vad, stt, NoAgent(), settings.languages, speak=silence)
        outcome = virtual.run(dump, answers, settings)
        facts = [
            (a.fact.removeprefix("answered_"), at / 1e6)
            for at, a in outcome.actions(do.Observed)
            if a.fact.startswith("answered_")
        ]
        told[kind].append(facts[-1] if facts else ("nobody", 0.0))
        if not facts or facts[-1][0] != kind.partition(",")[0]:
            print("  wrong:", kind, "->", facts, name[:70])
    for kind, outcomes in told.items():
        right = [at for who, at in outcomes if who == kind.partition(",")[0]]
        print(
            f"{kind:34} {len(right)} of {len(outcomes)}" + (f", after {median(right):.1f} s (median)" if right else "")
        )


if __name__ == "__main__":
    main()
