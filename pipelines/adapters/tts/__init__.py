"""Voices: adapters of the `TextToSpeech` port. Libraries and weights load when an adapter is made."""
