"""The same noisy calls through every denoiser: what it costs or saves in words, false alarms and waiting.

    python -m tests.load.noisy_call --data DIR                        # off, and every denoiser of the model store that is here
    python -m tests.load.noisy_call --data DIR --only off dtln --calls 1 --json
    python -m tests.load.noisy_call --data DIR --model runs/mask/denoise-mask
    python -m tests.load.noisy_call --data DIR --cpu                  # only the processor time, on an idle machine

A call is made of recordings of one reader, English or French, whom no denoiser of ours was trained on: sentence after sentence, and after each
a pause in which the agent answers for 2.5 s. Babble of four others, a kitchen or music lies over all of it, also while the agent speaks and
while nobody does; then it goes over a telephone line. Every denoiser gets the same bytes. Voice activity, recogniser and every decision are
those of a call (the replay of `allo replay --models`), in virtual time: models answer after fixed times, so that a busy machine changes nothing.

words     word errors of the caller's words, in per cent with 95 % bounds over callers; `quiet`: without a noise; `to off`: points. What was
          taken for his words in a noise counts as added.
stopped   times that noise alone silenced the agent, of the times that it spoke (gone on within a second or not).
turns     turns that noise alone took; `unanswered`: sentences after which the agent said nothing before the next, since noise passed for speech;
          `left out`: sentences that no turn holds; `early`: answers that began before their end.
gap       seconds from the caller's last sound to the agent's first, median / 95th percentile, with 0.3 s for the recogniser and 0.3 for the agent.
CPU       milliseconds of processor that the denoiser takes for a second of audio.

Recognition hears the original in any case: a denoiser works for voice activity, and so for where turns begin and end.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import track

from pipelines.adapters import kinds
from pipelines.audio.g711 import encode
from pipelines.errors import ModelError
from pipelines.frames import TELEPHONE, Encoding
from pipelines.models import exported
from pipelines.models.ports import Audio, Denoiser, SpeechToText, VoiceActivity
from pipelines.models.store import Store
from pipelines.replay.answers import FixedPace, ModelAnswers
from pipelines.replay.audio_files import caller_dump
from pipelines.replay.virtual import run
from server.config import Config
from server.engines import load_model, load_stt
from server.model_config import SttSettings
from server.replay_models import Denoised
from server.settings import call_settings
from tests.load.noise_counts import Counted, Heard, Said, counts, judge, report, winner
from tests.load.words_heard import Listener
from training.common import audio, manifests
from training.common.manifests import Clip
from training.common.telephony import plain
from training.denoise.data import named
from training.denoise.noises import babble, piece, rms
from training.denoise.table import cleaned

READERS = {"en": "en_librispeech", "fr": "fr_tuxpaint"}
NOISES = {"babble": "", "kitchen": "kitchen", "music": "macroform-cold_day"}
"""By their recordings, which are in no training of ours."""
_RATE = 16_000
_BEFORE_S, _PAUSE_S, _ANSWER_S = 3.5, 5.0, 2.5
_LEVEL = 0.08
_HISS = 2e-4
_VOICES = 4
_CPU_S = 20


class Scene(msgspec.Struct, frozen=True):
    """A call: its caller, `noise` ("quiet": none) at `snr_db`, what he said, and the line as 8 kHz mu-law."""

    caller: str
    language: str
    noise: str
    snr_db: float | None
    said: tuple[Said, ...]
    wire: bytes
    line: Audio


# ---- the calls


def callers(clips: Sequence[Clip], calls: int, sentences: int) -> list[list[Clip]]:
    """`calls` calls of `sentences` clips of one reader each, going round the readers."""
    by_speaker: dict[str, list[Clip]] = {}
    for clip in sorted(clips, key=lambda clip: str(clip.audio)):
        if 2.0 <= clip.duration <= 7.0 and not any(map(str.isdigit, clip.text)):
            by_speaker.setdefault(clip.speaker, []).append(clip)
    rounds = max(map(len, by_speaker.values())) // sentences
    found = [own[n * sentences : (n + 1) * sentences] for n in range(rounds) for _, own in sorted(by_speaker.items())]
    return [own for own in found if len(own) == sentences][:calls]


def spoken(own: Sequence[Clip]) -> tuple[Audio, list[Said]]:
    """A caller's side without noise: each sentence equally loud, and where it lies."""
    line, said = [np.zeros(round(_BEFORE_S * _RATE), np.float32)], []
    for clip in own:
        sound = audio.load(clip.audio)
        loud = np.flatnonzero(np.abs(sound) > 0.05 * np.abs(sound).max())
        sound = sound[loud[0] : loud[-1] + 1]
        start = sum(map(len, line)) / _RATE
        said.append(Said(clip.text, start, start + len(sound) / _RATE))
        line += [sound * np.float32(_LEVEL / max(rms(sound), 1e-6)), np.zeros(round(_PAUSE_S * _RATE), np.float32)]
    return np.concatenate(line), said


def scenes(data: Path, calls: int, sentences: int, noises: Sequence[str], ratios: Sequence[float]) -> Iterator[Scene]:
    """Every call in quiet, then in every noise at every ratio. Raises DataError."""
    clips = {lang: manifests.read_all([data / name / "manifest.jsonl"]) for lang, name in READERS.items()}
    recordings = named(["noise/manifest.jsonl", "music_on_hold/manifest.jsonl"], data)
    everybody = [clip for own in clips.values() for clip in own]
    for language, own in clips.items():
        for number, clips_of_one in enumerate(callers(own, calls, sentences)):
            speech, said = spoken(clips_of_one)
            speaker = clips_of_one[0].speaker
            for noise in ("quiet", *noises):
                rng = np.random.default_rng([number, len(noise)])
                hiss = rng.normal(0, _HISS, speech.size).astype(np.float32)
                if noise == "quiet":
                    sound = np.zeros(speech.size, np.float32)
                elif NOISES[noise]:
                    sound = piece(audio.load(recordings[NOISES[noise]]), speech.size, rng)
                else:
                    sound = babble(_others(everybody, speaker, rng), speech.size, rng)
                for ratio in [None] if noise == "quiet" else ratios:
                    share = 0.0 if ratio is None else _LEVEL * 10 ** (-ratio / 20) / max(rms(sound), 1e-9)
                    line = plain(np.clip(speech + hiss + sound * np.float32(share), -1, 1))
                    wire = encode((np.clip(line[::2], -1, 1) * 32_767).astype(np.int16), Encoding.MULAW)
                    yield Scene(f"{speaker} {number}", language, noise, ratio, tuple(said), wire, line)


def _others(clips: Sequence[Clip], speaker: str, rng: np.random.Generator) -> list[Audio]:
    """Some talk of four other speakers."""
    names = sorted({clip.speaker for clip in clips} - {speaker})
    chosen = rng.choice(names, min(_VOICES, len(names)), replace=False)
    return [np.concatenate([audio.load(c.audio) for c in clips if c.speaker == name][:4]) for name in chosen]


# ---- listening to them


def listen(scene: Scene, stt: SpeechToText, vad: VoiceActivity, denoiser: Denoiser | None) -> Heard:
    """One call, with voice activity told by what the denoiser leaves."""
    config = Config()
    agent = config.agents[0]
    settings = call_settings(config, agent)
    phrases = msgspec.structs.replace(settings.phrases[scene.language], fillers=(), openers=())
    settings = msgspec.structs.replace(
        settings, languages=(scene.language,), phrases={scene.language: phrases}, appraise=False
    )
    answers = ModelAnswers(
        vad if denoiser is None else Denoised(vad, denoiser),
        stt,
        FixedPace(Listener()),
        (scene.language,),
        speak=lambda action: [TELEPHONE.silence(1) * round(_ANSWER_S * 8_000)],
    )
    call = run(caller_dump(TELEPHONE, scene.wire, settings, agent.name), answers)
    return judge(call, scene.said, scene.language)


def denoisers(
    store: Store, models: Sequence[Path], only: Sequence[str], console: Console
) -> dict[str, Denoiser | None]:
    """Off, those of the store that are here, and exported folders, by name. Raises ModelError for one that was asked for and is not here."""
    found: dict[str, Denoiser | None] = {"off": None}
    for name in set(only) - {"off"}:
        _ = store.registry[name]  # says what was meant
    for card in store.registry:
        if card.port == "denoise" and (not only or card.name in only):
            try:
                found[card.name] = load_model(store, card.name)
            except ModelError as error:
                if only:
                    raise
                console.print(f"{card.name} is left out: {error}")
    for folder in models:
        card = exported.check(folder)
        found[card.name] = kinds.load_added(card, folder)
    return found


def cpu_ms(denoiser: Denoiser | None, line: Audio) -> float:
    """Milliseconds of this thread's processor time for a second of audio; the least of three goes."""
    if denoiser is None:
        return 0.0
    took = []
    for _ in range(3):
        began = time.thread_time()
        cleaned(denoiser, line)
        took.append(time.thread_time() - began)
    return 1_000 * min(took) / (len(line) / _RATE)


def _kept(path: Path | None) -> dict[str, list[Counted]]:
    """Rows of a run with the same options."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, list[Counted]]) if path and path.exists() else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="denoisers of the model store; off is always there"
    )
    parser.add_argument(
        "--model", type=Path, nargs="+", default=[], metavar="FOLDER", help="what `allo train denoise` exported"
    )
    parser.add_argument("--calls", type=int, default=2, help="of each language")
    parser.add_argument("--sentences", type=int, default=3, help="of each call")
    parser.add_argument("--noises", nargs="+", default=list(NOISES), choices=list(NOISES))
    parser.add_argument("--snr", type=float, nargs="+", default=[5.0, 10.0], metavar="DB")
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="rows are kept here, and those in it are not measured again"
    )
    parser.add_argument("--cpu", action="store_true", help="only the processor time")
    parser.add_argument("--threads", type=int, default=2, help="of the recogniser; changes only how long it all takes")
    parser.add_argument(
        "--json", action="store_true", help="every call on standard output, the table on standard error"
    )
    options = parser.parse_args()
    console = Console(stderr=True, width=170)
    store = Store()
    rows = denoisers(store, options.model, options.only, console)
    calls = list(scenes(options.data, options.calls, options.sentences, options.noises, options.snr))
    cost = {name: cpu_ms(denoiser, calls[-1].line[: _CPU_S * _RATE]) for name, denoiser in rows.items()}
    if options.cpu:
        print(json.dumps(cost) if options.json else "\n".join(f"{name:20} {ms:.1f} ms" for name, ms in cost.items()))
        return
    counted = _kept(options.keep)
    stt, vad = (
        load_stt(store, SttSettings(threads=options.threads), SttSettings().model),
        load_model(store, Config().models.vad.model),
    )
    for name, denoiser in rows.items():
        if name not in counted:
            heard = [listen(one, stt, vad, denoiser) for one in track(calls, name, console=console, transient=True)]
            counted[name] = counts([(s.caller, s.language, s.noise, s.snr_db) for s in calls], heard)
            if options.keep:
                options.keep.write_bytes(msgspec.json.encode(counted))
    counted = {name: counted[name] for name in rows}
    for table in report(counted, cost):
        (console if options.json else Console(width=170)).print(table)
    said = f"the row that wins: {winner(counted)}"
    if options.json:
        console.print(said)
        json.dump({"calls": msgspec.to_builtins(counted), "cpu_ms": cost, "winner": winner(counted)}, sys.stdout)
    else:
        print(said)


if __name__ == "__main__":
    main()
