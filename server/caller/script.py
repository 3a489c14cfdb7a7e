"""What a scripted caller does, step by step, and what is expected of the agent. Scripts are TOML files; those shipped
are in `scripts/`.

    title = "Asks for the opening hours"
    language = "en"

    [[step]]
    do = "listen"                  # until the agent has finished
    says = ["hello|welcome"]

    [[step]]
    do = "say"
    clip = "en_hours"

`|` separates alternatives; every entry of `says` must be found in what the agent said during the step, as part of its
lower-cased text.
"""

import tomllib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import soundfile

from pipelines.errors import AlloError
from server.caller.ear import Pcm
from server.caller.line import resample

_HERE = Path(__file__).parent
_CLIPS, _SCRIPTS = _HERE / "clips", _HERE / "scripts"


class ScriptError(AlloError):
    """A script cannot be read, or names a clip that is not there."""


class Clip(msgspec.Struct, frozen=True):
    """Something a caller says: int16 at 8 kHz, and its words."""

    name: str
    text: str
    pcm: Pcm

    def at(self, rate: int, gain_db: float = 0.0) -> Pcm:
        """The clip at another rate, louder or softer."""
        pcm = resample(self.pcm, 8_000, rate)
        return pcm if not gain_db else np.clip(pcm * 10 ** (gain_db / 20), -32_768, 32_767).astype(np.int16)


class _Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do"):
    """Base of all steps. Times in seconds."""


class Listen(_Step, tag="listen"):
    """Wait until the agent was audible for `least` in all and then silent for `quiet`; or, having said less, for
    `patience`.

    A filler is short and a tool is slow: `least` longer than a filler waits for the answer behind it. `within`: for the
    agent's first sound.
    """

    says: tuple[str, ...] = ()
    least: float = 0.3
    quiet: float = 1.0
    patience: float = 7.0
    within: float = 12.0


class Say(_Step, tag="say"):
    """Say a clip of `clips/`, `gain_db` louder."""

    clip: str
    gain_db: float = 0.0


class Interrupt(_Step, tag="interrupt"):
    """Say a clip over the agent once it has been audible for `after`; it must be silent `yields` after the clip's first
    sound."""

    clip: str
    after: float = 1.5
    yields: float = 1.0
    within: float = 12.0
    gain_db: float = 0.0


class Over(_Step, tag="over"):
    """A sound over the agent once it has been audible for `after`, that asks for nothing: "mm-hmm", a cough, music
    behind the caller. The agent is to go on."""

    clip: str
    after: float = 1.0
    within: float = 12.0
    gain_db: float = 0.0


class Press(_Step, tag="press"):
    """Press keys, one every 250 ms."""

    digits: str


class HangUp(_Step, tag="hang_up"):
    """End the call."""


class AwaitHangUp(_Step, tag="await_hang_up"):
    """The agent ends the call."""

    within: float = 15.0


Step = Listen | Say | Interrupt | Over | Press | HangUp | AwaitHangUp


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the call must leave in the agent's database: `query` gives more rows after it than before it."""

    query: str
    what: str


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A caller. `errors`: the most of his words that may be misheard, as a word error rate; `noise_snr`: line noise
    that many dB under his speech, None for a silent line; `clip_folder`: a folder of more clips, relative to the script's
    file."""

    title: str
    step: tuple[Step, ...]
    language: str = "en"
    caller: str = "+15550123"
    called: str = "+15550100"
    errors: float = 0.25
    noise_snr: float | None = None
    row: tuple[Row, ...] = ()
    clip_folder: str = ""

    def clips(self) -> dict[str, Clip]:
        """The clips it uses, by name. Raises `ScriptError`."""
        clip_folder = Path(self.clip_folder) if self.clip_folder else None
        spoken = [step.clip for step in self.step if isinstance(step, Say | Interrupt | Over)]
        return {name: load_clip(name, clip_folder) for name in spoken}


def load_script(name: str) -> Script:
    """A shipped script by its name, or a script file by its path. Raises `ScriptError`."""
    path = Path(name) if name.endswith(".toml") else _SCRIPTS / f"{name}.toml"
    try:
        script = msgspec.convert(tomllib.loads(path.read_text()), Script)
    except FileNotFoundError:
        raise ScriptError(
            f"no script {name!r}. There are {', '.join(shipped())}, or give the path of a .toml file."
        ) from None
    except (OSError, ValueError) as error:
        raise ScriptError(f"{path}: {error}") from error
    if script.clip_folder:
        script = msgspec.structs.replace(script, clip_folder=str(path.parent / script.clip_folder))
    script.clips()
    return script


def shipped() -> Sequence[str]:
    """Names of the scripts that come with Allô."""
    return sorted(path.stem for path in _SCRIPTS.glob("*.toml"))


def load_clip(name: str, clip_folder: Path | None = None) -> Clip:
    """A clip by name: of `clips/`, or of another folder with a `clips.toml` and flac files. Raises `ScriptError`."""
    for folder, suffix in ((clip_folder, "flac"), (_CLIPS, "wav")):
        known = _catalogue(folder) if folder is not None else {}
        if name in known:
            pcm, rate = soundfile.read(folder / f"{name}.{suffix}", dtype="int16")
            assert rate == 8_000
            return Clip(name, known[name]["text"], pcm)
    raise ScriptError(f"no clip {name!r} in {_CLIPS / 'clips.toml'}{f' or {clip_folder}' if clip_folder else ''}")


def _catalogue(folder: Path) -> dict[str, dict[str, str]]:
    try:
        return tomllib.loads((folder / "clips.toml").read_text())
    except (OSError, ValueError) as error:
        raise ScriptError(f"{folder / 'clips.toml'}: {error}") from error
