"""Stage 3: asymmetric distribution-matching distillation with self-rollout, and a slot for one more objective.

Self-Forcing (arXiv 2506.08009), algorithm 1, as Causal-Forcing and Video-Mirai (arXiv 2606.03971) use it. One step of
the loop is one generator update and then the critic's updates.
"""

import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from probekit.diffusion.few_step import few_step_sigmas
from probekit.diffusion.flow_matching import TIMESTEPS, classifier_free_guidance, expand_sigma, interpolate
from probekit.diffusion.noise_table import SCORE_SHIFT, nearest_table_sigma, table_sigmas
from probekit.models.causal_card import CausalCard, Role
from probekit.models.loading import load_text_encoder
from probekit.models.text_context import TextContext
from probekit.rollout.chunk_denoisers import FewStepDenoiser
from probekit.rollout.noise import SeededNoise
from probekit.rollout.records import CommitNoise, RolloutObserver
from probekit.rollout.streaming_rollout import Rollout, roll_out
from probekit.seeding import counter_seed, generator
from trainer.config import DmdConfig
from trainer.data.prompts import PromptFile, sprite_prompts
from trainer.ema import ExponentialMovingAverage
from trainer.objectives.auxiliary import AuxiliaryModels, AuxiliaryObjective, MakeAuxiliary
from trainer.objectives.dmd import (
    critic_loss,
    dmd_gradient,
    dmd_loss,
    official_critic_loss,
    score_timesteps,
    uniform_levels,
)
from trainer.objectives.regression import clean_estimate
from trainer.optimizers import build_adamw
from trainer.stages.causal_parts import (
    check_frames,
    export_causal,
    open_generator,
    open_score,
    optimizer_step,
    set_learning_rate,
)

VALIDATION_VIDEOS = 16
_GENERATOR_UPDATE = 0
_ROLES: tuple[Role | None, ...] = ("ode_student", "dmd_student")


class AsymmetricDmdStage:
    """DMD of a causal few-step student against a bidirectional teacher.

    Prompts, noise, exit steps and levels are functions of (seed, step, update) alone, so runs that differ in the
    auxiliary objective see the same of each.

    Args:
        config: of the run.
        make_auxiliary: makes one more objective from the generator and the frozen teacher.
    """

    def __init__(self, config: DmdConfig, make_auxiliary: MakeAuxiliary | None = None) -> None:
        self._config = config
        self._chunks = check_frames(config.latent_frames, config.chunk_frames)
        self._sigmas = few_step_sigmas(config.few_steps, config.shift)
        self._text = load_text_encoder(config.text_and_codec)
        self._prompt_file = None if config.prompts is None else PromptFile(config.prompts, config.seed)
        self._no_prompt = self._text.encode([""])
        self.model = open_generator(config.initial_model, _ROLES, config.chunk_frames, "distilled by DMD")
        self.real = open_score(config.real_model, config.chunk_frames, "the real score")
        self.critic = open_score(config.critic_model, config.chunk_frames, "the critic").requires_grad_(True)
        self.ema = ExponentialMovingAverage(self.model, config.ema_decay)
        models = AuxiliaryModels(self.model, self.real, self.ema.model, self._open_base)
        self.auxiliary = make_auxiliary(models) if make_auxiliary else None
        self.optimizer = build_adamw(self.model, config.optimizer)
        self.critic_optimizer = build_adamw(self.critic, config.critic_optimizer)
        self._updates = 0

    def training_step(self, step: int) -> dict[str, float]:
        """Do one generator update and the critic's updates.

        Raises:
            NonFiniteTraining: if a loss or gradient is not finite; that update has changed no weight.
        """
        logged = self.update_generator(step)
        for update in range(1, self._config.critic_updates + 1):
            logged |= self.update_critic(step, update)
            auxiliary = self._auxiliary_at(step)
            if update > 1 and auxiliary is not None:  # the official loop replays where only the critic trains
                logged |= auxiliary.replay()
        self._updates = step + 1
        critic_updates = self._updates * self._config.critic_updates
        return logged | {"generator_updates": self._updates, "critic_updates": critic_updates}

    def update_generator(self, step: int) -> dict[str, float]:
        """One update of the generator and of what is plugged in; returns what to log."""
        config = self._config
        rate = set_learning_rate(self.optimizer, config.optimizer, step, config.steps)
        prompts = self._prompts(step, _GENERATOR_UPDATE)
        text = self._text.encode(prompts)
        exit_step = self._exit_step(step, _GENERATOR_UPDATE)
        auxiliary = self._auxiliary_at(step)
        observers = [] if auxiliary is None else [auxiliary.watch(exit_step)]
        video = self._rollout(text, exit_step, step, _GENERATOR_UPDATE, observers, gradient=True)
        matching = dmd_loss(video, self._score_difference(video.detach(), text, step))
        loss, logged = matching, {"dmd_loss": float(matching.detach())}
        if auxiliary is not None:
            additional = auxiliary.loss(auxiliary.watched_states(), video.detach(), text, step)
            loss, logged = loss + additional, logged | {"auxiliary_loss": float(additional.detach())}
        norm = optimizer_step(
            self.optimizer, self.model.parameters(), loss, config.optimizer.clip_norm, step, config.seed, prompts
        )
        if auxiliary is not None:
            logged |= auxiliary.update()
        if step >= config.ema_start:
            self.ema.update(self.model)
        return logged | {"gradient_norm": norm, "learning_rate": rate, "exit_step": exit_step}

    def _auxiliary_at(self, step: int) -> AuxiliaryObjective | None:
        return self.auxiliary if self.auxiliary is not None and self.auxiliary.active(step) else None

    def _open_base(self) -> WanTransformer3DModel:
        return open_score(self._config.critic_model, self._config.chunk_frames, "the foresight encoder")

    def update_critic(self, step: int, update: int) -> dict[str, float]:
        """One update of the fake score on a fresh rollout; returns what to log."""
        config = self._config
        set_learning_rate(self.critic_optimizer, config.critic_optimizer, step, config.steps)
        prompts = self._prompts(step, update)
        text = self._text.encode(prompts)
        video = self._rollout(text, self._exit_step(step, update), step, update)
        loss = self._critic_loss(video, text, ("critic", config.seed, step, update))
        norm = optimizer_step(
            self.critic_optimizer,
            self.critic.parameters(),
            loss,
            config.critic_optimizer.clip_norm,
            step,
            config.seed,
            prompts,
        )
        return {"critic_loss": float(loss.detach()), "critic_gradient_norm": norm}

    def _prompts(self, step: int, update: int) -> list[str]:
        config = self._config
        if self._prompt_file is not None:
            return self._prompt_file.batch(step * (1 + config.critic_updates) + update, config.batch_size)
        return sprite_prompts("train", config.batch_size, "dmd", config.seed, step, update)

    def _exit_step(self, step: int, update: int) -> int:
        return int(generator("exit-step", self._config.seed, step, update).integers(len(self._sigmas)))

    def _rollout(
        self,
        text: Tensor,
        exit_step: int,
        step: int,
        update: int,
        observers: list[RolloutObserver] | None = None,
        gradient: bool = False,
    ) -> Tensor:
        """The generator's own video (B, C, L, h, w), every chunk left at the same step."""
        config = self._config
        shape = (self.model.config.in_channels, config.chunk_frames, *config.latent_size)
        names = (config.seed, step, update)
        results = Rollout(
            self.model,
            TextContext(text),
            SeededNoise(("dmd-noise", *names), len(text), shape),
            FewStepDenoiser(self._sigmas, exit_step, gradient),
            chunks=self._chunks,
            observers=observers or (),
            commit_noise=self._commit_noise(SeededNoise(("commit-noise", *names), len(text), shape)),
        )
        return roll_out(results)

    def _commit_noise(self, noise: SeededNoise) -> CommitNoise | None:
        if not self._config.official.noisy_commit:
            return None
        return CommitNoise(float(table_sigmas(self._config.shift)[-1]), lambda chunk: noise(chunk, 0))

    @torch.no_grad()
    def _score_difference(self, video: Tensor, text: Tensor, step: int) -> Tensor:
        """The DMD gradient of a finished rollout."""
        noisy, _, timestep = self._noised(video, ("dmd", self._config.seed, step))
        sigma = expand_sigma(self._sigma(timestep, SCORE_SHIFT), noisy)
        fake = clean_estimate(noisy, self._flow(self.critic, noisy, timestep, text), sigma)
        conditions = torch.cat([text, self._no_prompt.expand_as(text)])
        both = self._flow(self.real, torch.cat([noisy, noisy]), torch.cat([timestep, timestep]), conditions)
        conditional, unconditional = both.chunk(2)
        guided = classifier_free_guidance(conditional, unconditional, self._config.guidance)
        return dmd_gradient(video, fake, clean_estimate(noisy, guided, sigma))

    def _critic_loss(self, video: Tensor, text: Tensor, names: tuple[str | int, ...]) -> Tensor:
        noisy, noise, timestep = self._noised(video, names)
        flow = self._flow(self.critic, noisy, timestep, text)
        if not self._config.official.critic_through_x0:
            return critic_loss(flow, video, noise)
        levels = (nearest_table_sigma(timestep, shift) for shift in (SCORE_SHIFT, self._config.shift))
        return official_critic_loss(flow, video, noise, *levels)

    def _sigma(self, timestep: Tensor, table_shift: float) -> Tensor:
        """Noise level of a timestep: exact, or of the official table with this shift."""
        if self._config.official.table_sigmas:
            return nearest_table_sigma(timestep, table_shift)
        return timestep / TIMESTEPS

    def _noised(self, video: Tensor, names: tuple[str | int, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """Noisy video, its noise and timesteps (B,), one level a video."""
        config = self._config
        uniform = uniform_levels(len(video), counter_seed("score-levels", *names))
        timestep = score_timesteps(uniform, config.shift, config.timestep_range)
        rng = torch.Generator().manual_seed(counter_seed("score-noise", *names) % 2**63)
        noise = torch.randn(video.shape, generator=rng)
        return interpolate(video, noise, self._sigma(timestep, config.shift)), noise, timestep

    @staticmethod
    def _flow(model: WanTransformer3DModel, video: Tensor, timestep: Tensor, text: Tensor) -> Tensor:
        flow: Tensor = model(hidden_states=video, timestep=timestep, encoder_hidden_states=text, return_dict=False)[0]
        return flow

    @torch.no_grad()
    def validation_loss(self) -> float:
        """The critic's loss on rollouts of held-out prompts, which says how well it follows the generator."""
        prompts = sprite_prompts("validation", VALIDATION_VIDEOS, "dmd-validation")
        text = self._text.encode(prompts)
        video = self._rollout(text, len(self._sigmas) - 1, -1, _GENERATOR_UPDATE)
        return float(self._critic_loss(video, text, ("validation",)))

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "critic": self.critic.state_dict(),
            "critic_optimizer": self.critic_optimizer.state_dict(),
            "auxiliary": None if self.auxiliary is None else self.auxiliary.state_dict(),
            "updates": self._updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore from `state_dict`."""
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.critic.load_state_dict(state["critic"])
        self.critic_optimizer.load_state_dict(state["critic_optimizer"])
        if self.auxiliary is not None:
            self.auxiliary.load_state_dict(state["auxiliary"])
        self._updates = state["updates"]

    def export(self, folder: Path) -> None:
        """Write the averaged generator; every `export_every` updates also keep a copy in `exports/` beside it."""
        config = self._config
        card = CausalCard(
            role="dmd_student", chunk_frames=config.chunk_frames, shift=config.shift, few_steps=config.few_steps
        )
        shipped = self.ema.model if self._updates > config.ema_start else self.model
        export_causal(shipped, folder, config.text_and_codec, card)
        if self._updates % config.export_every == 0:
            shutil.copytree(folder, folder.parent / "exports" / f"step-{self._updates:04d}", dirs_exist_ok=True)
