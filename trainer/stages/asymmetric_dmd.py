"""Stage 3: asymmetric distribution-matching distillation with self-rollout, and a slot for one more objective.

Self-Forcing (arXiv 2506.08009), algorithm 1, as Causal-Forcing and Video-Mirai (arXiv 2606.03971) use it. One step of
the loop is one generator update and then the critic's updates.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from probekit.atomic_files import copy_folder
from probekit.diffusion.few_step import few_step_sigmas
from probekit.diffusion.noise_table import table_sigmas
from probekit.models.text_context import TextContext
from probekit.rollout.chunk_denoisers import FewStepDenoiser
from probekit.rollout.noise import SeededNoise
from probekit.rollout.records import CommitNoise, RolloutObserver
from probekit.rollout.streaming_rollout import Rollout, roll_out
from probekit.seeding import generator
from trainer.config.recipe import DmdConfig
from trainer.data.training_text import TrainingText
from trainer.distributed.sharding import autocast, frozen_dtype, place
from trainer.distributed.update import MicroBatch, UpdateNames, update
from trainer.distributed.world import SINGLE, World
from trainer.engine.optimizers import build_optimizer, set_learning_rate
from trainer.engine.state import TrainingState
from trainer.objectives.auxiliary import AuxiliaryModels, AuxiliaryObjective, MakeAuxiliary
from trainer.objectives.dmd import dmd_loss
from trainer.stages.averaged_model import AveragedModel
from trainer.stages.dmd_scores import DmdScores
from trainer.stages.export import export_student
from trainer.stages.history_gradient import ExitInputs, with_history
from trainer.stages.opening import check_frames, initial_roles, open_codec, open_generator, open_score
from trainer.stages.random_rows import token_count
from trainer.stages.rollout_prompts import RolloutPrompts

VALIDATION_VIDEOS = 16
_GENERATOR_UPDATE = 0


class AsymmetricDmdStage:
    """DMD of a causal few-step student against a bidirectional teacher.

    Prompts, noise, exit steps and levels are functions of (seed, step, update) and the row in the batch alone, so runs
    that differ in the auxiliary objective, or in how many processes they have, see the same of each.

    Args:
        config: configuration of the run.
        make_auxiliary: makes one more objective from the generator and the frozen teacher.
        world: processes of the run.
    """

    def __init__(self, config: DmdConfig, make_auxiliary: MakeAuxiliary | None = None, world: World = SINGLE) -> None:
        self._config = config
        self._world = world
        self._shares = world.micro_batches(config.batch_size, config.scale.gradient_accumulation)
        self._chunks = check_frames(config.latent_frames, config.chunk_frames)
        self._sigmas = few_step_sigmas(config.few_steps, config.shift)
        self.last_step = len(self._sigmas) - 1
        self._text = TrainingText(config.text_and_codec, world, config.scale.precompute_text)
        self._asked = RolloutPrompts(config)
        self._text.prepare(["", *self._asked.listed])
        model = open_generator(config.initial_model, initial_roles(config), config.chunk_frames, "distilled by DMD")
        self._trained = AveragedModel.start(model, config, world)
        self.model = self._trained.model
        self.ema = self._trained.ema
        self.optimizer = self._trained.optimizer
        self.scores = DmdScores(config, self._text.encode([""]), world)
        self.critic_optimizer = build_optimizer(self.scores.critic, config.critic_optimizer)
        models = AuxiliaryModels(
            self.model,
            None if config.causal_scores else self.scores.real,
            self.ema.model,
            self._open_base,
            lambda module: place(module, world, config.scale),
            lambda: open_codec(config.text_and_codec),
        )
        self.auxiliary = make_auxiliary(models) if make_auxiliary else None
        self._updates = torch.zeros((), dtype=torch.int64)

    def training_step(self, step: int) -> dict[str, float]:
        """Do one generator update and the critic's updates.

        The ratio of both losses is left out where the generator's is 0, as before the first update of a critic that is
        a copy of the real score.

        Raises:
            NonFiniteTraining: if a loss or gradient is not finite; that update has changed no weight.
        """
        logged = self.update_generator(step)
        for number in range(1, self._config.critic_updates + 1):
            logged |= self.update_critic(step, number)
            auxiliary = self._auxiliary_at(step)
            if number > 1 and auxiliary is not None:  # the official loop replays where only the critic trains
                logged |= self._world.mean(auxiliary.replay())
        self._updates.fill_(step + 1)
        critic_updates = (step + 1) * self._config.critic_updates
        counts = {"generator_updates": step + 1, "critic_updates": critic_updates}
        if logged["dmd_loss"]:
            logged["critic_generator_ratio"] = logged["critic_loss"] / logged["dmd_loss"]
        return logged | counts

    def tokens(self, step: int) -> int:
        """Tokens of all rollouts of a step, the critic's among them."""
        config = self._config
        shape = (config.batch_size, self.model.config.in_channels, config.latent_frames, *config.latent_size)
        return (1 + config.critic_updates) * token_count(self.model, shape)

    def update_generator(self, step: int) -> dict[str, float]:
        """One update of the generator and of what is plugged in; returns what to log."""
        config = self._config
        rate = set_learning_rate(self.optimizer, config.optimizer, step, config.total_steps)
        auxiliary = self._auxiliary_at(step)
        logged = update(
            self.model,
            self.optimizer,
            self._shares,
            lambda rows: self._generator_loss(step, rows),
            clip_norm=config.optimizer.clip_norm,
            names=UpdateNames(step, config.seed),
            world=self._world,
            other_norm=auxiliary.clip_gradients if auxiliary else None,
        )
        if auxiliary is not None:
            logged |= self._world.mean(auxiliary.update())
        if step >= config.generator_updates(config.ema_start):
            self.ema.update(self.model)
        return logged | {"learning_rate": rate, "exit_step": self.exit_step(step)}

    def _generator_loss(self, step: int, rows: range) -> MicroBatch:
        losses = self.generator_losses(step, rows)
        logged = {name: float(loss.detach()) for name, loss in losses.items()}
        return MicroBatch(
            torch.stack(list(losses.values())).sum(), logged, self._asked.batch(step, _GENERATOR_UPDATE, rows)
        )

    def generator_losses(self, step: int, rows: range) -> dict[str, Tensor]:
        """What a generator update adds up for some rows, with gradient: `dmd_loss`, and `auxiliary_loss` if it acts."""
        prompts, auxiliary = self._asked.batch(step, _GENERATOR_UPDATE, rows), self._auxiliary_at(step)
        with autocast(self._world, self._config.scale):
            text = self._text.encode(prompts)
            video, states = self._generated(text, step, rows, auxiliary)
            gradient = self.scores.gradient(video.detach(), text, rows, ("dmd", self._config.seed, step))
            losses = {"dmd_loss": dmd_loss(video, gradient)}
            if auxiliary is not None:
                losses["auxiliary_loss"] = auxiliary.loss(states, video.detach(), text, step)
        return losses

    def _generated(
        self, text: Tensor, step: int, rows: range, auxiliary: AuxiliaryObjective | None
    ) -> tuple[Tensor, list[Tensor]]:
        """The rollout of a generator update, with gradient, and the states that an objective asks for."""
        exit_step, update = self.exit_step(step), (step, _GENERATOR_UPDATE, rows)
        if self._config.history_gradient:
            exits = ExitInputs(exit_step)
            with torch.no_grad():
                video = self._rollout(text, exit_step, *update, (exits,))
            layer = None if auxiliary is None else auxiliary.layer
            return with_history(self.model, video, exits, self._sigmas[exit_step], TextContext(text), layer)
        watched = None if auxiliary is None else auxiliary.watch(exit_step)
        video = self._rollout(text, exit_step, *update, () if watched is None else (watched,), gradient=True)
        return video, [] if watched is None else watched.states

    def _auxiliary_at(self, step: int) -> AuxiliaryObjective | None:
        return self.auxiliary if self.auxiliary is not None and self.auxiliary.active(step) else None

    def _open_base(self) -> WanTransformer3DModel:
        config = self._config
        model, use = config.base_model or config.critic_model, "the foresight encoder"
        score = open_score(model, config.chunk_frames, use, frozen_dtype(config.scale)).requires_grad_(False)
        return place(score, self._world, config.scale)

    def update_critic(self, step: int, number: int) -> dict[str, float]:
        """One update of the fake score on a fresh rollout; returns what to log."""
        config = self._config
        rate = set_learning_rate(self.critic_optimizer, config.critic_optimizer, step, config.total_steps)
        logged = update(
            self.scores.critic,
            self.critic_optimizer,
            self._shares,
            lambda rows: self._critic_micro_batch(step, number, rows),
            clip_norm=config.critic_optimizer.clip_norm,
            names=UpdateNames(step, config.seed),
            world=self._world,
        )
        return {
            "critic_loss": logged["critic_loss"],
            "critic_gradient_norm": logged["gradient_norm"],
            "critic_learning_rate": rate,
        }

    def _critic_micro_batch(self, step: int, number: int, rows: range) -> MicroBatch:
        prompts = self._asked.batch(step, number, rows)
        with autocast(self._world, self._config.scale):
            text = self._text.encode(prompts)
            with torch.no_grad():
                video = self._rollout(text, self.exit_step(step, number), step, number, rows)
            loss = self.scores.critic_loss(video, text, rows, ("critic", self._config.seed, step, number))
        return MicroBatch(loss, {"critic_loss": float(loss.detach())}, prompts)

    def exit_step(self, step: int, number: int = _GENERATOR_UPDATE) -> int:
        """Zero-based denoising step at which the rollout of an update leaves every chunk."""
        return int(generator("exit-step", self._config.seed, step, number).integers(len(self._sigmas)))

    def _rollout(
        self,
        text: Tensor,
        exit_step: int,
        step: int,
        number: int,
        rows: range,
        observers: Sequence[RolloutObserver] = (),
        gradient: bool = False,
    ) -> Tensor:
        """The generator's own video (B, C, L, h, w), every chunk left at the same step."""
        config = self._config
        shape = (self.model.config.in_channels, config.chunk_frames, *config.latent_size)
        names = (config.seed, step, number)
        results = Rollout(
            self.model,
            TextContext(text),
            SeededNoise(("dmd-noise", *names), rows, shape),
            FewStepDenoiser(self._sigmas, exit_step, gradient),
            chunks=self._chunks,
            observers=observers,
            commit_noise=self._commit_noise(SeededNoise(("commit-noise", *names), rows, shape)),
            whole_commit=self._world.shared,
        )
        return roll_out(results)

    def _commit_noise(self, noise: SeededNoise) -> CommitNoise | None:
        if not self._config.official.noisy_commit:
            return None
        level = float(table_sigmas(self._config.shift)[-1])
        return CommitNoise(level, lambda chunk: noise(chunk, 0).to(self._world.device))

    @torch.no_grad()
    def validation_loss(self) -> float:
        """The critic's loss on rollouts of held-out prompts, which says how well it follows the generator."""
        batches = self._world.evaluation_batches(VALIDATION_VIDEOS, len(self._shares[0]))
        with autocast(self._world, self._config.scale):
            losses = [self._held_out_loss(rows) for rows in batches]
        return self._world.mean({"loss": sum(losses) / len(losses)})["loss"]

    def _held_out_loss(self, rows: range) -> float:
        _, text, video = self.held_out_rollout(rows)
        return float(self.scores.critic_loss(video, text, rows, ("validation",)))

    @torch.no_grad()
    def held_out_rollout(
        self, rows: range, observers: Sequence[RolloutObserver] = ()
    ) -> tuple[list[str], Tensor, Tensor]:
        """Held-out prompts of these numbers, their embeddings, and their videos, left at the last denoising step."""
        prompts = self._asked.held_out(rows.stop)[rows.start :]
        text = self._text.encode(prompts)
        return prompts, text, self._rollout(text, self.last_step, -1, _GENERATOR_UPDATE, rows, observers)

    def training_state(self) -> TrainingState:
        """Everything that the next step depends on."""
        state = self._trained.state() | TrainingState(
            {"critic": self.scores.critic},
            {"critic": (self.scores.critic, self.critic_optimizer)},
            {"updates": self._updates},
        )
        return state if self.auxiliary is None else state | self.auxiliary.training_state()

    def export(self, folder: Path) -> None:
        """Write the averaged generator; every `export_every` updates also keep a copy in `exports/` beside it."""
        config, updates = self._config, int(self._updates)
        shipped = self.ema.model if updates > config.generator_updates(config.ema_start) else self.model
        export_student(shipped, folder, config, "dmd_student", self._world)
        if self._world.main and updates % config.export_every == 0:
            copy_folder(folder, folder.parent / "exports" / f"step-{updates:04d}")
