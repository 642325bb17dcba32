"""The one object that knows the sizes of a video, its latents and its tokens."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from probekit.config import StrictModel
from probekit.errors import UserError

PositiveInt = Annotated[int, Field(gt=0)]

_LONGEST_SECONDS: Final = 86_400

TEMPORAL_STRIDE: Final = 4
"""RGB frames of each latent frame after the first, in Wan's codec and the sprite world's."""
CHUNK_FRAMES: Final = 3
"""Latent frames that a streaming generator usually makes together."""


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
    temporal_stride: PositiveInt = TEMPORAL_STRIDE
    chunk_frames: PositiveInt = CHUNK_FRAMES
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

    @classmethod
    def of_pixels(
        cls,
        height: int,
        width: int,
        *,
        patch: Sequence[int],
        spatial_stride: int,
        latent_channels: int,
        chunk_frames: int | None = None,
        owner: str = "The model",
    ) -> Self:
        """Geometry of videos of height x width pixels.

        Args:
            height: rows of a frame in pixels.
            width: columns of a frame in pixels.
            patch: patch (frames, rows, columns) of the transformer.
            spatial_stride: pixels along a side of one latent position.
            latent_channels: channels of the latents.
            chunk_frames: latent frames generated together; None keeps the usual number.
            owner: name of the model in messages.

        Raises:
            UserError: The size is not a multiple of the stride times the patch.
        """
        _, rows, columns = patch
        if min(height, width) < 1 or height % (spatial_stride * rows) or width % (spatial_stride * columns):
            raise UserError(
                f"{owner} cannot make frames of {height}x{width} pixels.",
                f"Use multiples of {spatial_stride * rows} x {spatial_stride * columns} pixels.",
            )
        sizes = {
            "latent_channels": latent_channels,
            "latent_height": height // spatial_stride,
            "latent_width": width // spatial_stride,
            "patch": tuple(patch),
            "spatial_stride": spatial_stride,
        }
        return cls.model_validate(sizes if chunk_frames is None else sizes | {"chunk_frames": chunk_frames})

    @property
    def latent_size(self) -> tuple[int, int]:
        """Rows and columns of a latent frame."""
        return self.latent_height, self.latent_width

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

    def frames_for(self, seconds: float) -> int:
        """RGB frames of the fewest whole chunks that last at least so long: with Wan's sizes 81 for 5 s, 489 for 30 s.

        Raises:
            UserError: The length is not positive, or over a day.
        """
        if not 0 < seconds <= _LONGEST_SECONDS:
            raise UserError(f"A video cannot last {seconds:g} s.", "Give --seconds above 0, and a day (86400) at most.")
        latent_frames = 1 - (-round(seconds * self.fps) // self.temporal_stride)
        return self.rgb_frames(-(-latent_frames // self.chunk_frames) * self.chunk_frames)

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
