import tomllib
from pathlib import Path

import pytest
import soundfile

import server.caller.script as scripts
from server.caller.mouth import SPEECH_DBFS, spoken
from server.caller.script import AwaitHangUp, HangUp, ScriptError, load_clip, load_script, shipped

CLIPS = Path(scripts.__file__).parent / "clips"


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_script_can_be_acted(name: str) -> None:
    script = load_script(name)
    assert isinstance(script.step[-1], HangUp | AwaitHangUp)
    assert all(clip.startswith(script.language) for clip in script.clips())


def test_every_clip_is_described_and_every_description_has_a_clip() -> None:
    known = tomllib.loads((CLIPS / "clips.toml").read_text())
    assert sorted(known) == sorted(path.stem for path in CLIPS.glob("*.wav"))
    readme = (CLIPS / "README.md").read_text()
    for about in known.values():
        assert about["kind"] in ("recorded", "synthetic")
        assert f"`{about['voice']}`" in readme
        assert ("source" in about) == (about["kind"] == "recorded")
    assert sum(path.stat().st_size for path in CLIPS.iterdir()) < 1_500_000


@pytest.mark.parametrize("name", sorted(path.stem for path in CLIPS.glob("*.wav")))
def test_a_clip_is_telephone_speech_at_the_stated_level(name: str) -> None:
    info = soundfile.info(CLIPS / f"{name}.wav")
    assert (info.samplerate, info.channels, info.subtype) == (8_000, 1, "ULAW")
    clip = load_clip(name)
    start, end = spoken(clip.pcm, 8_000)
    assert 0.2 < (end - start) / 1e6 < 5
    speech = clip.pcm[start * 8 // 1_000 : end * 8 // 1_000].astype(float)
    assert 20 * scripts.np.log10(speech.std() / 32_768) == pytest.approx(SPEECH_DBFS, abs=3)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('title = "x"\n[[step]]\ndo = "sing"\n', "sing"),
        ('title = "x"\n[[step]]\ndo = "say"\nclip = "en_nothing"\n', "en_nothing"),
        ('title = "x"\n[[step]]\ndo = "say"\nclip = "en_yes"\nvolume = 3\n', "volume"),
        ("title = ", "script.toml"),
    ],
)
def test_a_bad_script_says_what_is_wrong(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "script.toml"
    path.write_text(text)
    with pytest.raises(ScriptError, match=complaint):
        load_script(str(path))


def test_a_script_may_bring_clips_of_its_own(tmp_path: Path) -> None:
    clip_folder, scripts_ = tmp_path / "clips", tmp_path / "scripts"
    clip_folder.mkdir()
    scripts_.mkdir()
    (clip_folder / "clips.toml").write_text('[mm]\ntext = "Mm."\n')
    soundfile.write(clip_folder / "mm.flac", scripts.np.full(800, 0.5), 8_000)
    path = scripts_ / "script.toml"
    steps = '[[step]]\ndo = "over"\nclip = "mm"\n[[step]]\ndo = "say"\nclip = "en_yes"\n'
    path.write_text(f'title = "x"\nclip_folder = "../clips"\n{steps}')
    clips = load_script(str(path)).clips()
    assert [(name, clip.text) for name, clip in clips.items()] == [("mm", "Mm."), ("en_yes", "Yes.")]
    assert len(clips["mm"].pcm) == 800
    path.write_text(f'title = "x"\nclip_folder = "../nowhere"\n{steps}')
    with pytest.raises(ScriptError, match="nowhere"):
        load_script(str(path))


def test_an_unknown_script_names_those_there_are() -> None:
    with pytest.raises(ScriptError, match="en, fr, recorded"):
        load_script("nothing")
