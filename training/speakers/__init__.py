"""Speaker embeddings: trained, compared, exported; and who spoke when."""
