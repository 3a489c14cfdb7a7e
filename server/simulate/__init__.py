"""Simulated callers: whole conversations with an agent, judged by rules."""
