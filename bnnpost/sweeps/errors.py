"""What a configuration that cannot be run raises."""


class ConfigError(ValueError):
    """A configuration that cannot be run; the message names the key and what was expected."""
