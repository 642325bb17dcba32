import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probekit.errors import UserError
from probekit.geometry import LatentGeometry

WAN_480P = LatentGeometry(latent_channels=16, latent_height=60, latent_width=104, patch=(1, 2, 2), spatial_stride=8)
SPRITE = LatentGeometry(latent_channels=16, latent_height=8, latent_width=8, patch=(1, 2, 2), spatial_stride=4)


def test_wan_480p_sizes() -> None:
    assert (WAN_480P.rgb_height, WAN_480P.rgb_width) == (480, 832)
    assert (WAN_480P.token_rows, WAN_480P.token_columns, WAN_480P.tokens_per_frame) == (30, 52, 1560)
    assert (WAN_480P.tokens(3), WAN_480P.tokens(21)) == (4680, 32760)


def test_sprite_sizes() -> None:
    assert (SPRITE.rgb_height, SPRITE.rgb_width, SPRITE.tokens_per_frame) == (32, 32, 16)


@pytest.mark.parametrize(("rgb", "latent", "chunks"), [(81, 21, 7), (489, 123, 41), (501, 126, 42), (9, 3, 1)])
def test_frames_and_chunks(rgb: int, latent: int, chunks: int) -> None:
    assert WAN_480P.latent_frames(rgb) == latent
    assert WAN_480P.rgb_frames(latent) == rgb
    assert WAN_480P.chunks(latent) == chunks


@given(st.integers(1, 10_000))
def test_frame_counts_are_inverse(latent: int) -> None:
    assert SPRITE.latent_frames(SPRITE.rgb_frames(latent)) == latent


@pytest.mark.parametrize("rgb", [80, 82, 0, -3])
def test_frames_without_whole_latents_are_refused(rgb: int) -> None:
    with pytest.raises(UserError, match=r"1 \+ 4 k frames"):
        WAN_480P.latent_frames(rgb)


def test_refusal_suggests_lengths_that_work() -> None:
    with pytest.raises(UserError, match="for example 77 or 81"):
        WAN_480P.latent_frames(80)
    with pytest.raises(UserError, match=r"for example 21 latent frames \(81 RGB frames\)"):
        WAN_480P.chunks(22)


@pytest.mark.parametrize("latent", [0, 1, 22])
def test_partial_chunks_are_refused(latent: int) -> None:
    with pytest.raises(UserError, match="whole chunks of 3"):
        WAN_480P.chunks(latent)


@pytest.mark.parametrize(
    "change",
    [{"latent_height": 7}, {"patch": (2, 2, 2)}, {"spatial_stride": 0}, {"latent_channels": -1}, {"latent_hight": 8}],
)
def test_impossible_geometry_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LatentGeometry.model_validate(SPRITE.model_dump() | change)


@pytest.mark.parametrize(("seconds", "frames"), [(5, 81), (30, 489), (0.1, 9), (240, 3849)])
def test_seconds_are_rounded_up_to_whole_chunks(seconds: float, frames: int) -> None:
    assert WAN_480P.frames_for(seconds) == SPRITE.frames_for(seconds) == frames


@given(seconds=st.floats(0.01, 500), chunk_frames=st.integers(1, 7), fps=st.integers(1, 60))
def test_no_shorter_video_of_whole_chunks_lasts_as_long(seconds: float, chunk_frames: int, fps: int) -> None:
    geometry = SPRITE.model_copy(update={"chunk_frames": chunk_frames, "fps": fps})
    latent = geometry.latent_frames(geometry.frames_for(seconds))
    assert geometry.chunks(latent) >= 1
    assert geometry.rgb_frames(latent) - 1 >= round(seconds * fps)
    assert latent == chunk_frames or geometry.rgb_frames(latent - chunk_frames) - 1 < round(seconds * fps)


def test_a_length_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match="cannot last 0 s"):
        SPRITE.frames_for(0)


def test_pixels_give_the_latents_of_a_codec_and_a_patch() -> None:
    sizes = {"patch": (1, 2, 2), "latent_channels": 16}
    assert LatentGeometry.of_pixels(480, 832, spatial_stride=8, **sizes) == WAN_480P
    assert LatentGeometry.of_pixels(32, 32, spatial_stride=4, **sizes) == SPRITE
    assert LatentGeometry.of_pixels(32, 64, spatial_stride=16, chunk_frames=1, **sizes).latent_size == (2, 4)
    with pytest.raises(UserError, match="480x840"):
        LatentGeometry.of_pixels(480, 840, spatial_stride=8, **sizes)
