"""Run folders under the file names that VBench looks for."""

from pathlib import Path

from probekit.errors import UserError
from probekit.evaluation.interchange.vbench_names import Export, export_named
from probekit.run_folder.manifest import load_video_set
from probekit.suites import vbench


def export_vbench(run: Path, out: Path, *, by_dimension: bool = False) -> Export:
    """Link the videos of a run of the suite vbench as `<prompt>-<i>.mp4`.

    Args:
        run: run folder.
        out: a new folder.
        by_dimension: a folder in `out` for each dimension, in which no two entries share a text, instead of one for
            all of them, in which two texts are two entries each.

    Raises:
        UserError: for a run of another suite, or as `export_named`.
    """
    video_set = load_video_set(run)
    suite = video_set.protocol.prompts.suite
    if suite != vbench.NAME:
        raise UserError(f"{run} is a run of {suite}; VBench knows its own prompts alone.", "Give a run of vbench.")
    texts = dict(vbench.vbench_prompts())
    unknown = sorted({row.prompt_id for row in video_set.rows} - set(texts))
    if unknown:
        raise UserError(f"{run} has videos of {unknown[0]!r}, which is no entry of VBench.", "Correct its manifest.")
    folders = {entry.prompt_id: entry.dimensions for entry in vbench.vbench_entries()}
    return export_named(video_set, out, texts, folders if by_dimension else None)
