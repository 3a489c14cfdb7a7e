"""Speech to text behind `pipelines.models.ports.SpeechToText`: a recogniser a file."""
