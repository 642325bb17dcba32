"""Prompts of self-rollouts, from a file or the sprite world: functions of step, update and row."""

from trainer.config.recipe import DmdConfig
from trainer.data.prompts import PromptFile, sprite_prompts


class RolloutPrompts:
    """What the generator and the critic are asked for.

    Args:
        config: configuration of the run.

    Attributes:
        listed: every prompt of the file; empty for the sprite world's.
    """

    def __init__(self, config: DmdConfig) -> None:
        given = config.prompts
        self._config = config
        self._file = None if given is None else PromptFile(given, config.seed, config.skip_corrupt_shards)
        self.listed = [] if self._file is None else self._file.prompts

    def batch(self, step: int, number: int, rows: range) -> list[str]:
        """Prompts of some rows of a batch: update 0 of a step is the generator's, the others are the critic's."""
        config = self._config
        if self._file is not None:
            whole = self._file.batch(step * (1 + config.critic_updates) + number, config.batch_size)
        else:
            whole = sprite_prompts("train", config.batch_size, "dmd", config.seed, step, number)
        return whole[rows.start : rows.stop]

    def held_out(self, count: int) -> list[str]:
        """Prompts that no update asks for; of a file, its first batch, since it has no other side."""
        if self._file is not None:
            return self._file.batch(0, count)
        return sprite_prompts("validation", count, "dmd-validation")
