from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.evaluation.reference.lpips import (
    PerceptualDistance,
    load_trunk,
    lpips_metric,
    network_input,
    require_weights_file,
    weights_hash,
)
from probekit.evaluation.reference.metrics import compare_videos


@pytest.fixture(scope="module")
def metric() -> PerceptualDistance:
    return lpips_metric("random")


Videos = tuple[NDArray[np.uint8], NDArray[np.uint8]]


@pytest.fixture(scope="module")
def videos() -> Videos:
    rng = np.random.default_rng(0)
    smooth = np.kron(rng.integers(0, 256, (10, 4, 5, 3), dtype=np.uint8), np.ones((1, 9, 8, 1), np.uint8))
    return smooth, np.roll(smooth, 3, axis=2)


def test_the_random_backbone_is_never_called_lpips(metric: PerceptualDistance) -> None:
    assert metric.name == "lpips_random_backbone"
    name, weights, preprocessing = metric.metric_id.split(":")
    assert (name, preprocessing) == ("lpips_random_backbone", "rgb8-to-pm1-v1")
    assert weights == f"alex-{weights_hash(metric.module.state_dict())}"


def test_the_value_is_a_golden_number(metric: PerceptualDistance, videos: Videos) -> None:
    assert compare_videos(metric, *videos).value == pytest.approx(0.0545632, abs=1e-5)


def test_the_value_does_not_depend_on_the_global_random_state(metric: PerceptualDistance, videos: Videos) -> None:
    torch.manual_seed(1234)
    before = torch.get_rng_state()
    again = lpips_metric("random")
    values = again.frame_values(*videos)
    assert torch.equal(torch.get_rng_state(), before)
    assert again.metric_id == metric.metric_id
    np.testing.assert_array_equal(values, metric.frame_values(*videos))


def test_another_seed_is_another_metric(metric: PerceptualDistance, videos: Videos) -> None:
    other = lpips_metric("random", seed=1)
    assert other.metric_id != metric.metric_id
    assert not np.array_equal(other.frame_values(*videos), metric.frame_values(*videos))


def test_distances_are_zero_for_equal_frames_and_within_range(metric: PerceptualDistance, videos: Videos) -> None:
    reference, sample = videos
    assert compare_videos(metric, reference, reference).value == 0.0
    values = metric.frame_values(reference, sample)
    assert values.shape == (10,)
    assert values.dtype == np.float64
    assert np.all((values > metric.value_range[0]) & (values < metric.value_range[1]))


def test_batches_do_not_change_a_frames_distance(metric: PerceptualDistance, videos: Videos) -> None:
    reference, sample = videos
    alone = [metric.frame_values(reference[i : i + 1], sample[i : i + 1])[0] for i in (0, 7, 8, 9)]
    np.testing.assert_allclose(metric.frame_values(reference, sample)[[0, 7, 8, 9]], alone, rtol=1e-4)


def test_the_distance_is_the_lpips_packages_own(metric: PerceptualDistance, videos: Videos) -> None:
    reference, sample = (torch.from_numpy(video[:2]).permute(0, 3, 1, 2).float() / 255 for video in videos)
    with torch.no_grad():
        expected = metric.module(reference, sample, normalize=True)  # normalize: the package's own 0..1 to -1..1
    values = metric.frame_values(videos[0][:2], videos[1][:2])
    np.testing.assert_allclose(values, expected.flatten().numpy(), rtol=1e-4)


def test_the_converter_spans_minus_one_to_one() -> None:
    frames = np.array([0, 255, 51], np.uint8).reshape(1, 1, 1, 3)
    np.testing.assert_allclose(network_input(frames).flatten().numpy(), [-1.0, 1.0, -0.6], atol=1e-6)


def test_floats_are_refused(metric: PerceptualDistance, videos: Videos) -> None:
    floats = videos[0].astype(np.float32) / 255
    with pytest.raises(UserError, match=r"float32 in \[0, 1\]"):
        compare_videos(metric, floats, videos[1])  # type: ignore[arg-type]


def test_frames_too_small_for_the_network_are_named(metric: PerceptualDistance) -> None:
    small = np.zeros((1, 30, 64, 3), np.uint8)
    with pytest.raises(UserError, match="at least 31 px"):
        compare_videos(metric, small, small)
    smallest = np.zeros((1, 31, 31, 3), np.uint8)
    assert compare_videos(metric, smallest, smallest).value == 0.0


def test_missing_pretrained_weights_are_named(tmp_path: Path) -> None:
    path = tmp_path / "alexnet.pth"
    with pytest.raises(UserError, match=rf"{path}, which do not exist.*Download .*alexnet-owt.*\.pth to"):
        lpips_metric("pretrained", weights=path)


def test_a_damaged_weights_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(b"weights")
    require_weights_file(path, f"folder/net-{sha256(b'weights').hexdigest()[:8]}.pth")
    path.write_bytes(b"weight")
    with pytest.raises(UserError, match="not the file that torchvision publishes"):
        require_weights_file(path, f"folder/net-{sha256(b'weights').hexdigest()[:8]}.pth")


def test_a_torchvision_checkpoint_fills_the_backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import alexnet

    with torch.random.fork_rng():
        features = alexnet(weights=None).features.eval()
    path = tmp_path / "alexnet.pth"
    torch.save({f"features.{key}": value for key, value in features.state_dict().items()}, path)
    monkeypatch.setattr("probekit.evaluation.reference.lpips.require_weights_file", lambda path, url: None)
    metric = lpips_metric("pretrained", weights=path)
    images = torch.linspace(-1, 1, 3 * 40 * 40).reshape(1, 3, 40, 40)
    with torch.no_grad():
        torch.testing.assert_close(metric.module.get_submodule("net")(images).relu5, features[:12](images))
    assert metric.metric_id.startswith("lpips:alex-")
    assert metric.name == "lpips"


def test_a_checkpoint_of_another_network_is_refused(metric: PerceptualDistance) -> None:
    with pytest.raises(KeyError, match=r"features\.0\.weight"):
        load_trunk(metric.module.get_submodule("net"), {"layer1.weight": torch.zeros(1)})
