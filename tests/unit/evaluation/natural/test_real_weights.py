"""What the published weights must say: published values, known cuts, known classes."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage import data, filters, transform
from torchvision.models import EfficientNet_B0_Weights

from probekit.evaluation.natural import formulas, readers
from probekit.evaluation.natural.brisque import score
from probekit.evaluation.natural.frames import resized
from probekit.evaluation.natural.networks import loading
from probekit.evaluation.natural.networks.efficientnet_lite import IMAGE_SIDE, MEAN, STD
from probekit.evaluation.natural.networks.st_lpips import StLpips
from probekit.evaluation.natural.networks.xfeat import XFeat
from probekit.evaluation.natural.scorers import brisque_model
from probekit.evaluation.natural.setup import wanted
from probekit.media.video_files import read_video
from probekit.seeding import generator
from tests.helpers.shared_data import shared_path

if wanted():
    pytest.skip("needs published weights; `probekit natural setup` brings them", allow_module_level=True)

pytestmark = pytest.mark.real_weights
Frame = NDArray[np.uint8]


def distance(network: StLpips, a: Frame, b: Frame) -> float:
    with torch.inference_mode():
        inputs = [torch.from_numpy(np.array(each)).permute(2, 0, 1)[None].float() / 127.5 - 1 for each in (a, b)]
        return float(network(*inputs))


def blurred(frame: Frame, sigma: float) -> Frame:
    return (filters.gaussian(frame, sigma, channel_axis=-1) * 255).round().astype(np.uint8)


def noisy(frame: Frame, levels: float) -> Frame:
    noise = generator("noise").normal(0, levels, frame.shape)
    return np.clip(frame + noise, 0, 255).round().astype(np.uint8)


@pytest.mark.parametrize(("name", "published"), [("alex", 0.778), ("vgg", 0.652)])
def test_st_lpips_has_the_published_value_on_its_example(name: str, published: float) -> None:
    folder = shared_path("data", "perceptual_similarity")  # imgs/ex_ref.png and ex_p0.png of PerceptualSimilarity
    reference, blurry, other = (
        np.asarray(Image.open(folder / f"ex_{each}.png").convert("RGB")) for each in ("ref", "p0", "p1")
    )
    network = {"alex": loading.st_lpips_alex, "vgg": loading.st_lpips_vgg}[name]()
    assert distance(network, reference, blurry) == pytest.approx(published, abs=5e-4)
    assert distance(network, reference, other) < 0.2


def test_st_lpips_grows_with_blur_and_noise_and_hardly_with_a_shift() -> None:
    image = data.astronaut()[:256, :256]
    network = loading.st_lpips_alex()
    blur = [distance(network, image, blurred(image, sigma)) for sigma in (1, 2, 4)]
    noise = [distance(network, image, noisy(image, levels)) for levels in (10, 30, 60)]
    assert blur == pytest.approx([0.12, 0.38, 0.58], abs=0.01)
    assert noise == pytest.approx([0.19, 0.63, 0.80], abs=0.01)
    assert distance(network, image[:, 1:], image[:, :-1]) < 0.01


def test_imagenet_classes_of_a_cat_and_a_cup_of_espresso() -> None:
    names = EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]
    mean, std = (torch.tensor(each)[None, :, None, None] * 255 for each in (MEAN, STD))
    for image, expected in ((data.chelsea(), "Egyptian cat"), (data.coffee(), "espresso")):
        with torch.inference_mode():
            logits = loading.efficientnet()((resized(image[None], IMAGE_SIDE, IMAGE_SIDE) - mean) / std)
        assert names[int(logits.argmax())] == expected


def test_known_cuts_are_found_at_their_frames_and_lower_consistency() -> None:
    clip = read_video(shared_path("data", "natural", "street-cuts.mp4"))
    frames = clip.frames[:100]
    assert formulas.last_frames_of_shots(readers.shot_ends(frames)) == [29, 75]
    before, across = (
        formulas.consistency(readers.image_features(frames[part])).value for part in (slice(24, 30), slice(27, 33))
    )
    assert before is not None
    assert across is not None
    assert before > 0.9
    assert across < 0.75


def test_brisque_is_worse_the_more_blur_and_the_more_noise() -> None:
    for image, clean in ((data.astronaut(), 10.8), (data.coffee(), 3.0)):
        model = brisque_model()
        values = [score(image, model)]
        assert values[0] == pytest.approx(clean, abs=0.5)
        for change, amounts in ((blurred, (2, 4)), (noisy, (20, 50))):
            row = [values[0], *(score(change(image, amount), model) for amount in amounts)]
            assert row == sorted(row)
            assert row[1] - row[0] > 15


def errors_of_matches(network: XFeat, image: Frame, way: transform.ProjectiveTransform) -> NDArray[np.float64]:
    """Distances in px of matches from where a homography takes them."""
    warped = (transform.warp(image, way.inverse) * 255).round().astype(np.uint8)
    with torch.inference_mode():
        one, other = network.keypoints(resized(np.stack([image, warped]), *image.shape[:2]), 1000)
    ours, theirs = formulas.mutual_matches(one.descriptors.double().numpy(), other.descriptors.double().numpy())
    found: NDArray[np.float64] = np.linalg.norm(way(one.places.numpy()[ours]) - other.places.numpy()[theirs], axis=1)
    return found


def test_matches_follow_a_known_homography_and_those_of_random_weights_do_not() -> None:
    turn = transform.SimilarityTransform(scale=0.75, rotation=np.radians(30), translation=(162.0, -10.0))
    way = transform.ProjectiveTransform(turn.params + np.array([[0.0] * 3, [0.0] * 3, [2e-4, -1e-4, 0.0]]))
    torch.manual_seed(0)
    real, random = (errors_of_matches(network, data.astronaut(), way) for network in (loading.xfeat(), XFeat().eval()))
    assert len(real) > 300
    assert (real < 8).mean() > 0.8
    assert (real < 16).mean() > 0.95
    assert (random < 16).mean() < 0.2
