"""The slot for an additional objective of a rollout; stages know this protocol and nothing of what fills it."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from diffusers import WanTransformer3DModel
from torch import Tensor, nn

from probekit.models.causal_wan import CausalWan
from probekit.models.video_codec import VideoCodec
from probekit.rollout.records import RolloutObserver
from trainer.engine.state import TrainingState


class StateObserver(RolloutObserver, Protocol):
    """Keeps the states of the rollout that it watches.

    Attributes:
        states: states (B, T, W) of each finished chunk, with gradient.
    """

    states: list[Tensor]


class AuxiliaryObjective(Protocol):
    """An objective that watches the generator's rollout and may train parameters of its own."""

    @property
    def layer(self) -> int:
        """Zero-based block of the generator whose output it reads."""
        ...

    def active(self, step: int) -> bool:
        """Whether it acts in this zero-based step; where it does not, nothing else of it is called."""
        ...

    def watch(self, exit_step: int) -> StateObserver:
        """An observer for one rollout that leaves each chunk at this denoising step; it collects what `loss` takes."""
        ...

    def loss(self, states: list[Tensor], video: Tensor, text: Tensor, step: int) -> Tensor:
        """Weighted loss of one micro-batch, to be added to the generator's.

        Args:
            states: states of each chunk, (B, T, W), with gradient; those of the rollout's observer.
            video: finished or ground-truth video (B, C, L, h, w), detached.
            text: prompt embeddings (B, tokens, text width).
            step: zero-based.
        """
        ...

    def clip_gradients(self) -> float:
        """Clip what the backward passes of an update left on the objective's own parameters; the norm before."""
        ...

    def update(self) -> dict[str, float]:
        """Update the objective's own parameters with the clipped gradients; returns what to log."""
        ...

    def replay(self) -> dict[str, float]:
        """One more update on what the last generator step left, in a step that trains only the critic."""
        ...

    def agreement(self, states: list[Tensor], video: Tensor, text: Tensor) -> dict[str, Tensor]:
        """How well the states of each video answer, (B,) by name of chunk and target; nothing is trained or logged.

        Arguments as of `loss`.
        """
        ...

    def training_state(self) -> TrainingState:
        """Everything that the next step depends on."""
        ...


class AuxiliaryModels(NamedTuple):
    """What an objective may read.

    Attributes:
        generator: generator that learns.
        real: the frozen teacher, None in stages that have none.
        average: the generator's exponential moving average.
        open_base: opens the bidirectional base model, frozen.
        place: puts a trainable module where the run's models are.
        open_codec: opens the codec of the generator's latents.
    """

    generator: CausalWan
    real: WanTransformer3DModel | None
    average: CausalWan
    open_base: Callable[[], WanTransformer3DModel]
    place: Callable[[nn.Module], nn.Module] = lambda module: module
    open_codec: Callable[[], VideoCodec] | None = None


MakeAuxiliary = Callable[[AuxiliaryModels], AuxiliaryObjective]
"""Makes the objective of a stage."""
