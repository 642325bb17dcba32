"""The slot for an additional objective of a rollout; stages know this protocol and nothing of what fills it."""

from collections.abc import Callable
from typing import Any, Protocol

from diffusers import WanTransformer3DModel
from torch import Tensor

from probekit.models.causal_wan import CausalWan
from probekit.rollout.records import RolloutObserver


class AuxiliaryObjective(Protocol):
    """An objective that watches the generator's rollout and may train parameters of its own."""

    def watch(self, exit_step: int) -> RolloutObserver:
        """Begin a rollout that leaves each chunk at this denoising step; the result goes into the rollout."""
        ...

    def loss(self, video: Tensor, text: Tensor) -> Tensor:
        """Weighted loss of the rollout last watched, to be added to the generator's.

        Args:
            video: finished rollout (B, C, L, h, w), detached.
            text: prompt embeddings (B, tokens, text width).
        """
        ...

    def update(self) -> dict[str, float]:
        """Update the objective's own parameters after the generator's backward pass; returns what to log."""
        ...

    def replay(self) -> dict[str, float]:
        """One more update on what the last generator step left, in a step that trains only the critic."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore from `state_dict`."""
        ...


MakeAuxiliary = Callable[[CausalWan, WanTransformer3DModel], AuxiliaryObjective]
"""Makes the objective of a generator and its frozen teacher."""
