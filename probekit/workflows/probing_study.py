"""One recipe for the whole set of probing figures on two checkpoints: states, probes, alignment, patches, futures."""

import logging
import re
from pathlib import Path
from typing import Final

from probekit.atomic_files import write_json, write_text
from probekit.folder_lock import sole_writer
from probekit.models.loading import hash_checkpoint
from probekit.models.model_folder import model_folder
from probekit.suites.registry import load_suite
from probekit.suites.suite import Suite
from probekit.user_files.json_files import json_holds
from probekit.workflows.study_parts import StudyPart, study_parts
from probekit.workflows.study_recipe import ProbingStudy

PAGE: Final = "README.md"
LOCK: Final = ".study.lock"
_DONE: Final = "finished.json"
_STATES: Final = ("suite", "prompts", "samples", "seed", "sites")
"""Fields that say which states are read."""
_LOG = logging.getLogger("probekit")


def run_study(study: ProbingStudy, out: Path) -> Path:
    """Make every part of a study and a page that shows them; finished parts are kept.

    Args:
        study: what is asked.
        out: folder for states, tables and figures.

    Returns:
        The page.

    Raises:
        UserError: as the parts do, or another process makes a study there.
    """
    with sole_writer(out / LOCK, out):
        return _run_study(study, out)


def _run_study(study: ProbingStudy, out: Path) -> Path:
    suite = load_suite(study.suite).reduced(study.prompts, study.samples)
    parts = study_parts(study, suite, out)
    hashes = {model: hash_checkpoint(model_folder(model)) for model in (study.baseline, study.method)}
    for part in parts:
        folder, facts = out / part.folder, hashes | study.model_dump(mode="json", include={*_STATES, *part.uses})
        if json_holds(folder / _DONE, facts):
            _LOG.info("%s is there already", folder)
            continue
        part.make(folder)
        write_json(folder / _DONE, facts)
    page = out / PAGE
    write_text(page, _page(study, suite, out, parts))
    return page


def _page(study: ProbingStudy, suite: Suite, out: Path, parts: list[StudyPart]) -> str:
    lines = [
        f"# What the states of {study.method} and {study.baseline} know of the future",
        f"{len(suite.prompts)} prompts of {suite.name}, {suite.samples} videos each, half of them held out. "
        f"Differences are {study.method} - {study.baseline}. docs/probing.md says what each part measures.",
    ]
    for part in parts:
        lines.append(f"## {part.heading}")
        for table in part.tables:
            text = (out / part.folder / table).read_text(encoding="utf-8")
            lines.append(re.sub(r"^#+ ", "### ", text, flags=re.MULTILINE))
        lines += [f"![{part.heading}]({part.folder}/{picture})" for picture in part.pictures]
    return "\n\n".join(lines) + "\n"
