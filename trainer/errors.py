"""Errors of training."""

from collections.abc import Sequence

from probekit.errors import UserError


class NonFiniteTraining(UserError):
    """The loss or its gradient is not finite; raised before any weight changes, so the last checkpoint stands."""

    def __init__(self, step: int, loss: float, gradient_norm: float, seed: int, captions: Sequence[str]) -> None:
        super().__init__(
            f"Training stopped at step {step}: loss {loss}, gradient norm {gradient_norm}; seed {seed}, "
            f"prompts {list(captions)}.",
            "Lower `optimizer.learning_rate` and run again; it resumes from the last checkpoint.",
        )
