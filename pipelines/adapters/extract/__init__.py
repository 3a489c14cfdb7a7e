"""One voice out of several."""
