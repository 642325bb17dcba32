"""The dimensions that run here: each loads its network once and is then given one video at a time.

Everything that decides a number is VBench's own code and is called as its `compute_<dimension>` calls it on one GPU.
Gradients are switched off around all of it, which the official code forgets in two dimensions; no value depends on it.
"""

import functools
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from probekit.errors import UserError
from probekit.evaluation.vbench.official.environment import OPERATORS
from probekit.evaluation.vbench.official.inputs import OfficialInput, action_label, describe_error, official_errors
from probekit.evaluation.vbench.official.repairs import has_compiled_operators, no_prints, official_module, tensors_only
from probekit.evaluation.vbench.weights import (
    AESTHETIC_HEAD,
    AMT_S,
    CLIP_B32,
    CLIP_L14,
    DINO,
    MUSIQ,
    RAFT_THINGS,
    UMT,
    VICLIP,
    VICLIP_VOCABULARY,
    torch_hub_folder,
    weight_files,
    weight_path,
    weights_folder,
)
from probekit.suites.dimension_constants import VBENCH

Record = dict[str, Any]
"""One video's entry in an official result file."""

Session = Callable[[OfficialInput], Record | None]
"""Scores a video; None where the official code drops it."""

_DINO_FOLDERS: Final = ("dino_model/facebookresearch_dino_main", "facebookresearch_dino_main")
_CONFIDENT: Final = 0.85
_FRAMES: Final = 16


def dino_repository() -> Path:
    """The code of DINO's network: in the official cache, or where torch.hub has put it.

    Raises:
        UserError: if it is in neither.
    """
    folders = (weights_folder() / _DINO_FOLDERS[0], torch_hub_folder() / _DINO_FOLDERS[1])
    for folder in folders:
        if (folder / "hubconf.py").is_file():
            return folder
    raise UserError(
        f"There is no {folders[0]}, the code of DINO's network.", "Fetch it: probekit vbench fetch subject_consistency."
    )


def open_session(dimension: str, loader: Callable[[Any], Session], device: str) -> Session:
    """Load a dimension's network, and keep it. The session raises UserError for a video that it cannot score.

    Args:
        dimension: name of the dimension, for messages.
        loader: loader of the dimension, from `SESSIONS`.
        device: "cpu", "cuda" or "cuda:0".

    Raises:
        UserError: if weights or operators are missing, or weights are not the published ones or do not load.
    """
    import torch

    facts = VBENCH[dimension]
    if facts.operators and not has_compiled_operators():
        raise UserError(
            f"{dimension} needs {OPERATORS}, which this build of torch cannot load.",
            "Install builds of torch and torchvision that belong together, on a machine with CUDA.",
        )
    # GRiT's and Tag2Text's loaders need pickles; their files are taken only if they are the published ones.
    guard = tensors_only() if facts.place == "here" else nullcontext()
    for file in weight_files(dimension):
        weight_path(file)  # before anything is imported, which takes seconds
    try:
        with no_prints(), torch.no_grad(), guard:
            session = loader(torch.device(device))
    except official_errors() as error:
        raise UserError(
            f"vbench's {dimension} cannot be loaded: {describe_error(error)}.",
            "Run probekit vbench doctor.",
        ) from error

    def score(video: OfficialInput) -> Record | None:
        try:
            with no_prints(), torch.no_grad():
                return session(video)
        except official_errors() as error:
            raise UserError(
                f"vbench's {dimension} failed: {describe_error(error)}.", "Look at the video, or leave it out."
            ) from error

    return score


def single(results: tuple[Any, list[Record]]) -> Record | None:
    """The one entry of what an official function returned for a list of one video."""
    records = results[1]
    assert len(records) <= 1
    return records[0] if records else None


def _subject_consistency(device: Any) -> Session:
    import torch

    module = official_module("subject_consistency")
    weights = torch.load(weight_path(DINO), map_location="cpu", weights_only=True)
    model = torch.hub.load(str(dino_repository()), "dino_vitb16", source="local", pretrained=False)
    model.load_state_dict(weights)
    model.to(device)
    return lambda video: single(module.subject_consistency(model, [video.path], device, False))


def _background_consistency(device: Any) -> Session:
    module = official_module("background_consistency")
    model, preprocess = module.clip.load(str(weight_path(CLIP_B32)), device=device)
    return lambda video: single(module.background_consistency(model, preprocess, [video.path], device, False))


def _temporal_flickering(_: Any) -> Session:
    # One level deeper than the others: the function above it drops what it cannot read without a word.
    module = official_module("temporal_flickering")
    return lambda video: {"video_path": video.path, "video_results": module.cal_score(video.path)}


def _motion_smoothness(device: Any) -> Session:
    import torch

    module = official_module("motion_smoothness")
    config = Path(module.__file__).parent / "third_party" / "amt" / "cfgs" / "AMT-S.yaml"
    with torch.serialization.safe_globals(_numpy_scalars()):
        motion = module.MotionSmoothness(str(config), str(weight_path(AMT_S)), device)
    return lambda video: single(module.motion_smoothness(motion, [video.path]))


def _numpy_scalars() -> list[Any]:
    """What the state of AMT's optimizer, saved with its weights, holds beside tensors; under both of NumPy's names."""
    import numpy as np

    scalar = np.float64(0).__reduce__()[0]
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    return [*((scalar, name) for name in names), np.dtype, type(np.dtype(np.float64))]


def _dynamic_degree(device: Any) -> Session:
    module = official_module("dynamic_degree")
    settings = {"model": str(weight_path(RAFT_THINGS)), "small": False, "mixed_precision": False}
    dynamic = module.DynamicDegree(module.edict({**settings, "alternate_corr": False}), device)
    return lambda video: single(module.dynamic_degree(dynamic, [video.path]))


def _aesthetic_quality(device: Any) -> Session:
    module = official_module("aesthetic_quality")
    head = module.get_aesthetic_model(str(weight_path(AESTHETIC_HEAD).parent)).to(device)
    model, _ = module.clip.load(str(weight_path(CLIP_L14)), device=device)
    return lambda video: single(module.laion_aesthetic(head, model, [video.path], device))


def _imaging_quality(device: Any) -> Session:
    module = official_module("imaging_quality")
    model = module.MUSIQ(pretrained_model_path=str(weight_path(MUSIQ)))
    model.to(device)
    model.training = False  # as there: of the root only, which suffices because no drop rate is above 0
    return lambda video: single(module.technical_quality(model, [video.path], device))


def _human_action(device: Any) -> Session:
    """Its one function loads the network for each call, so the loop's body is rebuilt here from its parts.

    The label comes from the prompt instead of the file name. Weights that lack a layer of the network are refused; the
    official code leaves such layers random.
    """
    import torch

    module = official_module("human_action")
    model = module.vit_large_patch16_224(
        num_classes=400, all_frames=_FRAMES, tubelet_size=1, use_learnable_pos_emb=False, fc_drop_rate=0.0,
        drop_rate=0.0, drop_path_rate=0.2, attn_drop_rate=0.0, use_checkpoint=False, checkpoint_num=16,
        use_mean_pooling=True, init_scale=0.001,
    )  # fmt: skip
    published = torch.load(weight_path(UMT), map_location="cpu", weights_only=True)
    _fill(model, published)
    model.to(device).eval()
    mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    steps = [module.Resize(256, interpolation="bilinear"), module.CenterCrop(size=(224, 224)), module.ClipToTensor()]
    transform = module.Compose([*steps, module.Normalize(mean=mean, std=deviation)])
    return functools.partial(_recognise, module, model, transform, module.build_dict(), device)


def _fill(model: Any, published: Mapping[str, Any]) -> None:
    own = model.state_dict()
    missing = sorted(own.keys() - published.keys())
    if missing:
        raise UserError(f"{UMT.path} lacks {len(missing)} tensors, {missing[0]} first.", "Fetch it again.")
    model.load_state_dict({name: published[name] for name in own})


def _recognise(
    module: Any, model: Any, transform: Any, names: Mapping[str, str], device: Any, video: OfficialInput
) -> Record:
    import torch

    label = action_label(video.prompt)
    if label not in names.values():
        raise UserError(f"The prompt {video.prompt!r} names no action of Kinetics-400.", "Use VBench's own prompts.")
    frames = module.load_video(video.path, transform, num_frames=_FRAMES).unsqueeze(0).to(device)
    likely = torch.topk(torch.sigmoid(model(frames)), 5, dim=1)
    seen = [
        names[str(index)]
        for value, index in zip(likely.values.squeeze().tolist(), likely.indices.squeeze().tolist(), strict=True)
        if round(value, 4) >= _CONFIDENT
    ]
    correct = label in seen
    return {"video_path": video.path, "video_results": correct, "cor_num_per_video": int(correct)}


def _appearance_style(device: Any) -> Session:
    module = official_module("appearance_style")
    model, _ = module.clip.load(str(weight_path(CLIP_B32)), device=device)
    return lambda video: single(module.appearance_style(model, [video.info()], device))


def _against_text(dimension: str, device: Any) -> Session:
    vocabulary, weights = weight_path(VICLIP_VOCABULARY), weight_path(VICLIP)  # before the import, which would fetch it
    module = official_module(dimension)
    tokenizer = module.SimpleTokenizer(str(vocabulary))
    model = module.ViCLIP(tokenizer=tokenizer, pretrain=str(weights)).to(device)
    score = vars(module)[dimension]
    return lambda video: single(score(model, [video.info()], tokenizer, device))


SESSIONS: Final[Mapping[str, Callable[[Any], Session]]] = MappingProxyType(
    {
        "subject_consistency": _subject_consistency,
        "background_consistency": _background_consistency,
        "temporal_flickering": _temporal_flickering,
        "motion_smoothness": _motion_smoothness,
        "dynamic_degree": _dynamic_degree,
        "aesthetic_quality": _aesthetic_quality,
        "imaging_quality": _imaging_quality,
        "human_action": _human_action,
        "appearance_style": _appearance_style,
        "temporal_style": functools.partial(_against_text, "temporal_style"),
        "overall_consistency": functools.partial(_against_text, "overall_consistency"),
    }
)
