"""Voice activity: which windows of a call hold speech."""
