"""How several workers share the work on a set."""

from dataclasses import dataclass

from probekit.errors import UserError


@dataclass(frozen=True)
class Shard:
    """One of several workers that share the work on a set.

    Raises:
        UserError: The index is not in 0..count-1.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        """Refuse a worker that does not exist."""
        if not 0 <= self.index < self.count:
            raise UserError(f"There is no shard {self.index} of {self.count}.", "Count shards from 0.")
