"""The fast backend's scorers: which dimensions it has, and which of them can run here. Torch-free until one scores."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from probekit.evaluation.scorer import Need, NotRun, Score, Scorer, ScorerSet, ScoringInput, WeightFreeScorer
from probekit.evaluation.vbench.fast.sampling import UMT_FRAMES, VICLIP_FRAMES, middle_indices
from probekit.evaluation.vbench.fast.settings import Compatibility, FastSettings
from probekit.evaluation.vbench.temporal_flickering import TEMPORAL_FLICKERING
from probekit.evaluation.vbench.weights import VICLIP_VOCABULARY, WeightFile, missing, weight_files, weights_id
from probekit.suites.dimension_constants import VBENCH_CONSTANTS

if TYPE_CHECKING:
    from probekit.evaluation.vbench.fast.engine import FastEngine

VERSION: Final = "fast.1"
"""Of the preprocessing and formulas; a change makes older scores incomparable."""

_FULL_PRECISION: Final = ("motion_smoothness", "dynamic_degree")
_COSINE: Final = (-1.0, 1.0)
_FRACTION: Final = (0.0, 1.0)
_UNBOUNDED: Final = (-inf, inf)  # regressions: nothing in their networks keeps them in 0..1


class _Dimension(NamedTuple):
    """How a dimension is computed, in which range, from how many frames of a video (None: all)."""

    range: tuple[float, float]
    score: Callable[["FastEngine", ScoringInput], Score]
    frames: int | None = None


class SharedEngine:
    """The engine of a set of scorers; it comes, and torch with it, when the first of them scores.

    Args:
        dimensions: of the set.
        settings: of the backend.
    """

    def __init__(self, dimensions: frozenset[str], settings: FastSettings) -> None:
        self._dimensions, self.settings = dimensions, settings

    @cached_property
    def opened(self) -> "FastEngine":
        """The engine."""
        from probekit.evaluation.vbench.fast.engine import FastEngine

        return FastEngine(self._dimensions, self.settings)


@dataclass(frozen=True)
class FastScorer:
    """A dimension of the fast backend.

    Attributes:
        dimension: name as in the score table.
        engine: shared by all scorers of a set.
        definition: range and formula.
    """

    dimension: str
    engine: SharedEngine
    definition: _Dimension
    unit: str = "fraction"
    needs: frozenset[Need] = frozenset({"frames"})

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest raw score."""
        return self.definition.range

    @property
    def scorer_id(self) -> str:
        """Name, hash of the weights, version, and what differs from the official computation."""
        weights = weights_id(_needed(self.dimension))
        return "+".join((self.dimension, weights, VERSION, *_departures(self.engine.settings, self.dimension)))

    def frame_numbers(self, n_frames: int) -> Sequence[int] | None:
        """Numbers of the frames that the dimension reads; None means all."""
        count = self.definition.frames
        return None if count is None else middle_indices(n_frames, count)

    def score(self, video: ScoringInput) -> Score:
        """Score a video. Raises UserError where weights are missing, damaged or not the published ones."""
        return self.definition.score(self.engine.opened, video)


def fast_scorers(settings: FastSettings | None = None) -> ScorerSet:
    """The scorers whose weights are there, and for each other dimension of VBench why it does not run.

    Args:
        settings: by default those of `FastSettings`.
    """
    runs, not_run = [], []
    for dimension in (constant.dimension for constant in VBENCH_CONSTANTS):
        reason = _hindrance(dimension)
        if reason is None:
            runs.append(dimension)
        else:
            not_run.append(NotRun(dimension, reason))
    return ScorerSet(_scorers(tuple(runs), settings or FastSettings()), tuple(not_run))


def _scorers(dimensions: tuple[str, ...], settings: FastSettings) -> tuple[Scorer, ...]:
    engine = SharedEngine(frozenset(dimensions), settings)
    return tuple(
        _FLICKERING if dimension == _FLICKERING.dimension else FastScorer(dimension, engine, _DIMENSIONS[dimension])
        for dimension in dimensions
    )


def _hindrance(dimension: str) -> str | None:
    if dimension != _FLICKERING.dimension and dimension not in _DIMENSIONS:
        return "the fast backend has no networks for it; see --backend official"
    absent = [file for file in missing(dimension) if file in _needed(dimension)]
    if absent:
        return "needs the weights of " + " and ".join(f"{file.name} ({file.path})" for file in absent)
    return None


def _needed(dimension: str) -> tuple[WeightFile, ...]:
    """Files that are read; the vocabulary is in the openai-clip package."""
    return tuple(file for file in weight_files(dimension) if file != VICLIP_VOCABULARY)


def _departures(settings: FastSettings, dimension: str) -> list[str]:
    switches = settings.compatibility.model_dump()
    off = [f"no_{name}" for name in Compatibility.model_fields if not switches[name]]
    return [*off, *(["bfloat16"] if settings.precision == "bfloat16" and dimension not in _FULL_PRECISION else [])]


def _flickering(video: ScoringInput) -> Score:
    from probekit.evaluation.vbench.fast.formulas import flickering

    return flickering(video.frames)


def _subject(engine: "FastEngine", video: ScoringInput) -> Score:
    from probekit.evaluation.vbench.fast.formulas import consistency

    return consistency(engine.reading(video).of_frames("subject_consistency"))


def _background(engine: "FastEngine", video: ScoringInput) -> Score:
    from probekit.evaluation.vbench.fast.formulas import consistency

    return consistency(engine.reading(video).of_frames("background_consistency"))


def _smoothness(engine: "FastEngine", video: ScoringInput) -> Score:
    from probekit.evaluation.vbench.fast.motion import motion_smoothness

    return motion_smoothness(video.frames, engine.networks)


def _dynamic(engine: "FastEngine", video: ScoringInput) -> Score:
    from probekit.evaluation.vbench.fast.motion import dynamic_degree

    return Score(float(dynamic_degree(video.frames, video.fps, engine.networks).dynamic))


def _aesthetic(engine: "FastEngine", video: ScoringInput) -> Score:
    from probekit.evaluation.vbench.fast.formulas import aesthetic

    return aesthetic(engine.reading(video).of_frames("aesthetic_quality"), engine.networks.aesthetic_head)


def _imaging(engine: "FastEngine", video: ScoringInput) -> Score:
    from probekit.evaluation.vbench.fast.formulas import imaging

    return imaging(engine.reading(video).of_frames("imaging_quality"))


def _video_text(engine: "FastEngine", video: ScoringInput) -> Score:
    from probekit.evaluation.vbench.fast.formulas import text_similarity

    return text_similarity(engine.reading(video).viclip, engine.viclip_text(video.prompt))


def _style(engine: "FastEngine", video: ScoringInput) -> Score:
    from probekit.evaluation.vbench.fast.formulas import style_similarity
    from probekit.evaluation.vbench.fast.prompt_facts import asked_style

    style = asked_style(video.prompt)
    if style is None:
        return Score(None, reason="VBench asks this prompt for no style")
    features = engine.reading(video).of_frames("appearance_style")
    return style_similarity(features, engine.clip_text(style), engine.networks.clip_b32.logit_scale)


def _action(engine: "FastEngine", video: ScoringInput) -> Score:
    from probekit.evaluation.vbench.fast.formulas import action_recognised
    from probekit.evaluation.vbench.fast.networks.umt import kinetics_actions
    from probekit.evaluation.vbench.fast.prompt_facts import asked_action

    label, actions = asked_action(video.prompt), kinetics_actions()
    if label not in actions:
        return Score(None, reason="the prompt names no action of Kinetics-400")
    rounded = engine.settings.compatibility.action_confidence_rounded
    return action_recognised(engine.reading(video).action_logits, label, actions, rounded)


_FLICKERING: Final = WeightFreeScorer(  # the same numbers as the weight-free backend's, so the same id
    TEMPORAL_FLICKERING.dimension, TEMPORAL_FLICKERING.preprocessing, TEMPORAL_FLICKERING.needs, _flickering
)
_DIMENSIONS: Final[Mapping[str, _Dimension]] = MappingProxyType(
    {
        "subject_consistency": _Dimension(_FRACTION, _subject),
        "background_consistency": _Dimension(_FRACTION, _background),
        "motion_smoothness": _Dimension(_FRACTION, _smoothness),
        "dynamic_degree": _Dimension(_FRACTION, _dynamic),
        "aesthetic_quality": _Dimension(_UNBOUNDED, _aesthetic),
        "imaging_quality": _Dimension(_UNBOUNDED, _imaging),
        "human_action": _Dimension(_FRACTION, _action, UMT_FRAMES),
        "appearance_style": _Dimension(_COSINE, _style),
        "temporal_style": _Dimension(_COSINE, _video_text, VICLIP_FRAMES),
        "overall_consistency": _Dimension(_COSINE, _video_text, VICLIP_FRAMES),
    }
)
