"""The fast backend's scorers: what runs, ids, guards, switches and sharing; official parity is in tests/equivalence."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from probekit.cli.main import app
from probekit.devices import chosen_device
from probekit.errors import UserError
from probekit.evaluation.scorer import ScoringInput, frames_to_decode
from probekit.evaluation.scoring.backends import scorers_for
from probekit.evaluation.vbench import weights as files
from probekit.evaluation.vbench.fast import formulas, transforms
from probekit.evaluation.vbench.fast.engine import FastEngine
from probekit.evaluation.vbench.fast.frame_pass import FrameReader, Transform, read_frames
from probekit.evaluation.vbench.fast.guard import BrokenNetworkError, check_features, check_weights
from probekit.evaluation.vbench.fast.motion import FlowMeter, dynamic_degree
from probekit.evaluation.vbench.fast.network_set import NetworkSet
from probekit.evaluation.vbench.fast.networks import raft
from probekit.evaluation.vbench.fast.networks.weight_reading import read_state
from probekit.evaluation.vbench.fast.reading import VideoReading
from probekit.evaluation.vbench.fast.scorers import FastScorer, fast_scorers
from probekit.evaluation.vbench.fast.settings import Compatibility, FastSettings
from probekit.evaluation.vbench.temporal_flickering import TEMPORAL_FLICKERING, temporal_flickering
from probekit.media.seeking import read_frames_at
from probekit.media.video_files import read_video, write_video
from probekit.run_folder.score_table import read_scores
from probekit.seeding import generator
from tests.equivalence.vbench_weights_folder import write_weights
from tests.helpers.bad_videos import write_frames

pytestmark = pytest.mark.filterwarnings("ignore")  # of the packages that bring the networks

CPU = torch.device("cpu")
SETTINGS = FastSettings(device="cpu", unverified_weights=True)
FRAME_DIMENSIONS = frozenset({"subject_consistency", "background_consistency", "aesthetic_quality"})


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VBENCH_CACHE_DIR", str(folder / "vbench"))
        patch.setenv("TORCH_HOME", str(folder / "torch"))
        write_weights(only=FRAME_DIMENSIONS | {"overall_consistency"})
        yield folder


@pytest.fixture
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VBENCH_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


def _video(n_frames: int = 3, height: int = 60, width: int = 90) -> np.ndarray:
    return generator("fast-scorers").integers(0, 256, (n_frames, height, width, 3), dtype=np.uint8)


def _scorers(settings: FastSettings = SETTINGS) -> dict[str, FastScorer]:
    return {scorer.dimension: scorer for scorer in fast_scorers(settings).scorers if isinstance(scorer, FastScorer)}


@pytest.mark.usefixtures("no_weights")
def test_without_weights_flickering_runs_and_the_others_name_their_files() -> None:
    found = scorers_for("vbench", "fast")
    assert [scorer.dimension for scorer in found.scorers] == ["temporal_flickering"]
    reasons = dict(found.not_run)
    assert len(reasons) == 15
    assert str(files.DINO.path) in reasons["subject_consistency"]
    assert "LAION" in reasons["aesthetic_quality"]
    assert "--backend official" in reasons["scene"]


@pytest.mark.usefixtures("weights")
def test_dimensions_with_weights_run() -> None:
    assert set(_scorers()) == FRAME_DIMENSIONS | {"overall_consistency", "temporal_style", "appearance_style"}


@pytest.mark.usefixtures("weights")
def test_weights_that_are_not_the_published_ones_are_refused_unless_asked_for() -> None:
    video = ScoringInput(_video(), 16, "")
    with pytest.raises(UserError, match="PROBEKIT_UNVERIFIED_WEIGHTS"):
        _scorers(FastSettings(device="cpu"))["subject_consistency"].score(video)
    assert _scorers()["subject_consistency"].score(video).value is not None


@pytest.mark.usefixtures("weights")
def test_ids_say_weights_precision_and_quirks_that_are_off() -> None:
    plain = _scorers()["subject_consistency"].scorer_id
    assert plain == f"subject_consistency+{files.weights_id([files.DINO])}+fast.1"
    settings = SETTINGS.model_copy(
        update={"precision": "bfloat16", "compatibility": Compatibility(dino_uncropped=False)}
    )
    assert _scorers(settings)["subject_consistency"].scorer_id == f"{plain}+no_dino_uncropped+bfloat16"
    shapes = SETTINGS.model_copy(update={"batch_frames": 4, "flow_memory_mib": 64})
    assert _scorers(shapes)["subject_consistency"].scorer_id == f"{plain}+batch_frames_4+flow_memory_mib_64"


@pytest.mark.usefixtures("weights")
def test_only_rows_whose_unit_changed_have_a_new_version() -> None:
    versions = {name: scorer.scorer_id.split("+")[2] for name, scorer in _scorers().items()}
    assert {name for name, version in versions.items() if version == "fast.2"} == {
        "aesthetic_quality", "appearance_style", "temporal_style", "overall_consistency",
    }  # fmt: skip
    assert set(versions.values()) == {"fast.1", "fast.2"}


def test_flickering_is_the_weight_free_scorers_to_the_last_bit_and_has_its_id() -> None:
    fast = next(scorer for scorer in fast_scorers().scorers if scorer.dimension == "temporal_flickering")
    video = ScoringInput(_video(5, 31, 47), 16, "")
    assert fast.score(video) == temporal_flickering(video)
    assert fast.scorer_id == TEMPORAL_FLICKERING.scorer_id
    assert fast.score(ScoringInput(_video(1), 16, "")).value is None


@pytest.mark.usefixtures("weights")
def test_the_frame_weighted_sums_pool_as_the_official_score_does() -> None:
    scorer = _scorers()["subject_consistency"]
    scores = [scorer.score(ScoringInput(_video(n), 16, "")) for n in (2, 4)]
    assert [score.denominator for score in scores] == [1.0, 3.0]
    assert scores[1].value == pytest.approx((scores[1].numerator or 0) / 3)
    assert scorer.score(ScoringInput(_video(1), 16, "")).reason == "a single frame has no neighbour"


@pytest.mark.long
@pytest.mark.usefixtures("weights")
def test_lower_precision_only_when_asked() -> None:
    video = ScoringInput(_video(), 16, "")
    lower = SETTINGS.model_copy(update={"precision": "bfloat16"})
    full, low = (FastEngine(FRAME_DIMENSIONS, settings).reading(video) for settings in (SETTINGS, lower))
    pairs = [(full.of_frames(name), low.of_frames(name)) for name in sorted(FRAME_DIMENSIONS)]
    for a, b in [*pairs, (full.viclip, low.viclip)]:
        assert not torch.equal(a, b)
        torch.testing.assert_close(a, b, rtol=0.1, atol=0.1)


@pytest.mark.usefixtures("weights")
def test_features_do_not_depend_on_the_batch() -> None:
    video, name = ScoringInput(_video(5), 16, ""), "background_consistency"
    readings = [
        VideoReading(video, NetworkSet(SETTINGS.model_copy(update={"batch_frames": batch})), frozenset({name}))
        for batch in (2, 5)
    ]
    torch.testing.assert_close(readings[0].of_frames(name), readings[1].of_frames(name), rtol=0, atol=1e-5)


@pytest.mark.usefixtures("weights")
def test_a_network_that_cannot_be_loaded_does_not_take_the_others_along(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FastEngine(FRAME_DIMENSIONS, SETTINGS)
    reading = engine.reading(ScoringInput(_video(), 16, ""))
    monkeypatch.setattr(NetworkSet, "_clip", _refuse)
    assert len(reading.of_frames("subject_consistency")) == 3
    with pytest.raises(UserError, match="no CLIP today"):
        reading.of_frames("aesthetic_quality")


def _refuse(*_: object) -> None:
    raise UserError("There is no CLIP today.", "wait.")


@pytest.mark.usefixtures("weights")
def test_only_what_is_asked_of_a_video_is_read() -> None:
    engine = FastEngine(FRAME_DIMENSIONS, SETTINGS)
    video = ScoringInput(_video(), 16, "", dimensions=frozenset({"subject_consistency"}))
    engine.reading(video).of_frames("subject_consistency")
    assert "dino" in vars(engine.networks)
    assert "clip_l14" not in vars(engine.networks)
    assert engine.reading(video) is engine.reading(video)
    assert engine.reading(video) is not engine.reading(ScoringInput(_video(), 16, ""))


@pytest.mark.usefixtures("weights")
def test_a_text_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, calls = FastEngine(frozenset({"overall_consistency"}), SETTINGS), []
    encode = engine.networks.viclip.encode_text
    monkeypatch.setattr(engine.networks.viclip, "encode_text", lambda text: calls.append(text) or encode(text))
    assert torch.equal(engine.viclip_text("a cat"), engine.viclip_text("a cat"))
    assert calls == ["a cat"]


def test_readers_of_one_transform_share_its_input() -> None:
    calls: list[int] = []

    def halved(frames: Tensor, _: Compatibility) -> Tensor:
        calls.append(len(frames))
        return frames.float() / 2

    readers = [FrameReader("mean", halved, lambda x: x.mean((2, 3))), FrameReader("sum", halved, lambda x: x.sum(1))]
    features = read_frames(_video(5), readers, Compatibility(), CPU, batch=2)
    assert calls == [2, 2, 1]
    expected = torch.from_numpy(_video(5)).double().mean((1, 2)) / 2
    torch.testing.assert_close(features["mean"].double(), expected)


@pytest.mark.parametrize(
    ("switch", "transform"),
    [
        ("resize_without_antialias", transforms.dino_input),
        ("resize_without_antialias", transforms.clip_input),
        ("clip_resize_overshoot", transforms.clip_input),
        ("viclip_resize_rounded", transforms.viclip_input),
        ("dino_uncropped", transforms.dino_input),
        ("musiq_longer_side_512", transforms.musiq_input),
        ("style_through_pillow", transforms.style_input),
    ],
)
def test_every_switch_of_the_inputs_changes_them(switch: str, transform: Transform) -> None:
    frames = torch.from_numpy(_video(1, 300, 520)).permute(0, 3, 1, 2)
    kept, changed = transform(frames, Compatibility()), transform(frames, Compatibility.model_validate({switch: False}))
    assert kept.shape != changed.shape or not torch.allclose(kept, changed, atol=1e-3)


def test_interpolated_frames_are_truncated_or_rounded() -> None:
    predicted = torch.full((1, 3, 2, 2), 10.9 / 255)
    real = np.full((1, 2, 2, 3), 11, np.uint8)
    assert formulas.smoothness(predicted, real, truncated=True) == 12.0
    assert formulas.smoothness(predicted, real, truncated=False) == 0.0


def test_confidences_are_rounded_before_the_threshold() -> None:
    logits = torch.full((400,), -20.0)
    logits[7] = float(np.log(0.84996 / (1 - 0.84996)))
    actions = [str(number) for number in range(400)]
    assert formulas.action_recognised(logits, "7", actions, rounded=True).value == 1.0
    assert formulas.action_recognised(logits, "7", actions, rounded=False).value == 0.0
    assert formulas.action_recognised(logits, "8", actions, rounded=True).value == 0.0


def test_motion_is_the_mean_of_the_fastest_twentieth() -> None:
    flow = torch.zeros(1, 2, 10, 10)
    flow[0, 0, 0, :5] = torch.tensor([3.0, 6.0, 9.0, 12.0, 15.0])
    flow[0, 1, 0, :5] = torch.tensor([4.0, 8.0, 12.0, 16.0, 20.0])
    assert formulas.flow_motion(flow) == pytest.approx([15.0])


def test_zeroed_or_damaged_weights_are_named(tmp_path: Path) -> None:
    for bad, said in ((torch.zeros(2, 2), "all zero"), (torch.tensor([1.0, torch.nan]), "not finite")):
        path = tmp_path / "weights.pth"
        torch.save({"layer.weight": bad}, path)
        with pytest.raises(BrokenNetworkError, match=f"layer.weight.*{said}"):
            read_state(path, "a network")
    check_weights({"bias": torch.zeros(3), "steps": torch.zeros(2, 2, dtype=torch.long)}, "a network")


def test_features_that_say_nothing_are_refused() -> None:
    with pytest.raises(BrokenNetworkError, match="NaN"):
        check_features(torch.tensor([[1.0, torch.nan]]), "DINO")
    with pytest.raises(BrokenNetworkError, match="constant"):
        check_features(torch.tensor([[1.0, 2.0], [3.0, 3.0]]), "DINO")
    frozen = torch.tensor([[1.0, 2.0], [1.0, 2.0]])
    assert check_features(frozen, "DINO") is frozen


def test_objects_in_a_weight_file_are_never_run(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": Path("x")}, path)
    with pytest.raises(UserError, match="Save its weights alone"):
        read_state(path, "a network")


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match="cuda:99"):
        chosen_device("cuda:99")


@pytest.mark.parametrize("crf", [None, 23])
def test_frames_by_number_are_those_of_the_whole_video(tmp_path: Path, crf: int | None) -> None:
    path = tmp_path / "video.mp4"
    write_video(path, _video(40, 32, 48), 16, crf=crf)
    numbers = [0, 3, 17, 17, 39]
    assert np.array_equal(read_frames_at(path, numbers, 40), read_video(path).frames[numbers])
    with pytest.raises(UserError, match="40 frames, not the expected 41"):
        read_frames_at(path, [0], 41)


def test_a_rotated_video_is_turned_upright(tmp_path: Path) -> None:
    path = tmp_path / "turned.mp4"
    write_frames(path, width=48, rotation=90)
    whole = read_video(path).frames
    assert np.array_equal(read_frames_at(path, [2], len(whole)), whole[2:3])


@pytest.mark.usefixtures("weights")
def test_a_video_of_which_only_the_asked_frames_were_decoded_scores_the_same() -> None:
    scorer, frames = _scorers()["overall_consistency"], _video(40)
    numbers = frames_to_decode([scorer], len(frames))
    assert numbers is not None
    assert len(numbers) == 8
    sparse = ScoringInput(frames[list(numbers)], 16, "a cat", indices=numbers, n_frames=len(frames))
    assert scorer.score(sparse) == scorer.score(ScoringInput(frames, 16, "a cat"))
    assert frames_to_decode([scorer, _scorers()["subject_consistency"]], 40) is None
    assert frames_to_decode([TEMPORAL_FLICKERING], 40) is None


def _raft(settings: FastSettings, monkeypatch: pytest.MonkeyPatch) -> NetworkSet:
    monkeypatch.setattr(raft, "ITERATIONS", 1)
    networks = NetworkSet(settings)
    torch.manual_seed(0)
    vars(networks)["raft"] = raft.Raft().eval()
    return networks


def _switched(**switches: bool) -> FastSettings:
    return SETTINGS.model_copy(update={"compatibility": Compatibility.model_validate(switches)})


def test_padding_counts_among_the_flow_unless_it_is_cut_away(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = _video(2, 130, 140)
    kept = FlowMeter(frames, _raft(SETTINGS, monkeypatch)).flow(range(1))
    cut = FlowMeter(frames, _raft(_switched(flow_of_padding=False), monkeypatch)).flow(range(1))
    assert kept.shape == (1, 2, 136, 144)
    assert torch.equal(cut, kept[:, :, 3:133, 2:142])


def test_frames_are_encoded_once_though_they_stand_in_two_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    networks, encoded = _raft(SETTINGS, monkeypatch), []
    encode = networks.raft.encode
    monkeypatch.setattr(networks.raft, "encode", lambda images: encoded.append(len(images)) or encode(images))
    meter = FlowMeter(_video(4, 128, 128), networks)
    meter.motion(range(0, 1))
    meter.motion(range(1, 3))
    assert encoded == [2, 2]


@pytest.mark.parametrize(("half_to_even", "needed"), [(True, 2), (False, 3)])
def test_the_rounding_decides_how_many_pairs_must_move(
    monkeypatch: pytest.MonkeyPatch, half_to_even: bool, needed: int
) -> None:
    """Of 10 sampled frames 2.5 must move; all do."""
    monkeypatch.setattr(FlowMeter, "motion", lambda _, pairs: [100.0 for _ in pairs])
    networks = NetworkSet(_switched(round_half_to_even=half_to_even))
    assert dynamic_degree(_video(10), 8, networks) == (True, needed)


def test_memory_and_batch_limit_the_pairs_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(FlowMeter, "motion", lambda _, pairs: asked.append(len(pairs)) or [0.0 for _ in pairs])
    frames = _video(33, 256, 256)  # 1024 places, 5.6 MB a pair
    for settings in (SETTINGS, SETTINGS.model_copy(update={"flow_memory_mib": 12})):
        dynamic_degree(frames, 8, NetworkSet(settings))
    assert asked == [8, 8, 8, 1] + [2] * 12 + [1]  # after 25 still pairs of 32, 8 moving ones are out of reach


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize(("half", "dtype"), [(True, torch.float16), (False, torch.float32)])
def test_clip_keeps_half_precision_on_a_gpu(monkeypatch: pytest.MonkeyPatch, half: bool, dtype: torch.dtype) -> None:
    networks = NetworkSet(_switched(clip_half_on_gpu=half))
    assert next(networks.clip_b32.network.visual.parameters()).dtype == torch.float32
    del vars(networks)["clip_b32"]
    networks.device = torch.device("cuda")
    monkeypatch.setattr(NetworkSet, "_placed", lambda _, network: network)
    assert networks.clip_b32.network.visual.conv1.weight.dtype == dtype


@pytest.mark.usefixtures("weights")
def test_a_set_of_videos_is_scored_from_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(files.UNVERIFIED_VARIABLE, "1")
    folder = tmp_path / "videos"
    write_video(folder / "a cat-0.mp4", _video(9), 16)
    result = CliRunner().invoke(app, ["score", str(folder), "--out", str(tmp_path / "out"), "--backend", "fast"])
    assert result.exit_code == 0, result.output
    tables = list((tmp_path / "out").rglob("scores"))
    assert set(read_scores(tables[0])["dimension"]) >= FRAME_DIMENSIONS | {"overall_consistency"}
