"""The foresight block of a recipe; apart from the package that acts on it."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from probekit.choices import Precision
from probekit.config import FiniteModel
from probekit.models.depth import block_at

Layer = Annotated[int, Field(ge=0)]
"""Zero-based index of a block."""


class ForesightConfig(FiniteModel):
    """Foresight distillation (arXiv 2606.03971): the block that one arm has and the other does not.

    Attributes:
        offsets: offsets in chunks.
        weight: lambda.
        start_step: generator updates before it acts; `steps` minus 100 is the paper's "final 100 steps".
        warmup_steps: updates over which lambda then rises linearly; replay, which the generator never sees, has none.
        encoder: reader of the finished video: the real score, the base model, the generator's average (causal), or the
            tracker of the sprite world, whose exact state of each chunk is the ceiling of what an encoder could give.
        student_depth: depth ratio r of the generator's block, `floor(r · depth)` zero-based; ignored with a layer.
        encoder_depth: the same of the encoder.
        student_layer: zero-based block of the generator, in place of a depth.
        encoder_layer: zero-based block of the encoder.
        fusion: targets averaged over offsets; over frames and offsets; or one target an offset.
        predictor: DiT, one MLP, one MLP an offset, or DiT with the offset as condition; the last two need fusion none.
        predictor_blocks: DiT blocks of the predictor, or linear layers of an MLP.
        predictor_heads: attention heads of its blocks.
        loss: cosine distance, or mean squared error relative to the target's size.
        sigreg_weight: weight of LeJEPA's regulariser on the predicted features, relative to the distance.
        sigreg_directions: random projections of it.
        learning_rate: learning rate of the predictor's own AdamW.
        master_dtype: data type of the predictor's weights; bfloat16 is the official one, in which 2e-6 moves almost
            nothing.
        dead_modulation: carry the official modulation matrices, which never train.
        replay: update the predictor on cached pairs in steps that train only the critic.
        replay_pairs: chunks replayed at most; None is all.
        negative_cosine: log the official -cos in place of 1 - cos; gradients are the same.
    """

    offsets: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(0, 1), min_length=1)
    weight: float = Field(default=0.2, ge=0)
    start_step: int = Field(default=0, ge=0)
    warmup_steps: int = Field(default=0, ge=0)
    encoder: Literal["real", "base", "ema", "world"] = "real"
    student_depth: float = Field(default=0.5, ge=0, lt=1)
    encoder_depth: float = Field(default=0.5, ge=0, lt=1)
    student_layer: Layer | None = None
    encoder_layer: Layer | None = None
    fusion: Literal["offsets", "frames", "none"] = "offsets"
    predictor: Literal["dit", "mlp", "multi_mlp", "dit_adaln"] = "dit"
    predictor_blocks: int = Field(default=3, ge=0, le=1024)
    predictor_heads: int = Field(default=4, gt=0, le=1024)
    loss: Literal["cosine", "mse"] = "cosine"
    sigreg_weight: float = Field(default=0.0, ge=0)
    sigreg_directions: int = Field(default=64, gt=0, le=2**16)
    learning_rate: float = Field(default=1e-4, gt=0)
    master_dtype: Precision = "float32"
    dead_modulation: bool = False
    replay: bool = True
    replay_pairs: int | None = Field(default=None, gt=0)
    negative_cosine: bool = False

    def student_block(self, blocks: int) -> int:
        """Zero-based block of the generator whose output is the state."""
        return block_at(self.student_depth, blocks) if self.student_layer is None else self.student_layer

    def encoder_block(self, blocks: int) -> int:
        """Zero-based block of the encoder whose output is the target."""
        return block_at(self.encoder_depth, blocks) if self.encoder_layer is None else self.encoder_layer

    @model_validator(mode="after")
    def _predictor_fits_the_fusion(self) -> Self:
        if self.predictor in ("multi_mlp", "dit_adaln") and self.fusion != "none":
            raise ValueError(f"predictor {self.predictor} predicts each offset by itself: set fusion: none")
        if len(set(self.offsets)) < len(self.offsets):
            raise ValueError(f"offsets {list(self.offsets)} repeat one")
        return self
