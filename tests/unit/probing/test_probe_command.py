"""`probekit capture` and `probekit probe`: from models to tables, gone on with, and refused in one line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.probing.feature_store import FeatureStore
from probekit.probing.futures import continue_state
from probekit.probing.probe_comparison import CONTROLS
from probekit.probing.probe_settings import CONTROL_TASK, TRAINED, DecoderBudget, ProbeSettings
from probekit.probing.readout_heads import head_path, read_head
from probekit.probing.sites import Site
from probekit.rollout.generation_runner import Request
from probekit.rollout.sampling_config import SamplingConfig
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.suites.registry import load_suite
from probekit.workflows.capture import capture_plan, capture_settings, capture_states
from probekit.workflows.probe import probe_arms
from probekit.workflows.sample import sample_suite
from tests.helpers.feature_stores import counting_frames, write_store
from tests.helpers.model_folders import write_tiny_model

SUITE = load_suite("sprite-5s").reduced(5, 1)
QUICK = ProbeSettings(
    horizons=(1, 3), budget=DecoderBudget(width=8, steps=4, validate_every=2, batch=16, seeds=(0, 1)), perceptual=False
)


def write_student(folder: Path, seed: int) -> Path:
    write_tiny_model(folder, seed=seed)
    write_causal_card(folder, CausalCard(role="dmd_student", chunk_frames=3, shift=5.0, few_steps=(1000, 500)))
    return folder


@pytest.fixture(scope="module")
def students(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("students")
    return write_student(root / "base", 1), write_student(root / "ours", 5)


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def refused(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 2, done.output
    return " ".join(done.output.split())


@pytest.fixture(scope="module")
def probed(students: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("probes")
    probe_arms(str(students[0]), str(students[1]), SUITE, out, settings=QUICK)
    return out


@pytest.mark.long
def test_tables_and_figures_are_written_with_every_control(probed: Path) -> None:
    names = {path.name for path in probed.iterdir()}
    assert names == {
        "states", "values", "probe_values.parquet", "contrasts.csv", "probes.md", "probes.png", "futures.png",
        "protocol.json",
    }  # fmt: skip
    values = pd.read_parquet(probed / "probe_values.parquet")
    assert set(values.source) == {TRAINED, *CONTROLS} - {CONTROL_TASK}  # which classes alone have
    assert set(values.horizon) == {1, 3}
    assert (
        values.groupby(["arm", "source", "site", "horizon", "probe_seed", "prompt_id", "metric_id"], dropna=False)
        .size()
        .max()
        == 1
    )
    page = (probed / "probes.md").read_text()
    assert "What survives which control" in page
    assert "Spread over probe seeds" in page
    assert json.loads((probed / "protocol.json").read_text())["settings"]["horizons"] == [1, 3]


def test_the_middle_sites_decoders_are_kept_beside_the_states(probed: Path) -> None:
    for folder in sorted((probed / "states").iterdir()):
        store = FeatureStore(folder)
        head = read_head(head_path(folder, "frame"), store.card.generation.checkpoint_hash)
        assert head.site == store.sites[1]
        assert head.horizons == QUICK.horizons
        pictures = head.read(store.states(head.site, TRAINED)[:2])
        assert pictures[3].shape == (2 * 7, 32 * 32 * 3)


@pytest.mark.long
def test_finished_states_and_arms_are_kept(students: tuple[Path, Path], probed: Path, tmp_path: Path) -> None:
    out = tmp_path / "again"
    shutil.copytree(probed, out)
    stores = [str(out / "states" / path.name) for path in students]
    states = {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}
    (out / "values" / "ours.parquet").unlink()
    kept = (out / "values" / "base.parquet").stat().st_mtime_ns
    result = probe_arms(*stores, SUITE, out, settings=QUICK)
    assert {path: path.stat().st_mtime_ns for path in states} == states
    assert (out / "values" / "base.parquet").stat().st_mtime_ns == kept
    first = pd.read_parquet(probed / "probe_values.parquet")
    pd.testing.assert_frame_equal(result.values, first)
    drawn = probe_arms(*map(str, students), SUITE, out, settings=QUICK)  # from models, with the figure of futures
    assert (out / "values" / "base.parquet").stat().st_mtime_ns == kept
    pd.testing.assert_frame_equal(drawn.values, first)
    alone = probe_arms(stores[0], None, SUITE, tmp_path / "alone", settings=QUICK)
    pd.testing.assert_frame_equal(alone.values, first[first.arm == "base"])
    assert set(alone.contrasts.arm) == {"base"}
    other = probe_arms(*stores, SUITE, out, settings=QUICK._replace(horizons=(2,)))
    assert set(other.values.horizon) == {2}


@pytest.mark.long
@pytest.mark.parametrize("horizons", [(0,), (2,)])
def test_futures_are_drawn_at_the_horizons_that_are_probed(
    students: tuple[Path, Path], tmp_path: Path, horizons: tuple[int, ...]
) -> None:
    probe_arms(*map(str, students), SUITE, tmp_path, settings=QUICK._replace(horizons=horizons))
    assert (tmp_path / "futures.png").is_file() == (horizons != (0,))


def test_stores_that_do_not_fit_are_refused(students: tuple[Path, Path], probed: Path, tmp_path: Path) -> None:
    store = probed / "states" / "base"
    levels = np.zeros((6, 5))
    write_store(tmp_path / "other", np.zeros((6, 5, 1, 1, 4)), counting_frames(levels))
    assert "differ in prompts" in refused("probe", store, tmp_path / "other", "--out", tmp_path / "out")
    with pytest.raises(UserError, match="4 prompts cannot be split"):
        probe_arms(*map(str, students), SUITE.reduced(4, 1), tmp_path / "few", settings=QUICK)
    assert not (tmp_path / "few").exists()


@pytest.mark.long
def test_the_commands_capture_probe_and_plan(students: tuple[Path, Path], tmp_path: Path) -> None:
    model = students[0]
    planned = run("capture", model, "--out", tmp_path / "s", "--prompts", 5, "--samples", 1, "--plan")
    assert "MiB per video" in planned
    assert not (tmp_path / "s").exists()
    options = ("--prompts", 5, "--samples", 1, "--site", "blocks.1.attn1@commit", "--keep", "mean")
    run("capture", model, "--out", tmp_path / "s", *options)
    store = FeatureStore(tmp_path / "s")
    assert store.states(Site(1, None, "attn1")).shape == (5, 7, 3, 1, 32)
    told = run("probe", tmp_path / "s", tmp_path / "s", "--out", tmp_path / "p", "--target", "latent", "--horizon", 2)
    assert "than mean frame" in told
    assert "blocks.1.attn1@commit" in told


def test_all_blocks_can_be_asked_for_at_once(students: tuple[Path, Path]) -> None:
    sites = capture_settings(str(students[0]), ["all"]).sites
    assert [site.name for site in sites] == ["blocks.0@step1", "blocks.1@step1"]


def test_a_plan_says_the_bytes_that_are_written(students: tuple[Path, Path], tmp_path: Path) -> None:
    settings = capture_settings(str(students[0]), reduction="tokens:4")
    line = next(line for line in capture_plan(str(students[0]), SUITE, settings) if line.startswith("store"))
    capture_states(str(students[0]), SUITE, tmp_path, settings)
    written = sum(path.stat().st_size for path in tmp_path.glob("*.safetensors"))
    assert float(line.split()[1]) * 2**20 * 5 == pytest.approx(written, rel=0.02)


@pytest.mark.long
def test_two_models_read_the_same_videos(students: tuple[Path, Path], tmp_path: Path) -> None:
    sample_suite(str(students[0]), SUITE, tmp_path / "run", SamplingConfig())
    stores = []
    for model in students:
        settings = capture_settings(str(model), ["blocks.1@step1"], untrained=False)
        stores.append(
            FeatureStore(capture_states(str(model), SUITE, tmp_path / model.name, settings, videos=tmp_path / "run"))
        )
    np.testing.assert_array_equal(stores[0].latents(), stores[1].latents())
    assert not np.array_equal(stores[0].states(Site(1, 1)), stores[1].states(Site(1, 1)))
    assert stores[0].card.videos == stores[1].card.videos
    with pytest.raises(UserError, match="lacks 5 of 10 videos"):
        capture_states(
            str(students[0]), load_suite("sprite-5s").reduced(5, 2), tmp_path / "x", settings, videos=tmp_path / "run"
        )


def test_what_cannot_be_captured_is_refused_before_anything_runs(students: tuple[Path, Path], tmp_path: Path) -> None:
    model, out = students[0], tmp_path / "out"
    assert "no module 'blocks.7'" in refused("capture", model, "--out", out, "--prompts", 1, "--site", "blocks.7@step0")
    assert not out.exists()
    assert "2 denoising steps" in refused("capture", model, "--out", out, "--prompts", 1, "--site", "blocks.1@step5")
    assert "not the name of a site" in refused("capture", model, "--out", out, "--site", "../../x")
    assert "no way to reduce" in refused("capture", model, "--out", out, "--keep", "tokens:0")
    plain = write_tiny_model(tmp_path / "plain")
    assert "not a causal generator" in refused("capture", plain, "--out", out)
    assert "not a causal generator" in refused("probe", plain, plain, "--out", out)


@pytest.mark.long
def test_two_models_may_have_folders_of_one_name(tmp_path: Path) -> None:
    """Every training exports to a folder called `export`."""
    models = [write_student(tmp_path / run / "export", seed) for run, seed in (("one", 1), ("two", 5))]
    result = probe_arms(*map(str, models), SUITE, tmp_path / "out", settings=QUICK)
    assert result.values.arm.nunique() == 2
    assert len(list((tmp_path / "out" / "states").iterdir())) == 2


def test_futures_share_their_past_bit_by_bit(students: tuple[Path, Path]) -> None:
    sampler = StreamingSampler(students[0], SUITE)
    key = SUITE.keys()[0]
    request = Request(key, SUITE.texts()[key.prompt_id])
    found = continue_state(sampler, request, chunk=3, horizons=(1, 3), count=3)
    assert found.continuations.shape == (3, 2, 32, 32, 3)
    assert np.array_equal(found.continuations[0, 0], sampler.generate([request])[0, 8 + 12 * 4])
    assert not np.array_equal(found.continuations[0, 0], found.continuations[1, 0])
    later = continue_state(sampler, request, chunk=5, horizons=(1,), count=2)
    assert np.array_equal(later.current, sampler.generate([request])[0, 8 + 12 * 5])
    with pytest.raises(UserError, match="Use a chunk up to 3"):
        continue_state(sampler, request, chunk=4, horizons=(3,))
