"""The fast backend's scorers: which dimensions it has, and which of them can run here. Torch-free until one scores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from probekit.evaluation.scorer import Need, NotRun, Score, Scorer, ScorerSet, ScoringInput, WeightFreeScorer
from probekit.evaluation.vbench.fast.dimensions import FAST
from probekit.evaluation.vbench.fast.engine import FastEngine
from probekit.evaluation.vbench.fast.sampling import middle_indices
from probekit.evaluation.vbench.fast.settings import Compatibility, FastSettings
from probekit.evaluation.vbench.temporal_flickering import TEMPORAL_FLICKERING
from probekit.evaluation.vbench.weights import VICLIP_VOCABULARY, WeightFile, missing, weight_files, weights_id
from probekit.suites.dimension_constants import VBENCH


@dataclass(frozen=True)
class FastScorer:
    """A dimension of the fast backend.

    Attributes:
        dimension: name as in the score table.
        engine: engine that all scorers of a set share.
        needs: what it reads.
    """

    dimension: str
    engine: FastEngine
    needs: frozenset[Need] = frozenset({"frames"})

    @property
    def unit(self) -> str:
        """Unit of the raw score."""
        return VBENCH[self.dimension].unit

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest raw score."""
        return VBENCH[self.dimension].range

    @property
    def scorer_id(self) -> str:
        """Name, hash of the weights, version, and what differs from the official computation."""
        weights, version = weights_id(_needed(self.dimension)), FAST[self.dimension].version
        return "+".join((self.dimension, weights, version, *_departures(self.engine.settings, self.dimension)))

    def frame_numbers(self, n_frames: int) -> Sequence[int] | None:
        """Numbers of the frames that the dimension reads; None means all."""
        count = FAST[self.dimension].frames
        return None if count is None else middle_indices(n_frames, count)

    def score(self, video: ScoringInput) -> Score:
        """Score a video. Raises UserError where weights are missing, damaged or not the published ones."""
        return FAST[self.dimension].formula(self.engine, video, self.dimension)


def fast_scorers(settings: FastSettings | None = None) -> ScorerSet:
    """The scorers whose weights are there, and for each other dimension of VBench why it does not run.

    Args:
        settings: settings; by default those of `FastSettings`.
    """
    reasons = {dimension: _hindrance(dimension) for dimension in VBENCH}
    runs = tuple(dimension for dimension, reason in reasons.items() if reason is None)
    not_run = tuple(NotRun(dimension, reason) for dimension, reason in reasons.items() if reason is not None)
    return ScorerSet(_scorers(runs, settings or FastSettings()), not_run)


def _scorers(dimensions: tuple[str, ...], settings: FastSettings) -> tuple[Scorer, ...]:
    engine = FastEngine(frozenset(dimensions), settings)
    return tuple(
        _FLICKERING if dimension == _FLICKERING.dimension else FastScorer(dimension, engine) for dimension in dimensions
    )


def _hindrance(dimension: str) -> str | None:
    if dimension != _FLICKERING.dimension and dimension not in FAST:
        return "the fast backend has no networks for it; see --backend official"
    absent = [file for file in missing(dimension) if file in _needed(dimension)]
    if absent:
        return "needs the weights of " + " and ".join(f"{file.name} ({file.path})" for file in absent)
    return None


def _needed(dimension: str) -> tuple[WeightFile, ...]:
    """Files that are read; the vocabulary is in the openai-clip package."""
    return tuple(file for file in weight_files(dimension) if file != VICLIP_VOCABULARY)


def _departures(settings: FastSettings, dimension: str) -> list[str]:
    quirks = settings.compatibility.model_dump()
    off = [f"no_{name}" for name in Compatibility.model_fields if not quirks[name]]
    half = ["bfloat16"] if settings.precision == "bfloat16" and not FAST[dimension].full_precision else []
    return [*off, *half, *(f"{name}_{value}" for name, value in _other_shapes(settings))]


def _other_shapes(settings: FastSettings) -> Iterator[tuple[str, int]]:
    """Settings that give the networks batches of another shape, and so may change the last bits of a score."""
    for name in ("batch_frames", "flow_memory_mib"):
        value = settings.model_dump()[name]
        if value != FastSettings.model_fields[name].default:
            yield name, value


def _flickering(video: ScoringInput) -> Score:
    from probekit.evaluation.vbench.fast import formulas

    return formulas.flickering(video.frames)


_FLICKERING: Final = WeightFreeScorer(  # the same numbers as the weight-free backend's, so the same id
    TEMPORAL_FLICKERING.dimension, TEMPORAL_FLICKERING.preprocessing, TEMPORAL_FLICKERING.needs, _flickering
)
