"""Signs that a run has gone wrong without a number that is not finite."""

from __future__ import annotations

from collections import deque

WINDOW = 200
"""Steps whose mean is looked at."""
FIRST_STEP = 500
"""Before it a latent is still being found, and a discriminator ahead."""
LIVE_NATS = 0.5
WON = {"pyramid": 0.05, "segmentation": 0.1}
"""Mean loss below which a discriminator tells every picture, and a generator learns nothing from it."""


class Health:
    """Warns once of each sign.

    Args:
        discriminator: its kind.
    """

    def __init__(self, discriminator: str) -> None:
        self.won = WON[discriminator]
        self.losses: deque[float] = deque(maxlen=WINDOW)
        self.nats: deque[float] = deque(maxlen=WINDOW)
        self.warned: set[str] = set()

    def warnings(self, step: int, losses: dict[str, float], measures: dict[str, float]) -> list[str]:
        """Sentences about what the last `WINDOW` steps, this one included, show for the first time."""
        self.losses.append(losses["discriminator"])
        if "nats" in measures:
            self.nats.append(measures["nats"])
        found = {}
        if _mean(self.losses) < self.won:
            found["won"] = (
                f"the discriminator has won (its loss is {_mean(self.losses):.2g}): the generator learns "
                "little from it now; try --augment color,translation,cutout, a lower "
                "--discriminator-width or --r1"
            )
        if _mean(self.nats) < LIVE_NATS:
            found["collapsed"] = (
                f"the latent has collapsed ({_mean(self.nats):.2g} nats for each image): styles will look "
                "alike; try a lower --kl-weight"
            )
        new = [name for name in found if step >= FIRST_STEP and name not in self.warned]
        self.warned.update(new)
        return [f"step {step}: {found[name]}" for name in new]


def _mean(values: deque[float]) -> float:
    """Mean of a full window; infinite before."""
    return sum(values) / len(values) if len(values) == WINDOW else float("inf")
