"""One voice out of several: target-speaker extraction."""
