"""The slot for an additional objective of a rollout; stages know this protocol and nothing of what fills it."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from diffusers import WanTransformer3DModel
from torch import Tensor

from probekit.models.causal_wan import CausalWan
from probekit.rollout.records import RolloutObserver


class AuxiliaryObjective(Protocol):
    """An objective that watches the generator's rollout and may train parameters of its own."""

    @property
    def layer(self) -> int:
        """Zero-based block of the generator whose output it reads."""
        ...

    def active(self, step: int) -> bool:
        """Whether it acts in this zero-based step; where it does not, nothing else of it is called."""
        ...

    def watch(self, exit_step: int) -> RolloutObserver:
        """Begin a rollout that leaves each chunk at this denoising step; the result goes into the rollout."""
        ...

    def watched_states(self) -> list[Tensor]:
        """States (B, T, W) of each chunk of the rollout last watched."""
        ...

    def loss(self, states: list[Tensor], video: Tensor, text: Tensor, step: int) -> Tensor:
        """Weighted loss, to be added to the generator's.

        Args:
            states: of each chunk, (B, T, W), with gradient.
            video: finished or ground-truth video (B, C, L, h, w), detached.
            text: prompt embeddings (B, tokens, text width).
            step: zero-based.
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


class AuxiliaryModels(NamedTuple):
    """What an objective may read.

    Attributes:
        generator: that learns.
        real: the frozen teacher, None in stages that have none.
        average: the generator's exponential moving average.
        open_base: opens the bidirectional base model, frozen.
    """

    generator: CausalWan
    real: WanTransformer3DModel | None
    average: CausalWan
    open_base: Callable[[], WanTransformer3DModel]


MakeAuxiliary = Callable[[AuxiliaryModels], AuxiliaryObjective]
"""Makes the objective of a stage."""
