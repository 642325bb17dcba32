"""What a probing experiment is asked for. Torch-free."""

from typing import Final, Literal, NamedTuple

COPY: Final = "copy of the current frame"
MEAN: Final = "mean frame"
LINEAR: Final = "linear motion"
TRAINED: Final = "trained"
UNTRAINED: Final = "untrained"
SHUFFLED: Final = "shuffled targets"
CONTROL_TASK: Final = "the control task"
CURRENT_LATENTS: Final = "the chunk's latents"
CURRENT_PIXELS: Final = "the chunk's pixels"

DecoderKind = Literal["token", "chunk"]


class DecoderBudget(NamedTuple):
    """What every decoder gets alike.

    Attributes:
        width: units of each of the two hidden layers.
        steps: steps of the optimizer at most.
        validate_every: steps between two validations.
        batch: chunks of a step; a decoder of tokens reads all positions of a chunk.
        learning_rates: tried at once; the one with the least validation error is kept.
        weight_decay: AdamW's.
        patience: validations without improvement after which a decoder's weights are final.
        components: principal components of states and of frames (decoder ``chunk``).
        seeds: seeds of initial weights and batches.
    """

    width: int = 128
    steps: int = 600
    validate_every: int = 50
    batch: int = 64
    learning_rates: tuple[float, ...] = (1e-3, 3e-3)
    weight_decay: float = 1e-2
    patience: int = 4
    components: int = 128
    seeds: tuple[int, ...] = (0, 1, 2)


class ProbeSettings(NamedTuple):
    """A probing experiment.

    Attributes:
        horizons: chunks ahead; 0 is the present.
        decoder: ``token``: one MLP for every position, from the chunk's tokens there to the pixels under it;
            ``chunk``: one MLP on the whole chunk. Targets that are no pictures are always read by the second.
        budget: budget of the probes.
        perceptual: whether to compute SSIM, and LPIPS on a random backbone.
        seed: seed of the split of the prompts.
    """

    horizons: tuple[int, ...] = (1, 2, 3)
    decoder: DecoderKind = "chunk"
    budget: DecoderBudget = DecoderBudget()
    perceptual: bool = True
    seed: int = 0

    @property
    def control_budget(self) -> DecoderBudget:
        """The same budget for one seed: what controls get."""
        return self.budget._replace(seeds=self.budget.seeds[:1])
