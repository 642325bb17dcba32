"""The foresight objective: causal states answer for what an encoder sees in the finished video."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor
from torch.optim import AdamW

from probekit.errors import UserError
from probekit.models.feature_reader import check_layer
from probekit.rollout.records import PassRecord
from probekit.seeding import counter_seed
from probekit.sprite_world.field_states import FIELD_FEATURES
from trainer.config.foresight import ForesightConfig
from trainer.distributed.sharding import gradient_norm
from trainer.engine.state import TrainingState
from trainer.foresight.encoders import Encoder, bidirectional_encoder, causal_encoder, world_encoder
from trainer.foresight.losses import (
    cosine_by_video,
    cosine_distance,
    cosines,
    mean_squared_distance,
    random_directions,
    sigreg,
    weight_at,
)
from trainer.foresight.predictors import build_predictor, gate_sizes
from trainer.foresight.targets import targets_of
from trainer.objectives.auxiliary import AuxiliaryModels

_CLIP_NORM = 10.0


class Pair(NamedTuple):
    """A chunk's state and one of its targets.

    Attributes:
        chunk: its number.
        offset: index of the offset; None for a fused target.
        state: (B, T, W).
        target: (B, T, E).
    """

    chunk: int
    offset: int | None
    state: Tensor
    target: Tensor


def model_width(model: WanTransformer3DModel) -> int:
    """Width of a transformer's states."""
    return int(model.config.num_attention_heads * model.config.attention_head_dim)


def _cosine_name(pair: Pair) -> str:
    return f"foresight_cosine_chunk_{pair.chunk}" + ("" if pair.offset is None else f"_offset_{pair.offset}")


class ExitStates:
    """Keeps each chunk's state in the exit pass, with its gradient.

    Args:
        layer: zero-based block.
        exit_step: the denoising step that ends a chunk.
    """

    def __init__(self, layer: int, exit_step: int) -> None:
        self.layers: Sequence[int] = (layer,)
        self._exit_step = exit_step
        self.states: list[Tensor] = []

    def on_pass(self, record: PassRecord) -> None:
        """Keep the exit pass."""
        if record.step == self._exit_step:
            self.states.append(record.hidden[self.layers[0]])


class ForesightObjective:
    """Implements `AuxiliaryObjective` (arXiv 2606.03971, equations 3 to 5).

    Args:
        config: offsets, weight, layers, encoder, predictor, loss.
        models: the generator whose states learn, and those that can be the encoder.
        chunk_frames: latent frames of a chunk.
        seed: seed of the predictor's weights.

    Raises:
        UserError: if a layer does not exist, the stage has no such encoder, or the predictor's heads do not divide the
            generator's width.
    """

    def __init__(self, config: ForesightConfig, models: AuxiliaryModels, chunk_frames: int, seed: int) -> None:
        self._config = config
        self._frames = chunk_frames
        self._seed = seed
        generator = models.generator
        self.layer = config.student_block(len(generator.blocks))
        check_layer(generator, self.layer, "foresight.student_layer")
        self._encode, encoder_width = self._encoder(models)
        self.predictor = models.place(build_predictor(config, model_width(generator), encoder_width, seed))
        self.optimizer = AdamW(self.predictor.parameters(), lr=config.learning_rate, betas=(0.9, 0.999))
        self._kept: list[list[Pair]] = []
        self._fresh = True
        self._norm = 0.0
        self._logged: dict[str, list[float]] = {}

    def _encoder(self, models: AuxiliaryModels) -> tuple[Encoder, int]:
        config = self._config
        if config.encoder == "world":
            if models.open_codec is None:
                raise UserError("foresight.encoder: world needs a codec, and this stage has none.", "Use another one.")
            return world_encoder(models.open_codec()), FIELD_FEATURES
        if config.encoder == "ema":
            return causal_encoder(models.average, self._encoder_layer(models.average)), model_width(models.average)
        model = models.open_base() if config.encoder == "base" else models.real
        if model is None:
            raise UserError("foresight.encoder: real, but this stage has no real score.", "Use base or ema.")
        return bidirectional_encoder(model, self._encoder_layer(model)), model_width(model)

    def _encoder_layer(self, model: WanTransformer3DModel) -> int:
        layer = self._config.encoder_block(len(model.blocks))
        check_layer(model, layer, "foresight.encoder_layer")
        return layer

    def active(self, step: int) -> bool:
        """Whether the zero-based step is past `start_step`."""
        return step >= self._config.start_step

    def watch(self, exit_step: int) -> ExitStates:
        """An observer that collects the states of a rollout's exit passes."""
        return ExitStates(self.layer, exit_step)

    def loss(self, states: list[Tensor], video: Tensor, text: Tensor, step: int) -> Tensor:
        """λ · mean over chunks with a target of the distance to their future.

        Raises:
            UserError: if no chunk has a target at these offsets.
        """
        config = self._config
        pairs = self._pairs(states, video, text)
        if not pairs:
            raise UserError(
                f"No chunk of {len(states)} has a future at foresight.offsets {list(config.offsets)}.",
                "Use a smaller offset or longer clips.",
            )
        self._keep([pair._replace(state=pair.state.detach()) for pair in pairs])
        weight = weight_at(step, config.weight, config.start_step, config.warmup_steps)
        distance = self._distance(pairs, counter_seed("sigreg", self._seed, step), log=True)
        return weight * distance

    def _pairs(self, states: list[Tensor], video: Tensor, text: Tensor) -> list[Pair]:
        config, features = self._config, self._encode(video, text, len(states))
        return [
            Pair(chunk, offset, state, target)
            for chunk, state in enumerate(states)
            for offset, target in targets_of(features, chunk, config.offsets, config.fusion, self._frames)
        ]

    @torch.no_grad()
    def agreement(self, states: list[Tensor], video: Tensor, text: Tensor) -> dict[str, Tensor]:
        """Cosine of prediction and target by video, (B,), mean over tokens, for each chunk and target."""
        return {
            _cosine_name(pair): cosine_by_video(self.predictor(pair.state.to(self._dtype()), pair.offset), pair.target)
            for pair in self._pairs(states, video, text)
        }

    def _keep(self, pairs: list[Pair]) -> None:
        """Keep a micro-batch for replay, up to the bound over all of an update; the first one clears the gradients."""
        if self._fresh:
            self._kept = []
            self._fresh = False
            self.optimizer.zero_grad()
        bound = self._config.replay_pairs
        room = None if bound is None else bound - sum(map(len, self._kept))
        if pairs[:room]:
            self._kept.append(pairs[:room])

    def _distance(self, pairs: Sequence[Pair], seed: int, log: bool = False) -> Tensor:
        """Mean over chunks of the mean over each chunk's targets; chunks do not attend to each other."""
        config = self._config
        of_offset: dict[int | None, list[Pair]] = {}
        for pair in pairs:
            of_offset.setdefault(pair.offset, []).append(pair)
        targets_of_chunk = {chunk: sum(pair.chunk == chunk for pair in pairs) for chunk in {p.chunk for p in pairs}}
        total = torch.zeros((), device=pairs[0].state.device)
        predicted = []
        for offset, group in of_offset.items():
            states = torch.cat([pair.state for pair in group]).to(self._dtype())
            outputs = self.predictor(states, offset).chunk(len(group))
            for pair, output in zip(group, outputs, strict=True):
                total = total + self._one(output, pair.target) / targets_of_chunk[pair.chunk]
                if log:
                    self._logged.setdefault(_cosine_name(pair), []).append(cosines(output, pair.target))
            predicted.extend(outputs)
        distance = total / len(targets_of_chunk)
        if config.sigreg_weight:
            flat = torch.cat([output.flatten(0, 1) for output in predicted])
            directions = random_directions(flat.shape[-1], config.sigreg_directions, seed)
            distance = distance + config.sigreg_weight * sigreg(flat, directions) / len(flat)
        return distance

    def _one(self, predicted: Tensor, target: Tensor) -> Tensor:
        if self._config.loss == "mse":
            return mean_squared_distance(predicted, target)
        return cosine_distance(predicted, target) - float(self._config.negative_cosine)

    def _dtype(self) -> torch.dtype:
        return next(self.predictor.parameters()).dtype

    def clip_gradients(self) -> float:
        """Clip the predictor's gradients to norm 10."""
        self._norm = gradient_norm(self.predictor, _CLIP_NORM)
        return self._norm

    def update(self) -> dict[str, float]:
        """Step the predictor on the gradients of the generator's backward passes."""
        self.optimizer.step()
        self._fresh = True
        logged = {name: sum(values) / len(values) for name, values in self._logged.items()}
        self._logged = {}
        rate = self._config.learning_rate
        own = {"foresight_gradient_norm": self._norm, "foresight_learning_rate": rate}
        return {**own, **gate_sizes(self.predictor), **logged}

    def replay(self) -> dict[str, float]:
        """Step the predictor once more on the states and targets of the last generator step."""
        if not self._config.replay or not self._kept:
            return {}
        total = 0.0
        self.optimizer.zero_grad()
        for pairs in self._kept:
            distance = self._distance(pairs, counter_seed("sigreg-replay", self._seed))
            (self._config.weight / len(self._kept) * distance).backward()
            total += float(distance.detach()) / len(self._kept)
        self.clip_gradients()
        self.update()
        return {"foresight_replay": total}

    def training_state(self) -> TrainingState:
        """Predictor and optimizer; the pairs live within one step."""
        return TrainingState({"predictor": self.predictor}, {"predictor": (self.predictor, self.optimizer)})
