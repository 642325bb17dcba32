"""Stage 1: the bidirectional base becomes causal, by flow matching with teacher or diffusion forcing."""

from pathlib import Path

from torch import Tensor

from probekit.diffusion.flow_matching import TIMESTEPS, interpolate, shift_sigma, velocity_target
from probekit.models.causal_card import CausalCard
from probekit.models.causal_wan import CausalWan
from probekit.models.text_context import TextContext
from probekit.rollout.noise import normal_rows
from probekit.seeding import generator
from trainer.config.causal import AutoregressiveConfig
from trainer.data.latent_clips import LatentBatch
from trainer.distributed.update import MicroBatch
from trainer.distributed.world import SINGLE, World
from trainer.objectives.regression import bell_total, bell_weight, weighted_flow_loss
from trainer.stages.clip_stage import ClipStage
from trainer.stages.export import export_causal
from trainer.stages.flows import diffusion_forced_flow, per_frame, teacher_forced_flow
from trainer.stages.random_rows import draw_rows, drop_captions

VALIDATION_CLIPS = 32


class AutoregressiveStage(ClipStage):
    """Causal-Forcing's stage 1: one noise level per chunk, uniform and then shifted."""

    held_out_rows = VALIDATION_CLIPS

    def __init__(self, config: AutoregressiveConfig, world: World = SINGLE) -> None:
        self._config = config
        self._bell_total = bell_total(config.shift)
        super().__init__(config, "fine-tuned", world)

    def micro_batch(self, step: int, rows: range) -> MicroBatch:
        """Loss of rows of a step's batch."""
        config = self._config
        chosen = generator("clips", config.seed, step).integers(len(self._clips), size=config.batch_size)
        clips = self._clips.take(chosen[rows.start : rows.stop], config.latent_frames)
        captions = drop_captions(clips.captions, rows, config.batch_size, config.caption_dropout, config.seed, step)
        uniform = draw_rows(config.batch_size, rows, "levels", config.seed, step, columns=2 * self._chunks)
        noise = normal_rows(clips.latents.shape[1:], rows, "training-noise", config.seed, step)
        loss = self._loss(self.model, clips._replace(captions=captions), noise, uniform)
        return MicroBatch(loss, {"loss": float(loss.detach())}, clips.captions)

    def _loss(self, model: CausalWan, clips: LatentBatch, noise: Tensor, uniform: Tensor) -> Tensor:
        clean, noise, uniform = (tensor.to(self.world.device) for tensor in (clips.latents, noise, uniform))
        sigma = shift_sigma(uniform[:, : self._chunks], self._config.shift)
        timestep = sigma * TIMESTEPS
        text = TextContext(self._text.encode(clips.captions))
        noisy = interpolate(clean, noise, per_frame(sigma, clean.shape[2]))
        if self._config.forcing == "diffusion":
            predicted, _ = diffusion_forced_flow(model, noisy, timestep, text)
        else:
            past = shift_sigma(uniform[:, self._chunks :] * self._config.clean_noise, self._config.shift)
            context = interpolate(clean, noise, per_frame(past, clean.shape[2]))
            predicted, _ = teacher_forced_flow(model, context, noisy, timestep, text, past * TIMESTEPS)
        weight = bell_weight(timestep, self._bell_total) if self._config.bell_weighting else sigma.new_ones(sigma.shape)
        return weighted_flow_loss(predicted, velocity_target(clean, noise), weight)

    def held_out_loss(self, rows: range) -> float:
        """Loss of the averaged weights on held-out clips with fixed noise, without caption dropout."""
        clips, noise, count = self._held_out_clips(rows)
        uniform = draw_rows(count, rows, "validation-levels", columns=2 * self._chunks)
        return float(self._loss(self.ema.model, clips, noise, uniform))

    def export(self, folder: Path) -> None:
        """Write the averaged model as an AR teacher, which samples with Euler steps and guidance."""
        config = self._config
        card = CausalCard(
            role="ar_teacher",
            chunk_frames=config.chunk_frames,
            shift=config.shift,
            euler_steps=config.sampling_steps,
            guidance=config.sampling_guidance,
        )
        export_causal(self.ema.model, folder, config.text_and_codec, card, self.world)
