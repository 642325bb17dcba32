"""Which scorers a suite has."""

from probekit.choices import Backend
from probekit.evaluation.scorer import NotRun, ScorerSet
from probekit.evaluation.sprite.quality import QUALITY_SCORERS
from probekit.evaluation.sprite.semantic import SEMANTIC_SCORERS
from probekit.evaluation.vbench.fast.settings import FastSettings
from probekit.evaluation.vbench.temporal_flickering import TEMPORAL_FLICKERING
from probekit.evaluation.vbench.weights import WEIGHTS, WeightFile
from probekit.suites.registry import NATURAL, SPRITE_PREFIX


def scorers_for(suite: str, backend: Backend = "free", settings: FastSettings | None = None) -> ScorerSet:
    """The scorers of a suite.

    Sprite suites have their ten dimensions, and the natural suite its own, whatever the backend. Every other suite is
    scored as VBench: with "free" the dimension without weights runs and the others are listed with the weights that
    they need; with "fast" every dimension of `probekit.evaluation.vbench.fast` whose weights are there; with "official"
    every dimension whose module and weights are there.

    Args:
        suite: name.
        backend: which implementation, see `choices.Backend`.
        settings: settings of the fast backend.
    """
    if suite.startswith(SPRITE_PREFIX):
        return ScorerSet((*QUALITY_SCORERS, TEMPORAL_FLICKERING, *SEMANTIC_SCORERS), ())
    if suite == NATURAL:
        from probekit.evaluation.natural.scorers import natural_scorers  # here, because torch comes with them

        return natural_scorers()
    if backend == "fast":
        from probekit.evaluation.vbench.fast.scorers import fast_scorers  # here, because torch comes with them

        return fast_scorers(settings)
    if backend == "official":
        from probekit.evaluation.vbench.official.scorers import official_scorers

        return official_scorers(suite)
    others = {name: files for name, files in WEIGHTS.items() if files}
    missing = tuple(NotRun(name, f"needs the weights of {_named(files)}") for name, files in others.items())
    return ScorerSet((TEMPORAL_FLICKERING,), missing)


def _named(files: tuple[WeightFile, ...]) -> str:
    return " and ".join(f"{file.name} ({file.path.name})" for file in files)
