"""How far the videos and scores of a suite are made in a run folder."""

from pathlib import Path

from probekit.run_folder.manifest import load_video_set, manifest_files
from probekit.run_folder.score_table import SCORES_FOLDER, has_scores, read_scores
from probekit.suites.suite import Suite


def sampled(run: Path) -> int:
    """How many videos a run folder lists."""
    return len(load_video_set(run).rows) if manifest_files(run) else 0


def videos_are_done(run: Path, suite: Suite) -> bool:
    """Whether a run folder lists every video of a suite."""
    if not manifest_files(run):
        return False
    return {row.key() for row in load_video_set(run).rows} >= set(suite.keys())


def scores_are_done(run: Path, suite: Suite) -> bool:
    """Whether every video of a suite has rows in a run's score table."""
    if not has_scores(run):
        return False
    table = read_scores(run / SCORES_FOLDER)
    scored = set(zip(table["prompt_id"], table["sample"], strict=True))
    return scored >= {(key.prompt_id, key.sample) for key in suite.keys()}
