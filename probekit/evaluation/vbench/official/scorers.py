"""Scorers around the official modules: made at once, loaded with the first video, kept."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from probekit.errors import UserError
from probekit.evaluation.scorer import Need, NotRun, Score, ScorerSet, ScoringInput
from probekit.evaluation.vbench.official.child import ChildSession
from probekit.evaluation.vbench.official.environment import environment_python
from probekit.evaluation.vbench.official.inputs import OfficialInput, accepted_name
from probekit.evaluation.vbench.official.readiness import readiness
from probekit.evaluation.vbench.official.records import NO_COLOR, score_of
from probekit.evaluation.vbench.weights import weight_files, weights_id
from probekit.suites.dimension_constants import VBENCH, VBENCH_VERSION, VBenchDimension
from probekit.suites.vbench import NAME, vbench_entries

Session = Callable[[OfficialInput], dict[str, Any] | None]

_FEW_FRAMES: Final = "fewer than {} frames"


@dataclass(frozen=True)
class OfficialScorer:
    """One dimension by VBench's own code, in this process or in a child.

    Attributes:
        facts: row of the dimension.
        device: torch's name of the device; None takes a GPU where there is one.
    """

    facts: VBenchDimension
    device: str | None = None
    needs: frozenset[Need] = field(default_factory=frozenset)

    @property
    def dimension(self) -> str:
        """Name as in the score table."""
        return self.facts.name

    @cached_property
    def scorer_id(self) -> str:
        """Name, hash of what the weight files hold, and VBench's version."""
        return f"{self.dimension}+{weights_id(weight_files(self.dimension))}+vbench-{VBENCH_VERSION}"

    @property
    def unit(self) -> str:
        """Unit of the raw score."""
        return self.facts.unit

    @property
    def range(self) -> tuple[float, float]:
        """What the formula can give."""
        return self.facts.range

    @cached_property
    def _session(self) -> Session | UserError:
        """The loaded dimension, or why it does not load: thousands of videos should not each try again."""
        device = self.device or _default_device()
        if self.facts.place == "own":
            return ChildSession(environment_python(), self.dimension, device)
        from probekit.evaluation.vbench.official.worker import session_for

        try:
            return session_for(self.dimension, device)
        except UserError as error:
            return error

    def score(self, video: ScoringInput) -> Score:
        """Score the file of a video, which is decoded again by the official code.

        Null where the video has too few frames for the formula, or where color drops it.

        Raises:
            UserError: if the weights do not load, the official code fails, or gives what its formula cannot give.
        """
        if video.path is None:
            raise UserError(
                f"The official {self.dimension} reads whole files, and this is a part of one.",
                "Score whole videos, or use --backend fast.",
            )
        if video.length < self.facts.min_frames:
            return Score(None, reason=_FEW_FRAMES.format(self.facts.min_frames))
        session = self._session
        if isinstance(session, UserError):
            raise session
        with accepted_name(video.path) as path:
            record = session(OfficialInput(str(path), video.prompt, self._auxiliary(video)))
        return Score(None, reason=NO_COLOR) if record is None else score_of(self.dimension, record, video.length)

    def _auxiliary(self, video: ScoringInput) -> Mapping[str, Any] | None:
        if not self.facts.auxiliary:
            return None
        entries = {entry.prompt_id: entry for entry in vbench_entries()}
        entry = entries.get(video.prompt_id or "")
        if entry is None or self.dimension not in entry.auxiliary:
            raise UserError(f"VBench's list says nothing about {self.dimension} of {video.prompt_id}.", "Leave it out.")
        auxiliary: Mapping[str, Any] = json.loads(json.dumps(entry.auxiliary[self.dimension]))
        return auxiliary


def official_scorers(suite: str, device: str | None = None) -> ScorerSet:
    """The official dimensions of a suite that can run on this machine, and the others with what they lack.

    Args:
        suite: name; other suites than VBench's own have no auxiliary information, so six dimensions cannot score them.
        device: torch's name of the device; None takes a GPU where there is one.
    """
    scorers: list[OfficialScorer] = []
    not_run: list[NotRun] = []
    for facts in VBENCH.values():
        if facts.auxiliary and suite != NAME:
            not_run.append(NotRun(facts.name, "looks for what only VBench's own list of prompts states"))
            continue
        lacking = readiness(facts).lacking
        if lacking:
            not_run.append(NotRun(facts.name, f"needs {'; '.join(lacking)}"))
        else:
            scorers.append(OfficialScorer(facts, device))
    return ScorerSet(tuple(scorers), tuple(not_run))


def _default_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
