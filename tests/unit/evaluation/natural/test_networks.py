"""The networks at tiny sizes: shapes, and what must be true of them whatever their weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from probekit.errors import UserError
from probekit.evaluation.natural.networks.efficientnet_lite import LITE0, EfficientNetLite, Stage
from probekit.evaluation.natural.networks.loading import filled
from probekit.evaluation.natural.networks.st_lpips import ALEX, VGG, StLpips, Trunk
from probekit.evaluation.natural.networks.transnet import TransNet, color_histograms, neighbour_table
from probekit.evaluation.natural.networks.xfeat import UNUSED, XFeat


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def _same_weights() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("trunk", [ALEX, VGG])
def test_st_lpips_of_an_image_with_itself_is_zero_and_of_two_is_symmetric(trunk: Trunk) -> None:
    network = StLpips(trunk, widths=(4, 4, 6, 6, 4)).eval()
    for parameter in network.parameters():
        parameter.data.abs_()
    a, b = (noise(2, 3, 40, 48, seed=seed) * 2 - 1 for seed in (1, 2))
    with torch.inference_mode():
        assert network(a, a).tolist() == [0.0, 0.0]
        assert torch.allclose(network(a, b), network(b, a))
        assert (network(a, b) > 0).all()


def test_st_lpips_against_one_image_is_that_against_each() -> None:
    network = StLpips(ALEX, widths=(4, 4, 6, 6, 4)).eval()
    images, one = noise(3, 3, 40, 40, seed=1), noise(1, 3, 40, 40, seed=2)
    with torch.inference_mode():
        together = network.distance(network.features(images), network.features(one))
        alone = [network(image[None], one).item() for image in images]
    assert together.tolist() == pytest.approx(alone, rel=1e-5)


def test_the_blur_of_st_lpips_is_a_convolution_with_its_filter_at_every_second_pixel() -> None:
    network = StLpips(ALEX, widths=(2, 2, 2, 2, 2))
    blur = network.get_submodule("net.slice1.1")
    blur.load_state_dict({"filt": noise(2, 1, 3, 3, seed=3)})
    image = noise(1, 2, 6, 6, seed=4)
    padded = np.pad(image[0].numpy(), ((0, 0), (2, 2), (2, 2)), mode="reflect")
    taps = blur.state_dict()["filt"][:, 0].numpy()
    expected = [
        [[(padded[c, y : y + 3, x : x + 3] * taps[c]).sum() for x in range(0, 8, 2)] for y in range(0, 8, 2)]
        for c in range(2)
    ]
    assert np.allclose(blur(image)[0].numpy(), expected, atol=1e-6)


def tiny_efficientnet() -> EfficientNetLite:
    return EfficientNetLite((Stage(3, 1, 1, 4, 1), Stage(5, 2, 2, 6, 2)), stem=4, head=8, classes=5).eval()


def test_the_efficientnet_halves_an_odd_image_upwards_and_has_features_of_its_head() -> None:
    network = tiny_efficientnet()
    with torch.inference_mode():
        features = network.features(noise(2, 3, 17, 23))
        assert features.shape == (2, 8)
        assert network(noise(2, 3, 17, 23)).shape == (2, 5)
        assert (features >= 0).all()
        assert (features <= 6).all()
        assert network._conv_stem(noise(1, 3, 17, 23)).shape[-2:] == (9, 12)


def test_padding_is_as_tensorflow_has_it_with_the_odd_pixel_at_the_end() -> None:
    stem = tiny_efficientnet()._conv_stem
    image = noise(1, 3, 8, 8)
    stem.load_state_dict({"weight": torch.ones_like(stem.weight)})
    corner = image[0, :, :3, :3].sum()
    assert stem(image)[0, 0, 0, 0].item() == pytest.approx(corner.item(), rel=1e-5), "nothing is padded before"
    assert stem(image)[0, 0, 3, 3].item() == pytest.approx(image[0, :, 6:, 6:].sum().item(), rel=1e-5)


def test_lite0_has_the_296_tensors_of_the_published_file() -> None:
    assert len(EfficientNetLite(LITE0).state_dict()) == 296


def tiny_transnet() -> TransNet:
    return TransNet(filters=(1, 1, 1), width=4, hidden=8).eval()


@pytest.mark.parametrize("count", [2, 49, 50, 51, 120])
def test_every_frame_has_one_probability(count: int) -> None:
    frames = (noise(count, 27, 48, 3) * 255).to(torch.uint8)
    with torch.inference_mode():
        found = tiny_transnet().probabilities(frames)
    assert found.shape == (count,)
    assert ((found > 0) & (found < 1)).all()


def test_windows_that_move_by_half_say_of_a_frame_what_its_own_window_says() -> None:
    network = tiny_transnet()
    frames = (noise(130, 27, 48, 3) * 255).to(torch.uint8)
    padded = torch.cat([frames[:1].expand(25, -1, -1, -1), frames])
    with torch.inference_mode():
        whole, window = network.probabilities(frames), network(padded[50:150]).sigmoid()
    assert torch.allclose(whole[50:100], window[25:75])


@given(st.integers(1, 8), st.integers(0, 100))
def test_the_table_of_neighbours_has_products_in_the_middle_and_zeros_beyond_the_ends(count: int, seed: int) -> None:
    vectors = noise(count, 5, seed=seed)
    table = neighbour_table(vectors)
    assert table.shape == (count, 101)
    for i in range(count):
        for offset in range(-50, 51):
            expected = float(vectors[i] @ vectors[i + offset]) if 0 <= i + offset < count else 0.0
            assert table[i, 50 + offset].item() == pytest.approx(expected, abs=1e-5)


def test_colour_histograms_count_pixels_in_bins_of_32_levels() -> None:
    frame = torch.tensor([[[0, 0, 0], [31, 31, 31], [255, 0, 32], [0, 64, 0]]], dtype=torch.uint8)[None]
    histogram = color_histograms(frame)[0]
    assert torch.nonzero(histogram)[:, 0].tolist() == [0, 2 * 8, 7 * 64 + 1]
    assert histogram.tolist()[0] == pytest.approx(2 / 6**0.5)


def test_xfeat_gives_a_pixel_in_each_chosen_cell_and_unit_descriptors() -> None:
    network = XFeat().eval()
    with torch.inference_mode():
        one, other = network.keypoints(noise(2, 3, 32, 64), most=20)
    assert one.places.shape == (20, 2)
    assert len({(int(x) // 8, int(y) // 8) for x, y in one.places}) == 20, "one in a cell"
    assert one.places.max(dim=0).values.tolist() <= [63.0, 31.0]
    assert torch.allclose(one.descriptors.norm(dim=1), torch.ones(20), atol=1e-5)
    assert not torch.equal(one.places, other.places)


def test_a_file_of_another_network_is_refused_and_unused_keys_may_be_left_out(tmp_path: Path) -> None:
    state = XFeat().state_dict()
    torch.save({**state, f"{UNUSED}0.weight": torch.zeros(1)}, tmp_path / "more.pt")
    with pytest.raises(UserError, match="another network"):
        filled(XFeat(), tmp_path / "more.pt")
    assert not filled(XFeat(), tmp_path / "more.pt", UNUSED).training
    torch.save({name: state[name] for name in list(state)[1:]}, tmp_path / "less.pt")
    with pytest.raises(UserError, match="another network"):
        filled(XFeat(), tmp_path / "less.pt")
