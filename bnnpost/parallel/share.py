"""A part of work that is divided beforehand, for processes that know nothing of each other."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """Part `index` (from 0) of `count`: of whatever is numbered, every `count`-th from there on."""

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ValueError(
                f"expected a share from 0/{self.count} to {self.count - 1}/{self.count}, "
                f"got {self.index}/{self.count}"
            )

    @property
    def is_all(self) -> bool:
        """Whether nothing is left to others."""
        return self.count == 1

    @property
    def name(self) -> str:
        """What tells its files apart; empty for all of the work."""
        return "" if self.is_all else f"-{self.index}-of-{self.count}"

    def has(self, number: int) -> bool:
        """Whether the thing of this number is in it."""
        return number % self.count == self.index


ALL = Share()
