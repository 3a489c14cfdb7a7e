"""Speaker encoders: audio in, a voice as a direction out."""
