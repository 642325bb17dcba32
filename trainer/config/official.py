"""Quirks of the official training code, and the values that its preset fills in."""

from typing import Any, Final

from probekit.config import StrictModel


class OfficialQuirks(StrictModel):
    """Quirks of the official training code that differ from the paper's mathematics, each by itself; all off.

    Attributes:
        table_sigmas: noise levels off tables of 1,000 entries (generator at shift 5, scores at shift 8) in place
            of timestep / 1000.
        noisy_commit: noise the chunk that is written into the cache at timestep 0 with the table's last level.
        critic_through_x0: turn the critic's flow into x0 and back with two different tables.
        trainer_steps: `steps`, `ema_start` and the foresight's `start_step` count critic updates, of which every
            `critic_updates`-th comes with a generator update: 100 are 20 generator updates.
    """

    table_sigmas: bool = False
    noisy_commit: bool = False
    critic_through_x0: bool = False
    trainer_steps: bool = False


OFFICIAL_QUIRKS: Final = dict.fromkeys(OfficialQuirks.model_fields, True)
OFFICIAL_EMA_START: Final = 200
"""The official average begins at trainer step 200, which a run of 100 never reaches."""
OFFICIAL_FORESIGHT: Final[dict[str, Any]] = {
    "learning_rate": 2e-6,
    "master_dtype": "bfloat16",
    "dead_modulation": True,
    "negative_cosine": True,
}
