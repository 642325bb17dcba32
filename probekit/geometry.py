"""The one object that knows the sizes of a video, its latents and its tokens."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from probekit.config import StrictModel
from probekit.errors import UserError

PositiveInt = Annotated[int, Field(gt=0)]


class LatentGeometry(StrictModel):
    """Sizes of a latent video and of the RGB video that it stands for.

    The codec keeps the first RGB frame as one latent frame and turns every further `temporal_stride` frames into
    one, as Wan2.1's causal VAE does (Wan technical report, section 4.1).

    Raises:
        pydantic.ValidationError: The latent size is not a multiple of the patch size.
    """

    latent_channels: PositiveInt
    latent_height: PositiveInt
    latent_width: PositiveInt
    patch: tuple[Literal[1], PositiveInt, PositiveInt]
    """Patch (frames, rows, columns) of the transformer; one frame deep, because each frame has its own timestep."""
    spatial_stride: PositiveInt
    temporal_stride: PositiveInt = 4
    chunk_frames: PositiveInt = 3
    """Latent frames generated together."""
    fps: PositiveInt = 16

    @model_validator(mode="after")
    def _patch_divides_latent(self) -> Self:
        _, rows, columns = self.patch
        if self.latent_height % rows or self.latent_width % columns:
            raise ValueError(
                f"latent size {self.latent_height}x{self.latent_width} is not a multiple of the patch {rows}x{columns}"
            )
        return self

    @property
    def token_rows(self) -> int:
        """Tokens along the height of one latent frame."""
        return self.latent_height // self.patch[1]

    @property
    def token_columns(self) -> int:
        """Tokens along the width of one latent frame."""
        return self.latent_width // self.patch[2]

    @property
    def tokens_per_frame(self) -> int:
        """Tokens of one latent frame."""
        return self.token_rows * self.token_columns

    @property
    def rgb_height(self) -> int:
        """Rows of an RGB frame in pixels."""
        return self.latent_height * self.spatial_stride

    @property
    def rgb_width(self) -> int:
        """Columns of an RGB frame in pixels."""
        return self.latent_width * self.spatial_stride

    def latent_frames(self, rgb_frames: int) -> int:
        """Latent frames L of T RGB frames: L = 1 + (T - 1) / temporal_stride.

        Raises:
            UserError: T has no whole number of latent frames.
        """
        quotient, rest = divmod(rgb_frames - 1, self.temporal_stride)
        if rgb_frames < 1 or rest:
            low = self.rgb_frames(max(1, quotient + 1))
            raise UserError(
                f"{rgb_frames} frames have no whole number of latent frames.",
                f"Use 1 + {self.temporal_stride} k frames, for example {low} or {low + self.temporal_stride}.",
            )
        return quotient + 1

    def rgb_frames(self, latent_frames: int) -> int:
        """RGB frames T of L latent frames: T = 1 + temporal_stride (L - 1)."""
        return 1 + self.temporal_stride * (latent_frames - 1)

    def tokens(self, latent_frames: int) -> int:
        """Tokens of a sequence of latent frames."""
        return latent_frames * self.tokens_per_frame

    def chunks(self, latent_frames: int) -> int:
        """Chunks of a sequence of latent frames.

        Raises:
            UserError: The sequence does not end at a chunk border.
        """
        quotient, rest = divmod(latent_frames, self.chunk_frames)
        if latent_frames < 1 or rest:
            low = max(1, quotient) * self.chunk_frames
            raise UserError(
                f"{latent_frames} latent frames are not whole chunks of {self.chunk_frames}.",
                f"Use a multiple of {self.chunk_frames}, for example {low} latent frames "
                f"({self.rgb_frames(low)} RGB frames).",
            )
        return quotient
