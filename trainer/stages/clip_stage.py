"""What the causal stages on encoded clips share: opening clips and generator, the batch's shape, held-out clips."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from probekit.models.causal_wan import CausalWan
from probekit.rollout.noise import normal_rows
from probekit.seeding import generator
from trainer.config.causal import AutoregressiveConfig, ConsistencyConfig
from trainer.data.latent_clips import LatentBatch, LatentClips
from trainer.distributed.world import World
from trainer.stages.opening import check_frames, initial_roles, open_generator
from trainer.stages.single_model import SingleModelStage


class HeldOutClips(NamedTuple):
    """Held-out clips with the noise that every validation gives them.

    Attributes:
        clips: clips of the validation split.
        noise: noise of their shape.
        total: number of clips that the rows were chosen from.
    """

    clips: LatentBatch
    noise: Tensor
    total: int


class ClipStage(SingleModelStage[CausalWan]):
    """A stage that trains a causal generator on encoded clips.

    Args:
        config: configuration of the stage.
        use: what is done to the initial model, for the message that refuses one of another role.
        world: processes of the run.
    """

    def __init__(
        self,
        config: AutoregressiveConfig | ConsistencyConfig,
        use: str,
        world: World,
    ) -> None:
        self._chunks = check_frames(config.latent_frames, config.chunk_frames)
        self._shares = world.micro_batches(config.batch_size, config.scale.gradient_accumulation)
        self._clips = LatentClips(config.data, "train", config.skip_corrupt_shards)
        self._held_out = LatentClips(config.data, "validation", config.skip_corrupt_shards)
        self._frames = config.latent_frames
        self._batch = config.batch_size
        model = open_generator(config.initial_model, initial_roles(config), config.chunk_frames, use)
        super().__init__(config, model, config.steps, world)
        self._text.prepare(["", *self._clips.captions, *self._held_out.captions])

    def shares(self, step: int) -> Sequence[range]:
        """Rows of this process's micro-batches."""
        return self._shares

    def batch_shape(self, step: int) -> Sequence[int]:
        """(B, C, L, h, w) of the whole batch."""
        channels, _, *size = self._clips.shape
        return (self._batch, channels, self._frames, *size)

    def _held_out_clips(self, rows: range) -> HeldOutClips:
        """Rows of the held-out clips, the same in every validation."""
        total = max(self.held_out_rows, rows.stop)
        chosen = generator("validation-clips").integers(len(self._held_out), size=total)
        clips = self._held_out.take(chosen[rows.start : rows.stop], self._frames)
        return HeldOutClips(clips, normal_rows(clips.latents.shape[1:], rows, "validation-noise"), total)
