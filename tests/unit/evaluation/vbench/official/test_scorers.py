"""VBench's own modules as scorers, in this process."""

import json
import shutil
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import clip
import numpy as np
import pytest
import torch

from probekit.errors import UserError
from probekit.evaluation.scorer import ScoringInput
from probekit.evaluation.scoring.backends import scorers_for
from probekit.evaluation.vbench.official.inputs import accepted_name, action_label
from probekit.evaluation.vbench.official.repairs import official_module
from probekit.evaluation.vbench.official.scorers import OfficialScorer, official_scorers
from probekit.evaluation.vbench.official.sessions import dino_repository
from probekit.evaluation.vbench.weights import (
    AMT_S,
    CLIP_B32,
    CLIP_L14,
    MUSIQ,
    RAFT_THINGS,
    UMT,
    VICLIP,
    VICLIP_VOCABULARY,
    weight_hash,
)
from probekit.media.video_files import read_video
from probekit.suites.dimension_constants import VBENCH
from probekit.suites.vbench import vbench_entries
from tests.helpers.official_weights import write_aesthetic, write_clip, write_clip_video, write_dino
from tests.helpers.shared_data import video_page_path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache whose files need not be the published ones."""
    monkeypatch.setenv("VBENCH_CACHE_DIR", str(tmp_path / "vbench"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("PROBEKIT_VBENCH_ENVIRONMENT", str(tmp_path / "environment"))
    monkeypatch.setenv("PROBEKIT_UNVERIFIED_WEIGHTS", "1")
    return tmp_path


def scorer(dimension: str) -> OfficialScorer:
    return OfficialScorer(VBENCH[dimension], "cpu")


def opened(path: Path, prompt: str = "a cat", prompt_id: str | None = None) -> ScoringInput:
    clip = read_video(path)
    return ScoringInput(clip.frames, clip.fps, prompt, prompt_id, path)


def official_result(dimension: str, path: Path, submodules: Any, auxiliary: Any = None) -> tuple[float, list[Any]]:
    """What the official `compute_<dimension>` says of one video."""
    entry: dict[str, Any] = {"prompt_en": "a cat", "dimension": [dimension], "video_list": [str(path)]}
    if auxiliary is not None:
        entry["auxiliary_info"] = {dimension: auxiliary}
    info = path.with_suffix(".json")
    info.write_text(json.dumps([entry]))
    module = official_module(dimension)
    result: tuple[float, list[Any]] = vars(module)[f"compute_{dimension}"](str(info), torch.device("cpu"), submodules)
    return result


def namespace(thing: Any) -> dict[str, Any]:
    """The names of the module that defines a class or function."""
    return vars(sys.modules[thing.__module__])


@pytest.mark.parametrize(
    ("name", "official"),
    [
        ("bear-tree-base", 0.948712786506204),
        ("bear-tree-ours", 0.9538522234150008),
        ("burger-base", 0.988485621471031),
        ("burger-ours", 0.9842750100528492),
    ],
)
def test_flickering_of_real_videos(name: str, official: float) -> None:
    """Values that the package gave beside OpenCV 4; the float32 means of another OpenCV differ by 4e-9."""
    score = scorer("temporal_flickering").score(opened(video_page_path("videos", f"{name}.mp4")))
    assert score.value == pytest.approx(official, abs=1e-8)


def test_background_consistency_is_the_official_one(tmp_path: Path) -> None:
    write_clip()
    path = write_clip_video(tmp_path / "a cat-0.mp4")
    expected, records = official_result("background_consistency", path, [str(CLIP_B32.path), False])
    this = scorer("background_consistency")
    score = this.score(opened(path))
    assert score.value == pytest.approx(expected, abs=1e-12)
    assert score.denominator == records[0]["cnt_per_video"] == 4
    assert score.numerator == pytest.approx(records[0]["video_sim"])
    assert this.scorer_id == f"background_consistency+{weight_hash(CLIP_B32.path)[:12]}+vbench-0.1.5"


def test_subject_consistency_is_the_official_one_and_counts_frames(tmp_path: Path) -> None:
    write_dino()
    path = write_clip_video(tmp_path / "a cat-0.mp4")
    repository = {"repo_or_dir": str(dino_repository()), "source": "local", "model": "dino_vitb16", "read_frame": False}
    expected, _ = official_result("subject_consistency", path, repository)
    score = scorer("subject_consistency").score(opened(path))
    assert score.value == pytest.approx(expected, abs=1e-9)
    assert score.numerator == pytest.approx(4 * expected)
    assert score.denominator == 4


def test_aesthetic_quality_is_the_official_one(tmp_path: Path) -> None:
    write_aesthetic()
    path = write_clip_video(tmp_path / "a cat-0.mp4")
    head = str(CLIP_L14.path.parents[1] / "aesthetic_model" / "emb_reader")
    expected, _ = official_result("aesthetic_quality", path, [str(CLIP_L14.path), head])
    assert scorer("aesthetic_quality").score(opened(path)).value == pytest.approx(expected, abs=1e-9)


def test_appearance_style_looks_for_what_the_list_states(tmp_path: Path) -> None:
    write_clip()
    entry = next(entry for entry in vbench_entries() if "appearance_style" in entry.dimensions)
    path = write_clip_video(tmp_path / "suite__0__000.mp4", 3)
    style = dict(entry.auxiliary["appearance_style"])
    expected, records = official_result("appearance_style", path, {"name": str(CLIP_B32.path)}, style)
    this = scorer("appearance_style")
    score = this.score(opened(path, entry.text, entry.prompt_id))
    assert score.value == pytest.approx(expected, abs=1e-9)
    assert score.denominator == len(records[0]["frame_results"]) == 3
    with pytest.raises(UserError, match="says nothing about appearance_style"):
        this.score(opened(path, "a cat", "9999"))


@pytest.mark.long
def test_motion_and_dynamics_are_the_official_ones(tmp_path: Path) -> None:
    path = write_clip_video(tmp_path / "a cat-0.mp4", height=128, width=160)
    torch.manual_seed(0)
    motion = official_module("motion_smoothness")
    config = Path(motion.__file__).parent / "third_party" / "amt" / "cfgs" / "AMT-S.yaml"
    network = motion.build_from_cfg(motion.OmegaConf.load(config).network)
    AMT_S.path.parent.mkdir(parents=True)
    # AMT's trainer saves the state of its optimizer beside the weights, with NumPy's numbers in it.
    optimizer = {"lr": np.float64(0.1)}
    torch.save({"state_dict": network.state_dict(), "optim": optimizer}, AMT_S.path)
    score = scorer("motion_smoothness").score(opened(path))
    torch.save({"state_dict": network.state_dict()}, tmp_path / "plain.pth")
    submodules = {"config": str(config), "ckpt": str(tmp_path / "plain.pth")}
    assert score.value == pytest.approx(official_result("motion_smoothness", path, submodules)[0], abs=1e-12)

    module = official_module("dynamic_degree")
    RAFT_THINGS.path.parent.mkdir(parents=True)
    raft = module.RAFT(module.edict({"small": False, "mixed_precision": False, "alternate_corr": False}))
    torch.save({f"module.{name}": tensor for name, tensor in raft.state_dict().items()}, RAFT_THINGS.path)
    moves = official_result("dynamic_degree", path, {"model": str(RAFT_THINGS.path)})[0]
    assert scorer("dynamic_degree").score(opened(path)).value == float(moves)


@pytest.mark.long
def test_imaging_quality_is_the_official_one_divided_by_100(tmp_path: Path) -> None:
    path = write_clip_video(tmp_path / "a cat-0.mp4", 2)
    torch.manual_seed(0)
    MUSIQ.path.parent.mkdir(parents=True)
    torch.save(official_module("imaging_quality").MUSIQ(pretrained=False).state_dict(), MUSIQ.path)
    expected, records = official_result("imaging_quality", path, {"model_path": str(MUSIQ.path)})
    value = scorer("imaging_quality").score(opened(path)).value
    assert value == pytest.approx(expected, abs=1e-9) == records[0]["video_results"] / 100


@pytest.mark.long
def test_human_action_agrees_with_the_official_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = official_module("human_action")
    names = module.build_dict()
    riding = int(next(number for number, name in names.items() if name == "riding a bike"))

    def narrow(*_: Any, **settings: Any) -> torch.nn.Module:
        """The official network class, narrow, in the place of its large preset."""
        known = {name: value for name, value in settings.items() if name not in ("pretrained", "drop_block_rate")}
        model: torch.nn.Module = namespace(preset)["VisionTransformer"](
            patch_size=16, embed_dim=64, depth=1, num_heads=1, mlp_ratio=1, **known
        )
        return model

    preset = module.vit_large_patch16_224
    monkeypatch.setattr(module, "vit_large_patch16_224", narrow)
    monkeypatch.setattr(module, "create_model", narrow)
    torch.manual_seed(0)
    state = narrow(num_classes=400, all_frames=16, tubelet_size=1, init_scale=0.001, use_mean_pooling=True).state_dict()
    state["head.bias"][riding] = 9.0
    UMT.path.parent.mkdir(parents=True)
    torch.save({**state, "another network's": torch.zeros(1)}, UMT.path)

    for prompt, expected in (("A person is riding a bike", True), ("A person is marching", False)):
        path = write_clip_video(tmp_path / f"{prompt}-0.mp4", 17)
        accuracy, records = official_result("human_action", path, [str(UMT.path)])
        assert records[0]["video_results"] is expected
        assert scorer("human_action").score(opened(path, prompt)).value == accuracy == float(expected)
    with pytest.raises(UserError, match="names no action"):
        scorer("human_action").score(opened(path, "a cat"))
    torch.save({name: tensor for name, tensor in state.items() if name != "head.bias"}, UMT.path)
    with pytest.raises(UserError, match=r"lacks 1 tensors, head\.bias"):
        scorer("human_action").score(opened(path, prompt))


def test_consistency_with_text_is_the_official_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a narrow ViCLIP whose layers would be dropped at random outside evaluation mode."""
    VICLIP_VOCABULARY.path.parent.mkdir(parents=True)
    shutil.copy(Path(clip.__file__).with_name(VICLIP_VOCABULARY.path.name), VICLIP_VOCABULARY.path)
    module = official_module("overall_consistency")
    vision, text = (namespace(module.ViCLIP)[name] for name in ("clip_joint_l14", "clip_text_l14"))
    encoder = partial(namespace(vision)["VisionTransformer"], 224, 56, 64, 3, 1, output_dim=32, kernel_size=1)
    sizes = {"context_length": 32, "transformer_width": 64, "transformer_heads": 1, "transformer_layers": 1}
    patch = partial(monkeypatch.setattr, module.ViCLIP)
    patch("build_vision_encoder", lambda _: encoder(num_frames=8, drop_path=0.5, checkpoint_num=24).eval())
    patch("build_text_encoder", lambda _: text(embed_dim=32, pretrained=False, **sizes))
    torch.manual_seed(0)
    network = module.ViCLIP(tokenizer=module.SimpleTokenizer(str(VICLIP_VOCABULARY.path)), pretrain=None)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    torch.save({"model": network.state_dict()}, VICLIP.path)

    path, other = (write_clip_video(tmp_path / f"a cat-{i}.mp4", 8 + i) for i in range(2))
    expected, _ = official_result("overall_consistency", path, {"pretrain": str(VICLIP.path)})
    this, video = scorer("overall_consistency"), opened(path)
    score = this.score(video)
    assert score.value == pytest.approx(expected, abs=1e-9)
    assert this.score(video) == scorer("temporal_style").score(video) == score
    assert this.score(opened(other)) != score
    assert this.score(replace(video, prompt="a dog")) != score


def test_pickles_are_not_loaded_although_the_official_code_would(tmp_path: Path) -> None:
    MUSIQ.path.parent.mkdir(parents=True)
    torch.save({"conv_root.weight": Path("any object")}, MUSIQ.path)
    this, video = scorer("imaging_quality"), opened(write_clip_video(tmp_path / "a.mp4"))
    with pytest.raises(UserError, match="imaging_quality cannot be loaded: UnpicklingError"):
        this.score(video)
    MUSIQ.path.unlink()
    with pytest.raises(UserError, match="UnpicklingError"):  # known; not tried again for each video
        this.score(video)


@pytest.mark.parametrize(
    ("dimension", "n_frames"), [("temporal_flickering", 1), ("subject_consistency", 1), ("motion_smoothness", 2)]
)
def test_too_few_frames_are_null_before_anything_loads(dimension: str, n_frames: int, tmp_path: Path) -> None:
    score = scorer(dimension).score(opened(write_clip_video(tmp_path / "short.mp4", n_frames)))
    assert score.value is None
    assert score.reason == f"fewer than {n_frames + 1} frames"


def test_what_the_official_code_cannot_read_is_a_failure_of_that_video(tmp_path: Path) -> None:
    good = write_clip_video(tmp_path / "good.mp4")
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"not a video")
    this, video = scorer("temporal_flickering"), opened(good)
    with pytest.raises(UserError, match="vbench's temporal_flickering failed: AssertionError"):
        this.score(ScoringInput(video.frames, 8.0, "a cat", None, bad))
    assert this.score(video).value is not None


def test_clips_without_a_file_are_refused(tmp_path: Path) -> None:
    video = opened(write_clip_video(tmp_path / "good.mp4"))
    with pytest.raises(UserError, match="reads whole files"):
        scorer("temporal_flickering").score(ScoringInput(video.frames, 8.0, "a cat"))


@pytest.mark.parametrize("name", ["CAPITALS.MP4", "a.mov", "no-ending"])
def test_files_that_the_official_code_knows_by_another_name_only(name: str, tmp_path: Path) -> None:
    plain = write_clip_video(tmp_path / "plain.mp4")
    (tmp_path / name).write_bytes(plain.read_bytes())
    write_dino()
    expected = scorer("subject_consistency").score(opened(plain))
    assert scorer("subject_consistency").score(opened(tmp_path / name)) == expected
    with accepted_name(plain) as path:
        assert path == plain


def test_dimensions_that_lack_something_say_what(cache: Path) -> None:
    write_clip()
    found = official_scorers("vbench")
    assert [each.dimension for each in found.scorers] == [
        "background_consistency",
        "temporal_flickering",
        "appearance_style",
    ]
    reasons = {each.dimension: each.reason for each in found.not_run}
    assert "vitbase16" in reasons["subject_consistency"]
    assert "probekit vbench setup" in reasons["color"]
    assert scorers_for("vbench", "official").not_run == found.not_run


def test_other_suites_have_no_auxiliary_information() -> None:
    write_clip()
    found = official_scorers("custom")
    assert [each.dimension for each in found.scorers] == ["background_consistency", "temporal_flickering"]
    assert "only VBench's own list" in {each.dimension: each.reason for each in found.not_run}["appearance_style"]


def test_actions_come_from_the_prompt_and_are_kinetics_labels() -> None:
    labels = set(official_module("human_action").build_dict().values())
    prompts = [entry.text for entry in vbench_entries() if "human_action" in entry.dimensions]
    assert len(prompts) == 100
    assert {action_label(prompt) for prompt in prompts} <= labels
    assert action_label("A person is riding a bike") == "riding a bike"


def test_other_weights_need_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clip()
    video = opened(write_clip_video(tmp_path / "good.mp4"))
    monkeypatch.delenv("PROBEKIT_UNVERIFIED_WEIGHTS")
    with pytest.raises(UserError, match="353976522"):
        scorer("background_consistency").score(video)


def test_the_vocabulary_is_looked_for_before_the_import_that_would_fetch_it(tmp_path: Path) -> None:
    video = opened(write_clip_video(tmp_path / "good.mp4"))
    VICLIP.path.parent.mkdir(parents=True)
    VICLIP.path.write_bytes(b"weights")
    with pytest.raises(UserError, match="bpe_simple_vocab"):
        scorer("temporal_style").score(video)


def test_repaired_modules_all_import() -> None:
    for name, facts in VBENCH.items():
        if facts.place == "here" and name not in ("temporal_style", "overall_consistency"):
            assert vars(official_module(name))[f"compute_{name}"]
