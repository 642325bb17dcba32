"""The fast backend against the modules of vbench 0.1.5: same weights, same video, same inputs, features and scores.

Random networks give much the same score to every video, so what they are shown and what they answer is compared too.
"""

import json
import shutil
import warnings
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.evaluation.scorer import ScoringInput
from probekit.evaluation.vbench import weights as files
from probekit.evaluation.vbench.fast import transforms
from probekit.evaluation.vbench.fast.frame_pass import Transform, as_tensor
from probekit.evaluation.vbench.fast.motion import FlowMeter
from probekit.evaluation.vbench.fast.network_set import NetworkSet
from probekit.evaluation.vbench.fast.networks import raft
from probekit.evaluation.vbench.fast.networks.umt import Umt
from probekit.evaluation.vbench.fast.reading import VideoReading
from probekit.evaluation.vbench.fast.sampling import dynamic_indices, middle_indices
from probekit.evaluation.vbench.fast.scorers import fast_scorers
from probekit.evaluation.vbench.fast.settings import Compatibility, FastSettings
from probekit.evaluation.vbench.official.repairs import no_prints, official_module
from probekit.media.video_files import read_video, write_video
from probekit.seeding import generator
from probekit.suites.vbench import vbench_entries
from tests.equivalence.vbench_weights_folder import SMALL, small_viclip, write_weights
from tests.helpers.shared_data import SHARED

pytestmark = pytest.mark.filterwarnings("ignore")  # of the packages that are compared with

FRAMES, HEIGHT, WIDTH, FPS = 17, 128, 160, 16
FEW, SLOW_FPS = 4, 8
FEATURES, FLOW, SCORES = 1e-4, 1e-3, 1e-4
SETTINGS = FastSettings(device="cpu", unverified_weights=True)
STYLED = next(entry for entry in vbench_entries() if "appearance_style" in entry.auxiliary)
ACTION = "A person is riding a bike"


class Case(NamedTuple):
    """A video file and what the fast backend makes of it."""

    path: Path
    frames: NDArray[np.uint8]
    networks: NetworkSet
    reading: VideoReading


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """Small random networks in the official places, and 17 frames of a real video, or of a made one without it."""
    folder = tmp_path_factory.mktemp("vbench")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VBENCH_CACHE_DIR", str(folder / "vbench"))
        patch.setenv("TORCH_HOME", str(folder / "torch"))
        write_weights(SMALL)
        path = folder / "clip-0.mp4"
        write_video(path, _frames(), FPS, crf=10)
        yield _case(path, NetworkSet(SETTINGS), frozenset(files.WEIGHTS) - {"imaging_quality"})


@pytest.fixture(scope="module")
def short(case: Case) -> Case:
    """The first frames alone, for what takes long: an even number, so that AMT leaves out the last."""
    path = case.path.with_name("short-0.mp4")
    write_video(path, case.frames[:FEW], SLOW_FPS, crf=10)
    return _case(path, case.networks, frozenset({"imaging_quality"}))


def _case(path: Path, networks: NetworkSet, dimensions: frozenset[str]) -> Case:
    frames = read_video(path).frames
    return Case(path, frames, networks, VideoReading(ScoringInput(frames, FPS, ""), networks, dimensions))


def _frames() -> NDArray[np.uint8]:
    real = SHARED / "data" / "video_mirai_page" / "videos" / "bear-tree-ours.mp4"
    if real.is_file():
        frames = read_video(real).frames[:FRAMES]
        return np.stack([cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for frame in frames])
    texture = generator("fast-scores").integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
    scene = cv2.resize(texture, (2 * WIDTH, 2 * HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.stack([scene[3 * t : 3 * t + HEIGHT, 5 * t : 5 * t + WIDTH] for t in range(FRAMES)])


def _shown(case: Case, transform: Transform, indices: list[int] | None = None) -> Tensor:
    frames = case.frames if indices is None else case.frames[indices]
    return transform(as_tensor(frames, torch.device("cpu")), Compatibility())


# What the networks are shown is the same to the last bit.


@pytest.mark.long
def test_frames_are_decoded_alike(case: Case) -> None:
    utils = official_module("utils")
    assert torch.equal(utils.load_video(str(case.path)), as_tensor(case.frames, torch.device("cpu")).float())


@pytest.mark.parametrize("n_frames", [1, 7, 8, 9, 16, 80, 81, 489, 501])
def test_the_same_frames_are_chosen(n_frames: int) -> None:
    for count in (8, 16):
        official = official_module("utils").get_frame_indices(count, n_frames, sample="middle")
        assert middle_indices(n_frames, count) == [int(number) for number in official]


def test_clip_is_shown_the_same(case: Case) -> None:
    utils = official_module("utils")
    assert torch.equal(utils.clip_transform(224)(utils.load_video(str(case.path))), _shown(case, transforms.clip_input))


def test_dino_is_shown_the_same(case: Case) -> None:
    utils = official_module("utils")
    official = utils.dino_transform(224)(utils.load_video(str(case.path)))
    assert official.shape == (FRAMES, 3, 224, 280)
    assert torch.equal(official, _shown(case, transforms.dino_input))


def test_viclip_is_shown_the_same(case: Case) -> None:
    utils = official_module("utils")
    official = utils.clip_transform(224)(utils.read_frames_decord_by_fps(str(case.path), sample="middle"))
    assert torch.equal(official, _shown(case, transforms.viclip_input, middle_indices(FRAMES, 8)))


def test_the_style_is_shown_the_same(case: Case) -> None:
    utils = official_module("utils")
    pillow = [utils.Image.fromarray(frame) for frame in case.frames]
    official = torch.stack([utils.clip_transform_Image(224)(image) for image in pillow])
    assert torch.equal(official, _shown(case, transforms.style_input))


@pytest.mark.parametrize("size", [(144, 256), (295, 512), (480, 832), (832, 481)])
def test_musiq_is_shown_the_same(case: Case, size: tuple[int, int]) -> None:
    frames = np.stack([cv2.resize(frame, size[::-1]) for frame in case.frames[:2]])
    shown = as_tensor(frames, torch.device("cpu"))
    official = official_module("imaging_quality").transform(shown.float(), "longer")
    assert torch.equal(official, transforms.musiq_input(shown, Compatibility()))


def test_umt_is_shown_the_same(case: Case) -> None:
    module = official_module("human_action")
    transform = module.Compose(
        [
            module.Resize(256, interpolation="bilinear"),
            module.CenterCrop(size=(224, 224)),
            module.ClipToTensor(),
            module.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ]
    )
    official = module.load_video(str(case.path), transform, num_frames=16)
    ours = _shown(case, transforms.action_input, middle_indices(FRAMES, 16)).transpose(0, 1)
    torch.testing.assert_close(ours, official, rtol=0, atol=1e-6)


# What they answer.


def test_dino_answers_the_same(case: Case, tmp_path: Path) -> None:
    official = torch.hub.load(str(_dino_repository(tmp_path)), "dino_vitb16", source="local")
    _close(case.reading.of_frames("subject_consistency"), official(_shown(case, transforms.dino_input)))


@pytest.mark.parametrize(
    ("file", "dimension"), [(files.CLIP_B32, "background_consistency"), (files.CLIP_L14, "aesthetic_quality")]
)
def test_clip_answers_the_same(case: Case, file: files.WeightFile, dimension: str) -> None:
    official, _ = official_module("background_consistency").clip.load(str(file.path), device="cpu")
    with torch.no_grad():
        answers = official.encode_image(_shown(case, transforms.clip_input))
    _close(case.reading.of_frames(dimension), answers)


def test_musiq_answers_the_same_although_it_is_shown_no_padding(short: Case) -> None:
    official = _official_musiq()
    images = _shown(short, transforms.musiq_input)
    with torch.no_grad():
        answers = torch.cat([official(image[None]) for image in images]).flatten()
    _close(short.reading.of_frames("imaging_quality"), answers)


def test_amt_interpolates_the_same(case: Case) -> None:
    official = _official_motion()
    images = as_tensor(case.frames[:4:2], torch.device("cpu")) / 255.0
    with torch.no_grad():
        answer = official.model(images[:1], images[1:], official.embt, scale_factor=1.0, eval=True)["imgt_pred"]
        ours = case.networks.amt(images[:1], images[1:])
    _close(ours, answer)


@pytest.mark.long
def test_raft_sees_the_same_flow_whichever_pairs_are_asked_together(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert raft.ITERATIONS == 20
    monkeypatch.setattr(raft, "ITERATIONS", iterations := 3)
    official = _official_dynamic()
    sampled = case.frames[list(dynamic_indices(FRAMES, FPS, half_to_even=True))[:4]]
    images = as_tensor(sampled, torch.device("cpu")).float()
    with torch.no_grad():
        pairs = pairwise(images)
        flows = [official.model(a[None], b[None], iters=iterations, test_mode=True)[1] for a, b in pairs]
    meter = FlowMeter(sampled, case.networks)
    ours = torch.cat([meter.flow(range(0, 1)), meter.flow(range(1, 3))])
    torch.testing.assert_close(ours, torch.cat(flows), rtol=0, atol=FLOW)
    assert meter.motion(range(2, 3)) == pytest.approx([official.get_score(images[:1], flows[2])], abs=FLOW)


@pytest.mark.long
def test_dynamic_degree(short: Case, tmp_path: Path) -> None:
    submodules = {"model": str(files.RAFT_THINGS.path)}
    _same(short, "dynamic_degree", _official(short, "dynamic_degree", submodules, tmp_path))


def test_viclip_answers_the_same(case: Case) -> None:
    official = _official_viclip()
    images = _shown(case, transforms.viclip_input, middle_indices(FRAMES, 8))
    with torch.no_grad():
        _close(case.reading.viclip, official.encode_vision(images[None], test=True)[0])
        _close(case.networks.viclip.encode_text(STYLED.text), official.encode_text(STYLED.text)[0])


# Scores of the official modules' own entry points.


def test_subject_consistency(case: Case, tmp_path: Path) -> None:
    source = {"repo_or_dir": str(_dino_repository(tmp_path)), "source": "local", "model": "dino_vitb16"}
    submodules = {**source, "path": "ignored by torch.hub", "read_frame": False}
    _same(case, "subject_consistency", _official(case, "subject_consistency", submodules, tmp_path))


def test_background_consistency(case: Case, tmp_path: Path) -> None:
    official = _official(case, "background_consistency", [str(files.CLIP_B32.path), False], tmp_path)
    _same(case, "background_consistency", official)


def test_temporal_flickering_to_1e_8(case: Case, tmp_path: Path) -> None:
    official = _official(case, "temporal_flickering", [], tmp_path)
    assert _score(case, "temporal_flickering") == pytest.approx(official, abs=1e-8)


def test_motion_smoothness(short: Case, tmp_path: Path) -> None:
    submodules = {"config": _amt_config(), "ckpt": str(files.AMT_S.path)}
    _same(short, "motion_smoothness", _official(short, "motion_smoothness", submodules, tmp_path))


def test_aesthetic_quality(case: Case, tmp_path: Path) -> None:
    submodules = [str(files.CLIP_L14.path), str(files.AESTHETIC_HEAD.path.parent)]
    _same(case, "aesthetic_quality", _official(case, "aesthetic_quality", submodules, tmp_path))


@pytest.mark.long
def test_imaging_quality(short: Case) -> None:
    official, _ = official_module("imaging_quality").technical_quality(_official_musiq(), [str(short.path)], "cpu")
    _same(short, "imaging_quality", official)


def test_overall_consistency_and_temporal_style(case: Case) -> None:
    for dimension in ("overall_consistency", "temporal_style"):
        information = [{"prompt": STYLED.text, "video_list": [str(case.path)]}]
        compute = vars(official_module(dimension))[dimension]
        official, _ = compute(_official_viclip(), information, None, "cpu")
        _same(case, dimension, float(official))


def test_appearance_style(case: Case, tmp_path: Path) -> None:
    official = _official(case, "appearance_style", {"name": str(files.CLIP_B32.path)}, tmp_path)
    _same(case, "appearance_style", official)


@pytest.mark.parametrize("sure", [False, True])
def test_human_action(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sure: bool) -> None:
    state = torch.load(files.UMT.path, weights_only=True)
    state["head.bias"][0] = 20.0 if sure else 0.0  # "riding a bike" is the first action
    path = tmp_path / "umt.pth"
    torch.save(state, path)
    monkeypatch.setattr(official_module("human_action"), "create_model", lambda *_, **__: Umt(*SMALL.umt, 400).network)
    video = tmp_path / f"{ACTION}-0.mp4"
    shutil.copy(case.path, video)
    official = _official(case._replace(path=video), "human_action", [str(path)], tmp_path)
    monkeypatch.setattr(NetworkSet, "_path", lambda *_: path)
    assert _score(case, "human_action", ACTION) == official == float(sure)


def _official(case: Case, dimension: str, submodules: Any, tmp_path: Path) -> float:
    """The official score of the one video; per-video values are the same up to MUSIQ's factor 100."""
    entry: Mapping[str, Any] = {
        "prompt_en": STYLED.text,
        "dimension": [dimension],
        "video_list": [str(case.path)],
        "auxiliary_info": dict(STYLED.auxiliary),
    }
    listing = tmp_path / f"{dimension}.json"
    listing.write_text(json.dumps([entry]))
    with warnings.catch_warnings(), no_prints():
        warnings.simplefilter("ignore")
        compute = vars(official_module(dimension))[f"compute_{dimension}"]
        score, _ = compute(str(listing), torch.device("cpu"), submodules)
    return float(score)


def _score(case: Case, dimension: str, prompt: str = STYLED.text) -> float:
    scorers = {scorer.dimension: scorer for scorer in fast_scorers(SETTINGS).scorers}
    fps = FPS if len(case.frames) == FRAMES else SLOW_FPS
    video = ScoringInput(case.frames, fps, prompt, dimensions=frozenset({dimension}))
    value = scorers[dimension].score(video).value
    assert value is not None
    return value


def _same(case: Case, dimension: str, official: float) -> None:
    assert _score(case, dimension) == pytest.approx(official, abs=SCORES)


def _close(ours: Tensor, official: Tensor) -> None:
    torch.testing.assert_close(ours, official.float(), rtol=0, atol=FEATURES)


def _dino_repository(tmp_path: Path) -> Path:
    target = tmp_path / "dino"
    shutil.copytree(Path(__file__).with_name("dino_repository"), target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def _amt_config() -> str:
    return str(Path(official_module("utils").__file__).parent / "third_party" / "amt" / "cfgs" / "AMT-S.yaml")


def _official_motion() -> Any:
    with no_prints():
        return official_module("motion_smoothness").MotionSmoothness(_amt_config(), str(files.AMT_S.path), "cpu")


def _official_dynamic() -> Any:
    module = official_module("dynamic_degree")
    arguments = {"small": False, "mixed_precision": False, "alternate_corr": False}
    return module.DynamicDegree(module.edict(model=str(files.RAFT_THINGS.path), **arguments), "cpu")


def _official_musiq() -> Any:
    network = official_module("imaging_quality").MUSIQ(pretrained=False, num_layers=SMALL.musiq_layers)
    network.load_state_dict(torch.load(files.MUSIQ.path, weights_only=True)["params"])
    network.training = False
    return network


def _official_viclip() -> Any:
    network = small_viclip(*SMALL.viclip)
    network.load_state_dict(torch.load(files.VICLIP.path, weights_only=True)["model"])
    return network
