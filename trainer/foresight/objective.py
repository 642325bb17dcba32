"""The foresight objective: causal states answer for what a bidirectional encoder sees in the finished rollout."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from diffusers import WanTransformer3DModel
from einops import rearrange
from torch import Tensor, nn
from torch.optim import AdamW

from probekit.errors import UserError
from probekit.models.causal_wan import CausalWan
from probekit.models.feature_reader import check_layer, read_features
from probekit.rollout.records import PassRecord, RolloutObserver
from trainer.config import ForesightConfig
from trainer.foresight.losses import cosine_distance
from trainer.foresight.predictors import build_predictor
from trainer.foresight.targets import fused_target

_CLIP_NORM = 10.0


def layer_at(layer: int | None, depth: float, model: WanTransformer3DModel, name: str) -> int:
    """The given block, or `floor(depth · blocks)`, zero-based.

    Raises:
        UserError: if the model has no such block.
    """
    chosen = math.floor(depth * len(model.blocks)) if layer is None else layer
    check_layer(model, chosen, name)
    return chosen


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
        config: offsets, weight, layers, predictor.
        generator: whose states learn.
        encoder: frozen, bidirectional.
        seed: of the predictor's weights.

    Raises:
        UserError: if a layer does not exist, or the predictor's heads do not divide the generator's width.
    """

    def __init__(
        self, config: ForesightConfig, generator: CausalWan, encoder: WanTransformer3DModel, seed: int
    ) -> None:
        self._config, self._encoder = config, encoder
        self._layer = layer_at(config.student_layer, config.student_depth, generator, "foresight.student_layer")
        self._encoder_layer = layer_at(config.encoder_layer, config.encoder_depth, encoder, "foresight.encoder_layer")
        width, encoder_width = (
            model.config.num_attention_heads * model.config.attention_head_dim for model in (generator, encoder)
        )
        if width % config.predictor_heads:
            raise UserError(
                f"foresight.predictor_heads: {config.predictor_heads} do not divide the generator's width {width}.",
                f"Use {generator.config.num_attention_heads} heads, for example.",
            )
        self.predictor = build_predictor(width, encoder_width, config.predictor_blocks, config.predictor_heads, seed)
        self.optimizer = AdamW(self.predictor.parameters(), lr=config.learning_rate, betas=(0.9, 0.999))
        self._watched: ExitStates | None = None
        self._pairs: tuple[Tensor, Tensor] | None = None

    def watch(self, exit_step: int) -> RolloutObserver:
        """Begin a rollout; the observer collects the states of its exit passes."""
        self._watched = ExitStates(self._layer, exit_step)
        return self._watched

    def loss(self, video: Tensor, text: Tensor) -> Tensor:
        """λ · mean over chunks with a target of the cosine distance to the fused features of their future.

        Raises:
            RuntimeError: if no rollout was watched.
        """
        if self._watched is None:
            raise RuntimeError("loss() needs a rollout that was watched")
        states = self._watched.states
        features = self._read(video, text, len(states))
        targets = [fused_target(features, chunk, self._config.offsets) for chunk in range(len(states))]
        kept = [(state, target) for state, target in zip(states, targets, strict=True) if target is not None]
        if not kept:
            raise UserError(
                f"No chunk of {len(states)} has a future at foresight.offsets {list(self._config.offsets)}.",
                "Use a smaller offset or longer clips.",
            )
        hidden, target = (torch.cat(side) for side in zip(*kept, strict=True))  # chunks do not attend to each other
        self._pairs, self._watched = (hidden.detach(), target), None
        self.optimizer.zero_grad()
        return self._config.weight * self._distance(hidden, target)

    def _distance(self, hidden: Tensor, target: Tensor) -> Tensor:
        distance = cosine_distance(self.predictor(hidden), target)
        return distance - 1 if self._config.negative_cosine else distance

    @torch.no_grad()
    def _read(self, video: Tensor, text: Tensor, chunks: int) -> list[Tensor]:
        """Encoder features of each chunk, (B, T, E)."""
        clean = torch.zeros(len(video), device=video.device)
        features = read_features(self._encoder, video, clean, text, self._encoder_layer)
        return list(rearrange(features, "B (N n) t E -> N B (n t) E", N=chunks))

    def update(self) -> dict[str, float]:
        """Step the predictor on the gradient of the generator's backward pass."""
        norm = float(nn.utils.clip_grad_norm_(self.predictor.parameters(), _CLIP_NORM))
        self.optimizer.step()
        return {"foresight_gradient_norm": norm}

    def replay(self) -> dict[str, float]:
        """Step the predictor once more on the states and targets of the last generator step."""
        if not self._config.replay or self._pairs is None:
            return {}
        self.optimizer.zero_grad()
        hidden, target = self._pairs
        distance = self._distance(hidden, target)
        (self._config.weight * distance).backward()
        self.update()
        return {"foresight_replay": float(distance.detach())}

    def state_dict(self) -> dict[str, Any]:
        """Predictor and optimizer; the pairs live within one step."""
        return {"predictor": self.predictor.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore from `state_dict`."""
        self.predictor.load_state_dict(state["predictor"])
        self.optimizer.load_state_dict(state["optimizer"])
