"""A run of VBench with 25 videos of each prompt of temporal flickering, filtered to the first 5 static ones."""

import os
from functools import partial
from pathlib import Path

from probekit.errors import UserError
from probekit.evaluation.scoring.absent_videos import absent_videos, write_absent
from probekit.evaluation.vbench.fast.motion import static_motion
from probekit.evaluation.vbench.fast.network_set import NetworkSet
from probekit.evaluation.vbench.fast.settings import FastSettings
from probekit.evaluation.vbench.static_filter import KEPT, Filtered, filter_static
from probekit.run_folder.claim import claim_folder
from probekit.run_folder.manifest import load_video_set, write_manifest
from probekit.suites.vbench import NAME

SCORER_ID = "vbench-static-filter:raft-things:v1"


def filter_static_run(run: Path, out: Path, settings: FastSettings) -> Filtered:
    """Write the run folder `out`, whose manifest lists the videos of `run` that the static filter keeps.

    Args:
        run: run folder of the suite vbench.
        out: another folder; its manifest points into `run`.
        settings: settings of RAFT: device, precision, weights.

    Raises:
        UserError: for another suite, an `out` of another set, or if RAFT's weights are missing.
    """
    video_set = load_video_set(run)
    card = video_set.protocol
    if card.prompts.suite != NAME:
        raise UserError(f"{run} is a run of {card.prompts.suite}.", "The static filter is VBench's; give such a run.")
    networks = NetworkSet(settings)
    networks.raft.eval()  # loads it: missing weights are one error, not one of every video
    measure = partial(static_motion, networks=networks)
    filtered = filter_static(video_set, measure, f"{SCORER_ID}:{settings.precision}")
    prompts = card.prompts.model_copy(update={"static_filter": f"first {KEPT} static videos"})
    claim_folder(out, card.model_copy(update={"prompts": prompts, "scorers": {}}))
    moved = (
        row.model_copy(update={"path": Path(os.path.relpath(run / row.path, out)).as_posix()}) for row in filtered.rows
    )
    write_manifest(out, moved)
    write_absent(out, absent_videos(len(filtered.rows) + len(filtered.lacking), filtered.lacking))
    return filtered
