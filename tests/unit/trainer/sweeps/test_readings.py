"""What is read from runs becomes differences from the first row, over pairs of runs and shared prompts."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from probekit.probing.alignment import COLUMNS as ALIGNMENT_COLUMNS
from probekit.probing.probe_experiment import COLUMNS as PROBE_COLUMNS
from probekit.statistics.significance import holm
from probekit.workflows.permanence import COLUMNS as PERMANENCE_COLUMNS
from probekit.workflows.probe import MAIN_METRIC
from trainer.commands.training import TAKEN
from trainer.config.sweep import find_sweep
from trainer.sweeps.open_sweep import OpenSweep, RowRun, open_sweep
from trainer.sweeps.reading_table import reading_rows, reading_table
from trainer.sweeps.reading_values import Quantity, Values, values_of
from trainer.sweeps.readings import Reading, open_readings, readings_of

ERROR = Quantity("error", "lower")
COSINE = Quantity("cosine", "")


def drawn(seed: int, shift: float = 0.0, prompts: int = 60) -> dict[str, float]:
    values = np.random.default_rng(seed).normal(shift, 1, prompts)
    return {f"p{number:03d}": float(value) for number, value in enumerate(values)}


def test_a_row_is_held_against_the_first_on_prompts_and_runs_that_both_have() -> None:
    ours, theirs = [drawn(1), drawn(2), drawn(3)], [drawn(4), drawn(5, prompts=50)]
    rows = reading_rows({"none": [{ERROR: one} for one in theirs], "ours": [{ERROR: one} for one in ours]})
    first, second = rows
    assert (first.label, first.runs, first.difference) == ("none", 2, None)
    assert (second.label, second.runs) == ("ours", 3)
    assert first.mean == pytest.approx(np.mean([np.mean(list(one.values())) for one in theirs]))
    shared = sorted(theirs[1])
    expected = np.mean([[own[p] - base[p] for p in shared] for own, base in zip(ours, theirs, strict=False)])
    assert second.difference is not None
    assert second.difference.difference == pytest.approx(expected)
    assert second.difference.n_prompts == 50


def test_one_run_has_no_p_value_and_two_have_one_that_holm_adjusts() -> None:
    one = reading_rows({"none": [{ERROR: drawn(1)}], "ours": [{ERROR: drawn(2)}]})
    assert [row.holm for row in one] == [None, None]
    labels = ("a", "b", "c")
    found: dict[str, list[Values]] = {"none": [{ERROR: drawn(1)}, {ERROR: drawn(2)}]}
    found |= {label: [{ERROR: drawn(10 * n + 3)}, {ERROR: drawn(10 * n + 4)}] for n, label in enumerate(labels)}
    rows = reading_rows(found)[1:]
    p_values = [row.difference.p_value for row in rows if row.difference and row.difference.p_value is not None]
    assert [row.holm for row in rows] == pytest.approx(list(holm(p_values)))


def test_runs_behind_one_that_is_not_read_do_not_count() -> None:
    """Runs are pairs by their numbers, so that the third cannot stand in for the second."""
    rows = reading_rows({"none": [{ERROR: drawn(1)}] * 3, "ours": [{ERROR: drawn(2)}, {}, {ERROR: drawn(3)}]})
    assert [row.runs for row in rows] == [3, 1]


def test_cosines_stand_by_themselves_because_the_first_row_has_none() -> None:
    batches = {str(number): value for number, value in enumerate(np.random.default_rng(0).normal(0.1, 0.02, 60))}
    rows = reading_rows({"none": [{ERROR: drawn(1)}], "ours": [{ERROR: drawn(1), COSINE: batches}]})
    (row,) = [row for row in rows if row.quantity == COSINE]
    assert row.difference is not None
    assert row.difference.difference == pytest.approx(row.mean)
    assert row.difference.low is not None
    low, high = stats.bootstrap(
        (list(batches.values()),), np.mean, random_state=0, method="percentile"
    ).confidence_interval
    assert (row.difference.low, row.difference.high) == pytest.approx((low, high), abs=1e-3)
    table = reading_table(rows)
    assert table.notes[0].startswith("0 of 1 intervals exclude 0")
    assert ["cosine", "", "ours", "1", f"{row.mean:.5f}", ""] in [cells[:6] for cells in table.texts()]


def made(part: str, folder: Path) -> Reading:
    (folder / "finished.json").write_text("{}")
    return Reading(part, folder, {}, ())


def test_values_of_probes_are_errors_alone_and_beyond_the_controls_of_the_same_prompt(tmp_path: Path) -> None:
    metric = MAIN_METRIC["picture"]
    errors = {"trained": (0.01, 0.03), "untrained": (0.02, 0.05), "copy of the current frame": (0.015, 0.01)}
    rows = [
        ("arm", source, "blocks.1@step0", 1.0, "frame", 2, seed, prompt, 0, 0.0, metric, value + 0.001 * seed)
        for source, values in errors.items()
        for prompt, value in zip("ab", values, strict=True)
        for seed in (0, 2)
    ]
    pd.DataFrame(rows, columns=list(PROBE_COLUMNS)).to_parquet(tmp_path / "probe_values.parquet")
    found = values_of([made("probes", tmp_path)])
    names = [quantity.name for quantity in found]
    assert names == [
        f"error of the frame 2 chunks ahead{beyond}"
        for beyond in ("", " beyond an untrained network", " beyond a copy")
    ]
    alone, untrained, copied = found.values()
    assert alone == pytest.approx({"a": 0.011, "b": 0.031})
    assert untrained == pytest.approx({"a": -0.01, "b": -0.02})
    assert copied == pytest.approx({"a": -0.005, "b": 0.02})


def test_values_of_alignment_and_permanence_are_of_the_trained_state_and_the_unstated_attribute(tmp_path: Path) -> None:
    aligned = [
        ("arm", source, "s", 1.0, offset, metric, prompt, value + offset)
        for source, value in (("trained", 0.5), ("untrained", 0.2))
        for offset in (1, 2)
        for metric in ("cka", "shared_neighbours")
        for prompt in "ab"
    ]
    kept = [
        ("arm", 0, attribute, occluded, "a", share)
        for attribute, occluded, share in (("tone", True, 0.25), ("tone", False, 1.0), ("color", True, 0.5))
    ]
    for part, rows, columns in (("alignment", aligned, ALIGNMENT_COLUMNS), ("permanence", kept, PERMANENCE_COLUMNS)):
        (tmp_path / part).mkdir()
        pd.DataFrame(rows, columns=list(columns)).to_parquet(tmp_path / part / f"{part}_values.parquet")
    found = values_of([made(part, tmp_path / part) for part in ("alignment", "permanence")])
    assert {quantity.name: values for quantity, values in found.items()} == {
        "CKA with the encoder 1 chunk ahead": {"a": 1.5, "b": 1.5},
        "CKA with the encoder 2 chunks ahead": {"a": 2.5, "b": 2.5},
        "neighbours shared with the encoder 1 chunk ahead": {"a": 1.5, "b": 1.5},
        "neighbours shared with the encoder 2 chunks ahead": {"a": 2.5, "b": 2.5},
        "share that keeps its tone out of view": {"a": 0.25},
        "share that keeps its tone in view": {"a": 1.0},
    }


def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenSweep:
    monkeypatch.setattr("trainer.sweeps.readings.hash_checkpoint", lambda folder: str(folder))
    return open_sweep(find_sweep("table11"), tmp_path / "shelf" / "table11")


def run_of(sweep: OpenSweep, name: str, number: int = 0) -> RowRun:
    (found,) = [run for run in sweep.runs() if (run.row.name, run.number) == (name, number)]
    return found


def test_two_losses_are_needed_for_gradients_and_only_first_runs_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = opened(tmp_path, monkeypatch)
    for name in ("no-foresight", "weight-0.1"):
        (sweep.out / name / "checkpoints" / "step-0000100").mkdir(parents=True)
    monkeypatch.setattr("trainer.sweeps.readings.newest_checkpoint", lambda folder: folder if folder.is_dir() else None)
    everything = ["states", "probes", "alignment", "gradients", "permanence"]
    assert open_readings(sweep, run_of(sweep, "weight-0.1")) == everything
    assert open_readings(sweep, run_of(sweep, "no-foresight")) == [part for part in everything if part != "gradients"]
    assert readings_of(sweep, run_of(sweep, "no-foresight", 2)) == []
    assert "foresight.weight=0.1" in readings_of(sweep, run_of(sweep, "weight-0.1"))[3].command


def test_states_of_a_copy_are_read_where_it_is_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = opened(tmp_path, monkeypatch)
    origin, copy = tmp_path / "shelf" / "table01" / "current-and-next", sweep.out / "weight-0.2"
    (origin / "export").mkdir(parents=True)
    copy.mkdir(parents=True)
    (copy / TAKEN).write_text(f'{{"from": "{origin}"}}')
    places = {reading.part: reading.folder for reading in readings_of(sweep, run_of(sweep, "weight-0.2"))}
    assert places["probes"] == origin / "readings" / "probes"
    assert places["permanence"] == copy / "readings" / "permanence", "videos are of this table's suite"
    (origin / "export").rmdir()
    places = {reading.part: reading.folder for reading in readings_of(sweep, run_of(sweep, "weight-0.2"))}
    assert places["probes"] == copy / "readings" / "probes"


def test_a_reading_of_other_weights_or_settings_is_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = opened(tmp_path, monkeypatch)
    run = run_of(sweep, "no-foresight")
    for reading in readings_of(sweep, run):
        reading.folder.mkdir(parents=True)
        (reading.folder / "finished.json").write_text(pd.Series(reading.facts).to_json())
    assert open_readings(sweep, run) == []
    asked = sweep.config.readings
    assert asked is not None
    changes = {"horizons": ((1,), ["probes", "alignment"]), "encoder": ("sprite-large", ["alignment"])}
    for key, (value, again) in changes.items():
        config = sweep.config.model_copy(update={"readings": asked.model_copy(update={key: value})})
        assert open_readings(sweep._replace(config=config), run) == again
    monkeypatch.setattr("trainer.sweeps.readings.hash_checkpoint", lambda folder: "another")
    assert open_readings(sweep, run) == ["states", "probes", "alignment", "permanence"]
