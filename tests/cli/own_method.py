"""A method of sampling from outside, with a setting of its own, all in this file; and a command."""

from dataclasses import dataclass

import jax

from bnnpost.samplers.methods import Rejection
from bnnpost.settings import setting


@dataclass(frozen=True)
class Repetition(Rejection):
    """Rejection with other random numbers: of the same seed, as often as one likes."""

    names = ("repetition",)

    number: int = setting(1, "sampling", "repetition: which one.", least=1)

    def options(self):
        return {name: value for name, value in super().options().items() if name != "number"}

    def _own(self, key):
        return jax.random.fold_in(key, self.number)

    def sample(self, key, posterior, num_samples, **options):
        return super().sample(self._own(key), posterior, num_samples, **options)

    def begin(self, run, key, *others):
        return super().begin(run, self._own(key), *others)


if __name__ == "__main__":
    from bnnpost_cli.main import main

    main()
