"""Agents that come with Allô."""
