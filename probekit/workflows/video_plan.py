"""Which videos of a scored run each dimension should have a score of; every table counts by it."""

from collections import defaultdict
from pathlib import Path

from probekit.errors import UserError
from probekit.run_folder.manifest import load_video_set, manifest_files
from probekit.statistics.coverage import Plan, Videos
from probekit.statistics.score_arrays import MethodScores
from probekit.suites import vbench
from probekit.suites.registry import constants_of, planned_dimensions


def planned_videos(root: Path, suite: str, scores: MethodScores) -> Plan:
    """The videos of each dimension: by the manifest; without one, by VBench's list for scores of VBench.

    What is neither in a manifest nor in that list counts as planned where the scores have a row of it.

    Args:
        root: the run folder.
        suite: the suite of its scores.
        scores: scores by dimension.

    Raises:
        UserError: the manifest is damaged, or names an entry that VBench's list does not have.
    """
    if manifest_files(root):
        return _of_manifest(root, suite)
    return _of_list(scores) if suite == vbench.NAME else {}


def _of_manifest(root: Path, suite: str) -> Plan:
    samples: dict[str, set[int]] = defaultdict(set)
    for row in load_video_set(root).rows:
        samples[row.prompt_id].add(row.sample)
    videos = {prompt: frozenset(own) for prompt, own in samples.items()}
    wanted = {prompt: planned_dimensions(suite, prompt) for prompt in videos}
    return {
        constant.dimension: {
            prompt: own
            for prompt, own in videos.items()
            if (dimensions := wanted[prompt]) is None or constant.dimension in dimensions
        }
        for constant in constants_of(suite)
    }


def _of_list(scores: MethodScores) -> Plan:
    """VBench's entries, with as many samples as the dimension has, or the others where it has no score at all.

    Only if all prompts are entries of VBench: results of other prompts plan nothing but themselves.
    """
    try:
        entries = vbench.dimensions_by_entry()
    except UserError:  # without VBench's list, rows are all that is known
        return {}
    if not all(name in entries.get(prompt, ()) for name, own in scores.items() for prompt in own.prompt_ids):
        return {}
    counts = {name: 1 + max(own.samples) for name, own in scores.items()}
    usual = max(counts.values(), default=0)
    plan: dict[str, Videos] = {}
    for constant in constants_of(vbench.NAME):
        name = constant.dimension
        every = frozenset(range(counts.get(name, usual)))
        plan[name] = {prompt: every for prompt, dimensions in entries.items() if name in dimensions}
    return plan
