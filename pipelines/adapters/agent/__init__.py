"""The mind of a call behind `pipelines.models.ports.Agent`, on the openai-agents SDK: an embedded model or any
OpenAI-compatible endpoint."""
