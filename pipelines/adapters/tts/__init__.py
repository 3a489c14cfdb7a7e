"""Voices: adapters of the `TextToSpeech` port. Their libraries and weights are loaded when an adapter is made, not on import."""
