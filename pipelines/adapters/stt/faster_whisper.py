from faster_whisper import WhisperModel
from pipelines.models.ports import Transcript


class FasterWhisper:
    def __init__(self, folder, *, threads, beam=1):
        self.m = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=threads)

    def transcribe(self, audio, *, languages, final, hot_words=""):
        s, i = self.m.transcribe(audio, beam_size=1, language=languages[0] if len(languages) == 1 else None, without_timestamps=True)
        return Transcript(" ".join(x.text.strip() for x in s), i.language, i.language_probability)
