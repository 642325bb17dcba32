"""Run folders for videos that were made elsewhere."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from probekit.choices import ScoringSuite
from probekit.errors import UserError
from probekit.evaluation.interchange.folder import read_video_folder
from probekit.evaluation.interchange.name_matching import AUTO, Assignment, assign_by_name
from probekit.evaluation.interchange.table import describe_import, read_video_table, usual_generation
from probekit.evaluation.interchange.vbench_names import read_export
from probekit.evaluation.scoring.absent_videos import absent_videos, write_absent
from probekit.media.video_names import check_name
from probekit.progress import track
from probekit.provenance import sha256_file
from probekit.run_folder.claim import claim_folder
from probekit.run_folder.manifest import load_video_set, manifest_files, write_manifest
from probekit.run_folder.protocol_card import protocol_card, write_protocol
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.video_set import Problem, VideoRow, VideoSet
from probekit.suites.suite import Prompt, Suite, Variant
from probekit.user_files.inside import folder_names, inside
from probekit.user_files.tables import is_table_name


class NamedImport(NamedTuple):
    """What an import by file names did.

    Attributes:
        run: the run folder; None if nothing was written, because videos are lost and that was not allowed.
        naming: how the files are named.
        n_videos: videos of the run.
        planned: videos that the suite plans.
        problems: files that are not used, and why.
        lost: planned videos that are not there, and why.
        not_drawn: files of prompts that the suite does not use.
        generation_variant: texts that the run is recorded as generated from.
        named_after: texts that the names were made of; None where they are not made of prompts.
    """

    run: Path | None
    naming: str
    n_videos: int
    planned: int
    problems: list[Problem]
    lost: dict[SampleKey, str]
    not_drawn: int
    generation_variant: Variant
    named_after: Variant | None


def import_video_table(
    table: Path, out: Path, *, suite: ScoringSuite | None = None
) -> tuple[list[Path], list[Problem]]:
    """Make one run folder for each model and horizon of a table of videos; the videos stay where they are.

    Args:
        table: table of videos, see `read_video_table`.
        out: parent of the run folders, which are named `<model>--<horizon>`, see `folder_names`.
        suite: suite that the runs are to be scored by; by default VBench's dimensions that fit any prompt.

    Returns:
        The run folders, and the videos that could not be read and are in none of them.
    """
    read = read_video_table(table)
    return _write_runs(read.video_sets, out, suite), read.problems


def import_video_folder(
    folder: Path,
    out: Path,
    *,
    model: str | None = None,
    horizon: str | None = None,
    suite: ScoringSuite | None = None,
) -> tuple[list[Path], list[Problem]]:
    """As `import_video_table`, for all videos of a folder; see `read_video_folder`."""
    read = read_video_folder(folder, model=model, horizon=horizon)
    return _write_runs(read.video_sets, out, suite), read.problems


def import_any(
    sources: Sequence[Path],
    out: Path,
    *,
    model: str | None = None,
    horizon: str | None = None,
    suite: ScoringSuite | None = None,
) -> tuple[list[Path], list[Problem]]:
    """Import tables and folders of videos of any prompts, as `import_video_table` and `import_video_folder` do.

    Raises:
        UserError: for a table with `model` or `horizon`, which stand in its columns, or as those.
    """
    runs: list[Path] = []
    problems: list[Problem] = []
    for source in sources:
        if not is_table_name(source):
            made = import_video_folder(source, out, model=model, horizon=horizon, suite=suite)
        elif model or horizon:
            raise UserError(f"{source} names model and horizon itself.", "Leave out --model and --horizon.")
        else:
            made = import_video_table(source, out, suite=suite)
        if repeated := set(runs) & set(made[0]):
            raise UserError(
                f"{source} makes {repeated.pop()}, as a source before it did.",
                "Import them one by one, with a --model each, or list all in one table.",
            )
        runs += made[0]
        problems += made[1]
    return runs, problems


def import_for_suite(video_set: VideoSet, suite: ScoringSuite, out: Path) -> Path:
    """Make a run folder in `out` for another suite's scores of a set's videos; they stay where they are.

    Raises:
        UserError: if the folder holds other videos.
    """
    (run,) = _write_runs([video_set], out, suite)
    return run


def import_named_videos(
    folders: Sequence[Path],
    suite: Suite,
    everything: Sequence[Prompt],
    out: Path,
    *,
    model: str | None = None,
    naming: str = AUTO,
    allow_missing: bool = False,
) -> NamedImport:
    """Make a run folder of a suite from folders that another project, or an export, wrote; the videos stay there.

    Args:
        folders: folders with videos; see `assign_by_name`. The record of an export, where there is one, goes before
            names.
        suite: what the videos are of; its variants say what was generated from and is scored. Names that are made of
            extended texts show that these were generated from, and the run is recorded so.
        everything: the whole list of prompts that the suite is drawn from.
        out: the run folder.
        model: name in tables; by default that of the export, or of the first folder.
        naming: name of a naming, or `auto`.
        allow_missing: whether to write the run although videos are lost; they count as unscored.

    Raises:
        UserError: as `assign_by_name`, or if `out` holds another set.
    """
    found = _from_record(folders, suite) if naming == AUTO else None
    found = found or assign_by_name(folders, suite, everything, naming)
    if found.named_after == "extended":
        suite = suite._replace(generation_variant="extended")
    record = read_export(folders[0])
    name = model or (record.model if record else "") or folders[0].resolve().name
    check_name(Path(name))
    rows, broken = _describe(found.files, suite, out, name)
    lost = found.lost | {key: problem.problem for key, problem in broken.items()}
    problems = [*found.problems, *dict.fromkeys(broken.values())]
    run = None
    if rows and (allow_missing or not (lost or problems)):
        run = _write_named(rows, suite, out)
        write_absent(out, absent_videos(len(suite.keys()), lost))
    variants = suite.generation_variant, found.named_after
    return NamedImport(run, found.naming, len(rows), len(suite.keys()), problems, lost, found.not_drawn, *variants)


def _from_record(folders: Sequence[Path], suite: Suite) -> Assignment | None:
    """The files that an export wrote, by its record; None where a folder has none."""
    planned, files = set(suite.keys()), dict[SampleKey, Path]()
    for folder in folders:
        record = read_export(folder)
        if record is None:
            return None
        for file in record.files:
            key = SampleKey(file.suite, file.prompt_id, file.sample)
            path = inside(folder.parent, file.file, f"The record of {folder}")
            if key in planned and path.is_file() and sha256_file(path) == file.sha256:
                files.setdefault(key, path)
    lost = {key: "no file is as it was exported" for key in suite.keys() if key not in files}
    return Assignment("export record", files, [], lost, 0)


def _describe(
    files: dict[SampleKey, Path], suite: Suite, out: Path, model: str
) -> tuple[list[VideoRow], dict[SampleKey, Problem]]:
    """Rows of the readable files, relative to the run folder; each file is decoded once."""
    rows: list[VideoRow] = []
    broken: dict[SampleKey, Problem] = {}
    described: dict[Path, VideoRow] = {}
    texts = suite.texts()
    for key, path in track(files.items(), "reading videos", total=len(files)):
        try:
            if path not in described:
                described[path] = describe_import(
                    path.parent, path.name, key, model=model, horizon=suite.horizon,
                    prompt=texts[key.prompt_id],
                )  # fmt: skip
        except UserError as error:
            broken[key] = Problem(path, error.problem)
        else:
            relative = Path(os.path.relpath(path, out)).as_posix()
            own = {"path": relative, "prompt_id": key.prompt_id, "sample": key.sample, "prompt": texts[key.prompt_id]}
            rows.append(described[path].model_copy(update=own))
    return rows, broken


def _write_named(rows: Sequence[VideoRow], suite: Suite, out: Path) -> Path:
    """Write a run whose protocol says what most of its videos are, so that a check finds the others."""
    claim_folder(out, protocol_card(suite.card(), usual_generation(rows)))
    write_manifest(out, sorted(rows, key=VideoRow.key))
    return out


def _write_runs(video_sets: Sequence[VideoSet], out: Path, suite: ScoringSuite | None = None) -> list[Path]:
    if suite is not None:
        video_sets = [_of_suite(video_set, suite) for video_set in video_sets]
    names = folder_names([(video_set.rows[0].model, video_set.rows[0].horizon) for video_set in video_sets])
    return [_write_run(video_set, out / name) for video_set, name in zip(video_sets, names, strict=True)]


def _of_suite(video_set: VideoSet, suite: ScoringSuite) -> VideoSet:
    rows = tuple(row.model_copy(update={"suite": suite}) for row in video_set.rows)
    prompts = video_set.protocol.prompts.model_copy(update={"suite": suite})
    card = video_set.protocol.model_copy(update={"prompts": prompts, "scorers": {}})
    return video_set._replace(rows=rows, protocol=card)


def _write_run(video_set: VideoSet, root: Path) -> Path:
    if manifest_files(root):
        ours, theirs = video_set.rows[0], load_video_set(root).rows[0]
        if (ours.model, ours.horizon) != (theirs.model, theirs.horizon):
            raise UserError(f"{root} holds videos of {theirs.model} at {theirs.horizon}.", "Choose another --out.")
        if ours.suite != theirs.suite:
            raise UserError(f"{root} is a run of the suite {theirs.suite}.", f"Choose another --out for {ours.suite}.")
    rows = [
        row.model_copy(update={"path": Path(os.path.relpath(video_set.root / row.path, root)).as_posix()})
        for row in video_set.rows
    ]
    write_manifest(root, rows)
    write_protocol(root, video_set.protocol)
    return root
