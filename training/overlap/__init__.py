"""Overlap: whether speech over the agent begins an interruption, or is a murmur or a noise."""
