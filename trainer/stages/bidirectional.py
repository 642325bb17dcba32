"""Flow-matching training of a bidirectional Wan transformer."""

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from probekit.diffusion.flow_matching import TIMESTEPS, interpolate, shift_sigma, stratified_sigmas, velocity_target
from probekit.rollout.noise import normal_rows
from probekit.seeding import counter_seed, generator
from trainer.config.recipe import BidirectionalConfig
from trainer.data.latent_clips import LatentBatch, LatentClips
from trainer.distributed.update import MicroBatch
from trainer.distributed.world import SINGLE, World
from trainer.objectives.regression import flow_matching_loss
from trainer.stages.export import export_transformer
from trainer.stages.initialization import first_model
from trainer.stages.random_rows import draw_rows, drop_captions
from trainer.stages.single_model import SingleModelStage

VALIDATION_CLIPS = 64
VALIDATION_SHIFT = 2.0


class BidirectionalStage(SingleModelStage[WanTransformer3DModel]):
    """Flow matching on clips whose length and number change from phase to phase."""

    held_out_rows = VALIDATION_CLIPS

    def __init__(self, config: BidirectionalConfig, world: World = SINGLE) -> None:
        self._config = config
        for phase in config.phases:
            world.micro_batches(phase.batch_size, config.scale.gradient_accumulation)
        self._clips = LatentClips(config.data, "train", config.skip_corrupt_shards)
        self._held_out = LatentClips(config.data, "validation", config.skip_corrupt_shards)
        super().__init__(config, first_model(config), config.total_steps, world)
        self._text.prepare(["", *self._clips.captions, *self._held_out.captions])

    def shares(self, step: int) -> Sequence[range]:
        """Rows of this process's micro-batches in a step of its phase."""
        accumulation = self._config.scale.gradient_accumulation
        return self.world.micro_batches(self._config.phase_at(step).batch_size, accumulation)

    def batch_shape(self, step: int) -> Sequence[int]:
        """(B, C, L, h, w) of the whole batch of a step of its phase."""
        phase, (channels, _, *size) = self._config.phase_at(step), self._clips.shape
        return (phase.batch_size, channels, phase.latent_frames, *size)

    def micro_batch(self, step: int, rows: range) -> MicroBatch:
        """Loss of rows of a step's batch."""
        config, phase = self._config, self._config.phase_at(step)
        chosen = generator("clips", config.seed, step).integers(len(self._clips), size=phase.batch_size)
        clips = self._clips.take(chosen[rows.start : rows.stop], phase.latent_frames)
        captions = drop_captions(clips.captions, rows, phase.batch_size, config.caption_dropout, config.seed, step)
        rng = torch.Generator().manual_seed(counter_seed("levels", config.seed, step) % 2**63)
        sigma = stratified_sigmas(phase.batch_size, phase.timestep_shift, rng)[rows.start : rows.stop]
        noise = normal_rows(clips.latents.shape[1:], rows, "training-noise", config.seed, step)
        loss = self._loss(self.model, clips._replace(captions=captions), noise, sigma)
        return MicroBatch(loss, {"loss": float(loss.detach())}, clips.captions)

    def _loss(self, model: WanTransformer3DModel, clips: LatentBatch, noise: Tensor, sigma: Tensor) -> Tensor:
        clean, noise, sigma = (tensor.to(self.world.device) for tensor in (clips.latents, noise, sigma))
        predicted = model(
            hidden_states=interpolate(clean, noise, sigma),
            timestep=sigma * TIMESTEPS,
            encoder_hidden_states=self._text.encode(clips.captions),
            return_dict=False,
        )[0]
        return flow_matching_loss(predicted, velocity_target(clean, noise))

    def held_out_loss(self, rows: range) -> float:
        """Loss of the averaged weights on held-out full-length clips with fixed noise, without caption dropout."""
        chosen = generator("validation-clips").integers(len(self._held_out), size=max(VALIDATION_CLIPS, rows.stop))
        clips = self._held_out.take(chosen[rows.start : rows.stop])
        noise = normal_rows(clips.latents.shape[1:], rows, "validation-noise")
        sigma = shift_sigma(draw_rows(max(VALIDATION_CLIPS, rows.stop), rows, "validation-levels"), VALIDATION_SHIFT)
        return float(self._loss(self.ema.model, clips, noise, sigma))

    def export(self, folder: Path) -> None:
        """Write the averaged model as a folder that `probekit sample` and diffusers open, weights in bf16."""
        config = self._config
        export_transformer(self.ema.model, folder, config.text_and_codec, config.sampling_shift, self.world)
