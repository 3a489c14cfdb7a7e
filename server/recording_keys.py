"""Where the keys of recordings come from: the configuration, and the environment. A child process is given them by its environment, never by its arguments."""

import os

from pipelines.replay.sealed import VARIABLE, Keys
from server.config import Config


def keys_of(config: Config | None = None) -> Keys:
    """For a command that reads recordings: the configuration's keys, then those of the environment. Raises ConfigError."""
    configured = config.recording.keys if config is not None else Keys()
    return configured + Keys.of_environment(os.environ)


def for_child(keys: Keys, **more: str) -> dict[str, str]:
    """Environment of a child process that has these keys and no others."""
    return {**os.environ, **more, VARIABLE: keys.text()}
