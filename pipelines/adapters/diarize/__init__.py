"""Who spoke when, by other people's pipelines."""
