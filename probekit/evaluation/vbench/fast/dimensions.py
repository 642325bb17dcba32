"""The dimensions that the fast backend has networks for: `FAST`, one row for each. Torch-free until one scores."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from probekit.evaluation.scorer import Score, ScoringInput
from probekit.evaluation.vbench.fast.prompt_facts import asked_action, asked_style
from probekit.evaluation.vbench.fast.sampling import UMT_FRAMES, VICLIP_FRAMES

if TYPE_CHECKING:
    from probekit.evaluation.vbench.fast.engine import FastEngine
    from probekit.evaluation.vbench.fast.frame_pass import FrameReader
    from probekit.evaluation.vbench.fast.network_set import NetworkSet

_FIRST: Final = "fast.1"
_SECOND: Final = "fast.2"  # "fast.1" called the cosines and the unbounded scores fractions

Reader = Callable[["NetworkSet"], "FrameReader"]
"""Makes what reads single frames, and loads its network."""

Formula = Callable[["FastEngine", ScoringInput, str], Score]
"""From the engine, a video and the dimension's name to the score."""


class FastDimension(NamedTuple):
    """How a dimension is computed; its unit, range and weights are in its row of `VBENCH`.

    Attributes:
        reader: reader of single frames that the formula uses; None where it uses none.
        formula: formula of the score.
        frames: number of frames of a video that are read; None reads all.
        full_precision: whether it is computed in float32 whatever precision is asked for.
        version: version of preprocessing and formula, in the scorer id; a change makes older scores incomparable.
    """

    reader: Reader | None
    formula: Formula
    frames: int | None = None
    full_precision: bool = False
    version: str = _FIRST


def _dino(networks: "NetworkSet") -> "FrameReader":
    from probekit.evaluation.vbench.fast import frame_pass, transforms

    return frame_pass.FrameReader("dino", transforms.dino_input, networks.dino)


def _clip_b32(networks: "NetworkSet") -> "FrameReader":
    from probekit.evaluation.vbench.fast import frame_pass, transforms

    return frame_pass.FrameReader("clip_b32", transforms.clip_input, networks.clip_b32)


def _clip_l14(networks: "NetworkSet") -> "FrameReader":
    from probekit.evaluation.vbench.fast import frame_pass, transforms

    return frame_pass.FrameReader("clip_l14", transforms.clip_input, networks.clip_l14)


def _musiq(networks: "NetworkSet") -> "FrameReader":
    from probekit.evaluation.vbench.fast import frame_pass, transforms

    return frame_pass.FrameReader("musiq", transforms.musiq_input, networks.musiq)


def _style(networks: "NetworkSet") -> "FrameReader":
    from probekit.evaluation.vbench.fast import frame_pass, transforms

    return frame_pass.FrameReader("style", transforms.style_input, networks.clip_b32)


def _consistency(engine: "FastEngine", video: ScoringInput, dimension: str) -> Score:
    from probekit.evaluation.vbench.fast import formulas

    return formulas.consistency(engine.reading(video).of_frames(dimension))


def _smoothness(engine: "FastEngine", video: ScoringInput, _: str) -> Score:
    from probekit.evaluation.vbench.fast import motion

    return motion.motion_smoothness(video.frames, engine.networks)


def _dynamic(engine: "FastEngine", video: ScoringInput, _: str) -> Score:
    from probekit.evaluation.vbench.fast import motion

    return Score(float(motion.dynamic_degree(video.frames, video.fps, engine.networks).dynamic))


def _aesthetic(engine: "FastEngine", video: ScoringInput, dimension: str) -> Score:
    from probekit.evaluation.vbench.fast import formulas

    return formulas.aesthetic(engine.reading(video).of_frames(dimension), engine.networks.aesthetic_head)


def _imaging(engine: "FastEngine", video: ScoringInput, dimension: str) -> Score:
    from probekit.evaluation.vbench.fast import formulas

    return formulas.imaging(engine.reading(video).of_frames(dimension))


def _video_text(engine: "FastEngine", video: ScoringInput, _: str) -> Score:
    from probekit.evaluation.vbench.fast import formulas

    return formulas.text_similarity(engine.reading(video).viclip, engine.viclip_text(video.prompt))


def _style_similarity(engine: "FastEngine", video: ScoringInput, dimension: str) -> Score:
    from probekit.evaluation.vbench.fast import formulas

    style = asked_style(video.prompt)
    if style is None:
        return Score(None, reason="VBench asks this prompt for no style")
    features = engine.reading(video).of_frames(dimension)
    return formulas.style_similarity(features, engine.clip_text(style), engine.networks.clip_b32.logit_scale)


def _action(engine: "FastEngine", video: ScoringInput, _: str) -> Score:
    from probekit.evaluation.vbench.fast import formulas
    from probekit.evaluation.vbench.fast.networks.umt import kinetics_actions

    label, actions = asked_action(video.prompt), kinetics_actions()
    if label not in actions:
        return Score(None, reason="the prompt names no action of Kinetics-400")
    rounded = engine.settings.compatibility.action_confidence_rounded
    return formulas.action_recognised(engine.reading(video).action_logits, label, actions, rounded)


FAST: Final[Mapping[str, FastDimension]] = MappingProxyType(
    {
        "subject_consistency": FastDimension(_dino, _consistency),
        "background_consistency": FastDimension(_clip_b32, _consistency),
        "motion_smoothness": FastDimension(None, _smoothness, full_precision=True),
        "dynamic_degree": FastDimension(None, _dynamic, full_precision=True),
        "aesthetic_quality": FastDimension(_clip_l14, _aesthetic, version=_SECOND),
        "imaging_quality": FastDimension(_musiq, _imaging, version=_SECOND),
        "human_action": FastDimension(None, _action, UMT_FRAMES),
        "appearance_style": FastDimension(_style, _style_similarity, version=_SECOND),
        "temporal_style": FastDimension(None, _video_text, VICLIP_FRAMES, version=_SECOND),
        "overall_consistency": FastDimension(None, _video_text, VICLIP_FRAMES, version=_SECOND),
    }
)
"""The ten by name; temporal flickering needs no network and is the weight-free scorer's, faster."""
