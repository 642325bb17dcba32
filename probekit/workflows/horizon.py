"""Long-horizon diagnostics of run folders, tables of videos and single videos; only cuts need weights."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.evaluation.interchange.table import read_video_table
from probekit.evaluation.long_horizon.curves import FirstLast
from probekit.evaluation.long_horizon.detectors import Detection, detect_cut
from probekit.evaluation.long_horizon.diagnosis import DiagnosisSettings, VideoDiagnosis, diagnose
from probekit.evaluation.long_horizon.frame_statistics import QUANTITIES, video_statistics
from probekit.evaluation.natural.formulas import last_frames_of_shots
from probekit.evaluation.natural.weight_files import TRANSNET
from probekit.library_errors import reading
from probekit.media.video_files import iter_frames
from probekit.media.video_names import VIDEO_SUFFIXES
from probekit.progress import track
from probekit.reporting.horizon_record import ChangeRow, HorizonRecord
from probekit.run_folder.manifest import load_video_set
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.video_set import Problem, VideoRow, describe_video
from probekit.seeding import generator
from probekit.statistics.difference_estimate import DifferenceEstimate
from probekit.statistics.paired_means import paired_means
from probekit.user_files.inside import inside
from probekit.user_files.tables import is_table_name

Floats = NDArray[np.float64]


class Source(NamedTuple):
    """Videos that share a label."""

    label: str
    root: Path
    rows: tuple[VideoRow, ...]


class _Opened(NamedTuple):
    sources: list[Source]
    problems: list[Problem]


def open_sources(targets: Sequence[Path]) -> _Opened:
    """The videos of run folders, tables and video files; what cannot be read is a problem.

    A source is labelled by its model; where two have one model, by model and horizon, and then by folder.

    Raises:
        UserError: a target is none of these, or two sources cannot be told apart.
    """
    found, problems = [], []
    for target in targets:
        if is_table_name(target):
            table = read_video_table(target)
            found += [(target, video_set.root, video_set.rows) for video_set in table.video_sets]
            problems += table.problems
        elif target.suffix.lower() in VIDEO_SUFFIXES:
            found.append((target, target.parent, (_single(target),)))
        else:
            video_set = load_video_set(target)
            found.append((target, video_set.root, video_set.rows))
    labels = _labels([(target, rows[0]) for target, _, rows in found])
    return _Opened([Source(label, root, rows) for label, (_, root, rows) in zip(labels, found, strict=True)], problems)


def _single(path: Path) -> VideoRow:
    key = SampleKey("custom", "video", 0)
    return describe_video(path.parent, path.name, key, model=path.stem, training_run="-", horizon="-", prompt="-")


def _labels(firsts: Sequence[tuple[Path, VideoRow]]) -> list[str]:
    candidates = (
        [row.model for _, row in firsts],
        [f"{row.model} {row.horizon}" for _, row in firsts],
        [target.name for target, _ in firsts],
    )
    for labels in candidates:
        if len(set(labels)) == len(labels):
            return labels
    twice = Counter(candidates[-1]).most_common(1)[0][0]
    raise UserError(f"Two targets are called {twice!r}.", "Give each once, or rename the folders.")


def diagnose_sources(
    sources: Sequence[Source], *, settings: DiagnosisSettings | None = None, features: Path | None = None
) -> tuple[list[VideoDiagnosis], list[Problem]]:
    """Diagnose every video; one that cannot be read is a problem and costs the others nothing.

    Cuts are looked for where TransNetV2's weights are.

    Args:
        sources: sources from `open_sources`.
        settings: chunk length and window.
        features: folder of `<label>/<name of the video>.npy`, (T, D) each, for the similarity by gap.
    """
    diagnoses, problems = [], []
    videos = [(source, row) for source in sources for row in source.rows]
    for source, row in track(videos, "diagnosing videos"):
        path = source.root / row.path
        try:
            vectors = None if features is None else _features(_features_path(features, source.label, path.stem))
            statistics = video_statistics(path, row.fps)
            cuts = [_cuts(path, row.fps)] if cuts_can_be_found() else []
            found = diagnose(
                source.label, row.prompt_id, row.sample, statistics, settings=settings, features=vectors, more=cuts
            )
        except UserError as error:
            problems.append(Problem(path, error.problem))
        else:
            diagnoses.append(found)
    return diagnoses, problems


def cuts_can_be_found() -> bool:
    """Whether the weights of the detector `cut` are here."""
    return TRANSNET.found() is not None


def _cuts(path: Path, fps: float) -> Detection:
    from probekit.evaluation.natural.readers import shot_ends  # here, because torch comes with it

    return detect_cut(last_frames_of_shots(shot_ends(iter_frames(path))), fps)


def _features_path(folder: Path, label: str, stem: str) -> Path:
    return inside(folder, f"{label}/{stem}.npy", "A table's model with its video's name")


def _features(path: Path) -> NDArray[np.floating]:
    if not path.is_file():
        raise UserError(f"There is no features file {path}.", "Write one (T, D) array for each video.")
    with reading(f"{path} is not a NumPy array", "Save it with numpy.save."):
        # Mapped, because a header may declare more numbers than the file has.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray) or array.ndim != 2 or not np.issubdtype(array.dtype, np.floating):
        raise UserError(f"{path} is no array of (T, D) numbers.", "Save one vector per frame with numpy.save.")
    return np.array(array)


def horizon_record(
    diagnoses: Sequence[VideoDiagnosis],
    *,
    settings: DiagnosisSettings | None = None,
    seed: int = 0,
    replicates: int = 10_000,
) -> HorizonRecord:
    """Changes from first to last seconds with paired intervals over prompts, of each label and against the first.

    Raises:
        UserError: if there is no diagnosis.
    """
    if not diagnoses:
        raise UserError("No video could be diagnosed.", "See the errors above.")
    labels = list(dict.fromkeys(one.label for one in diagnoses))
    rows = []
    for quantity in QUANTITIES:
        ends = {label: _prompt_ends(diagnoses, label, quantity.name) for label in labels}
        for label in labels:
            rows.append(_change(label, quantity.name, ends[label], seed, replicates))
        for label in labels[1:]:
            rows.append(_against(label, labels[0], quantity.name, ends, seed, replicates))
    return HorizonRecord(
        tuple(labels), tuple(diagnoses), tuple(rows), settings or DiagnosisSettings(), seed, replicates
    )


def _prompt_ends(diagnoses: Sequence[VideoDiagnosis], label: str, quantity: str) -> dict[str, FirstLast]:
    """First and last means of each prompt, averaged over its videos; too short videos are left out."""
    prompts: dict[str, list[FirstLast]] = {}
    for one in diagnoses:
        change = one.changes[quantity]
        if one.label == label and change is not None:
            prompts.setdefault(one.prompt_id, []).append(change)
    return {prompt: FirstLast(*map(float, np.mean(ends, axis=0))) for prompt, ends in sorted(prompts.items())}


def _change(label: str, quantity: str, ends: dict[str, FirstLast], seed: int, replicates: int) -> ChangeRow:
    first, last = (np.array([end[side] for end in ends.values()], dtype=np.float64) for side in (0, 1))
    rng = generator("horizon", seed)
    estimate = paired_means(quantity, last, first, rng=rng, replicates=replicates)
    return _row(label, None, estimate)


def _against(
    label: str, baseline: str, quantity: str, ends: dict[str, dict[str, FirstLast]], seed: int, replicates: int
) -> ChangeRow:
    shared = [prompt for prompt in ends[label] if prompt in ends[baseline]]
    ours, theirs = (np.array([ends[name][p].change for p in shared], dtype=np.float64) for name in (label, baseline))
    rng = generator("horizon", seed)
    return _row(label, baseline, paired_means(quantity, ours, theirs, rng=rng, replicates=replicates))


def _row(label: str, baseline: str | None, estimate: DifferenceEstimate) -> ChangeRow:
    first, last = (None, None) if baseline is not None else (estimate.b, estimate.a)
    return ChangeRow(
        label, baseline, estimate.name, first, last, estimate.difference, estimate.standard_error, estimate.low,
        estimate.high, estimate.star, estimate.n_prompts, estimate.reason, estimate.interval, estimate.instead,
    )  # fmt: skip
