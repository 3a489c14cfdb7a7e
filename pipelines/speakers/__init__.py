"""Who speaks: enrolment, verification and diarization over embeddings. Pure: an encoder is given, nothing waits or fails."""
