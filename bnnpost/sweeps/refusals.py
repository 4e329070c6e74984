"""What keeps a sweep from running, or from ending as asked."""


class ConfigError(ValueError):
    """A configuration that cannot be run; the message names the key and what was expected."""


class DamagedFile(OSError):
    """A file of results that does not hold what was written, or is none."""


class HopelessRun(ValueError):
    """A run that is expected to need more proposals than it may; refused before it starts."""
