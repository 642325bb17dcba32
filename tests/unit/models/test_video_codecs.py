"""Both codecs behind one protocol: shapes, causal first frame, streaming = one-shot, quality."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from probekit.errors import UserError
from probekit.models.linear_codec import LinearVideoCodec, align_first_basis, fit_pca
from probekit.models.loading import load_codec
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.models.video_codec import VideoCodec, to_uint8_frames, to_unit_range
from probekit.models.wan_codec import WanVideoCodec
from probekit.sprite_world.episodes import episode
from tests.helpers.model_folders import tiny_vae, tiny_vae_22


def sprite_videos(split: str, count: int, frames: int = 81) -> Tensor:
    clips = [episode(split, 11, index, frames).frames for index in range(count)]  # type: ignore[arg-type]
    return to_unit_range(torch.from_numpy(np.stack(clips)))


@pytest.fixture(scope="module", params=["linear", "wan 2.1", "wan 2.2"])
def codec(request: pytest.FixtureRequest) -> VideoCodec:
    if request.param == "linear":
        return load_codec(SHIPPED_MODELS / "sprite-base")
    return WanVideoCodec(tiny_vae() if request.param == "wan 2.1" else tiny_vae_22())


def psnr(videos: Tensor, decoded: Tensor) -> Tensor:
    """Mean over videos of the PSNR in dB of uint8 pixels."""
    error = (to_uint8_frames(videos).float() - to_uint8_frames(decoded).float()).square().mean((1, 2, 3, 4))
    return (10 * torch.log10(255**2 / error)).mean()


def test_shapes_are_four_in_time_and_the_stride_in_space(codec: VideoCodec) -> None:
    latents = codec.encode(torch.rand(1, 3, 9, 32, 32) * 2 - 1)
    side = 32 // codec.spatial_stride
    assert latents.shape == (1, 16, 3, side, side)
    assert codec.decode(latents).shape == (1, 3, 9, 32, 32)


def test_the_first_latent_depends_on_the_first_frame_alone(codec: VideoCodec) -> None:
    video = torch.rand(1, 3, 9, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    changed = video.clone()
    changed[:, :, 1:] = 0
    first, same = codec.encode(video)[:, :, 0], codec.encode(changed)[:, :, 0]
    torch.testing.assert_close(first, same)
    torch.testing.assert_close(codec.encode(video[:, :, :1])[:, :, 0], first, atol=1e-5, rtol=1e-4)


def test_latents_never_see_later_frames(codec: VideoCodec) -> None:
    video = torch.rand(1, 3, 13, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    changed = video.clone()
    changed[:, :, 9:] = 0
    torch.testing.assert_close(codec.encode(video)[:, :, :3], codec.encode(changed)[:, :, :3])


@pytest.mark.parametrize("cuts", [[1, 3], [2, 2], [4], [1, 1, 1, 1], [3, 1]])
def test_streaming_equals_one_shot(codec: VideoCodec, cuts: list[int]) -> None:
    latents = torch.randn(1, 16, 4, 4, 4, generator=torch.Generator().manual_seed(2))
    stream = codec.streaming_decoder()
    pushed = torch.cat([stream.push(part) for part in latents.split(cuts, dim=2)], dim=2)
    torch.testing.assert_close(pushed, codec.decode(latents), atol=1e-5, rtol=1e-4)


def test_two_streams_do_not_disturb_each_other(codec: VideoCodec) -> None:
    a, b = torch.randn(2, 1, 16, 3, 4, 4, generator=torch.Generator().manual_seed(3))
    streams, parts = [codec.streaming_decoder(), codec.streaming_decoder()], ([], [])
    for i in range(3):
        for latents, stream, part in zip((a, b), streams, parts, strict=True):
            part.append(stream.push(latents[:, :, i : i + 1]))
    torch.testing.assert_close(torch.cat(parts[0], 2), codec.decode(a), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(torch.cat(parts[1], 2), codec.decode(b), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("shared", [0, 1, 2])
def test_a_twin_goes_on_from_the_same_past_and_disturbs_nobody(codec: VideoCodec, shared: int) -> None:
    a, b = torch.randn(2, 1, 16, 4, 4, 4, generator=torch.Generator().manual_seed(4))
    b[:, :, :shared] = a[:, :, :shared]
    stream = codec.streaming_decoder()
    past = [stream.push(a[:, :, i : i + 1]) for i in range(shared)]
    twin = stream.twin()
    later: tuple[list[Tensor], list[Tensor]] = ([], [])
    for i in range(shared, 4):
        later[0].append(stream.push(a[:, :, i : i + 1]))
        later[1].append(twin.push(b[:, :, i : i + 1]))
    for latents, part in zip((a, b), later, strict=True):
        torch.testing.assert_close(torch.cat([*past, *part], 2), codec.decode(latents), atol=1e-5, rtol=1e-4)


def test_the_shipped_linear_codec_reaches_its_quality_on_held_out_episodes() -> None:
    codec, videos = load_codec(SHIPPED_MODELS / "sprite-base"), sprite_videos("validation", 24)
    assert psnr(videos, codec.decode(codec.encode(videos))) >= 30.5


def test_a_fitted_codec_has_unit_latents_and_projects_orthogonally() -> None:
    videos = sprite_videos("train", 12, 33)
    codec = LinearVideoCodec.fit(videos)
    latents = codec.encode(videos)
    assert latents.square().mean() == pytest.approx(1, abs=1e-4)
    unclamped = codec.encode(codec.decode(latents))
    assert (unclamped - latents).abs().mean() < 0.02


def test_aligning_rotates_without_changing_the_subspace() -> None:
    rng = np.random.default_rng(0)
    first = fit_pca(rng.standard_normal((400, 48)), 16)
    later = fit_pca(rng.standard_normal((400, 192)), 16)
    aligned = align_first_basis(first, later)
    np.testing.assert_allclose(aligned.rows @ aligned.rows.T, np.eye(16), atol=1e-10)
    np.testing.assert_allclose(aligned.rows.T @ aligned.rows, first.rows.T @ first.rows, atol=1e-10)


def test_saving_and_loading_keeps_every_bit(tmp_path: Path) -> None:
    codec = LinearVideoCodec.fit(sprite_videos("train", 4, 17))
    codec.save_pretrained(tmp_path / "vae")
    video = sprite_videos("train", 1, 9)
    assert torch.equal(load_codec(tmp_path).encode(video), codec.encode(video))


@pytest.mark.parametrize("shape", [(1, 3, 8, 32, 32), (1, 3, 9, 30, 32)])
def test_videos_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"1 \+ 4"):
        load_codec(SHIPPED_MODELS / "sprite-base").encode(torch.zeros(shape))
