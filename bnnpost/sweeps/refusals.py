"""What keeps a sweep from running, or from ending as asked."""


class ConfigError(ValueError):
    """A configuration that cannot be run; the message names the key and what was expected."""


def in_a_grid(value: object) -> str:
    """A hint, where a list is given for one value of a setting."""
    if not isinstance(value, list | tuple) or not value:
        return ""
    return "; several to be tried are listed in the table [grid]"


class DamagedFile(OSError):
    """A file of results that does not hold what was written, or is none."""


class HopelessRun(ValueError):
    """A run that is expected to need more proposals than it may; refused before it starts."""
