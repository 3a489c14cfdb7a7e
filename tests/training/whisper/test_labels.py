import msgspec
import pytest

from training.whisper import labels


@pytest.mark.parametrize(
    ("reference", "written", "label"),
    [
        ("he hoped there would be stew", "He hoped there would be stew.", "He hoped there would be stew."),
        ("where are you", "Where are you?", "Where are you?"),
        ("he hoped there would be stew", "He hopes there would be stew.", "He hoped there would be stew."),
        ("i said i'm here", "", "I said I'm here."),
    ],
)
def test_the_words_are_the_references_and_the_writing_is_whispers(reference, written, label):
    assert labels.choose(reference, written, "en") == label


def test_a_written_reference_is_kept_and_nobody_listens(clips):
    def write(clip):
        pytest.fail(f"{clip.text} needed no listening")

    assert [clip.text for clip in labels.label(clips[:1], write)] == ["Agent logged in."]


def test_what_nobody_wrote_down_is_labelled_if_wanted(clips):
    mute = [msgspec.structs.replace(clip, text="") for clip in clips[:2]]
    told = []
    write = {clips[0].audio: "Agent logged in.", clips[1].audio: ""}
    assert labels.label(mute, lambda clip: write[clip.audio]) == []
    labelled = labels.label(mute, lambda clip: write[clip.audio], unwritten=True, say=told.append)
    assert [clip.text for clip in labelled] == ["Agent logged in."]
    assert len(told) == 1
    assert str(clips[1].audio) in told[0]


def test_the_unchanged_model_writes_as_whisper_writes(folder, clips):
    assert labels.Writer(folder, threads=1).write(clips[0]) == "Agent logged in."


def test_no_clip_is_listened_to_twice(tmp_path, clips):
    heard = []

    def write(clip):
        heard.append(clip)
        return clip.text.upper()

    for _ in range(2):
        recall = labels.remembered(write, tmp_path / "written.jsonl")
        assert [recall(clip) for clip in clips] == [clip.text.upper() for clip in clips]
    assert heard == clips
