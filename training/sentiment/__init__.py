"""What a caller's words feel like: negative, neutral, positive, in English and French."""
