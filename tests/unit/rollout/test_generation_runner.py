"""Generation: resumable by key, shardable, refusing mixed protocols; with a real tiny model."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from probekit.errors import UserError
from probekit.media.video_files import write_video
from probekit.rollout import fixed_batch, generation_runner
from probekit.rollout.bidirectional_sampler import BidirectionalSampler
from probekit.rollout.generation_runner import Request, generate_suite
from probekit.rollout.sampling_config import SamplingConfig
from probekit.run_folder.manifest import load_video_set
from probekit.run_folder.shard import Shard
from probekit.run_folder.video_set_check import check_video_set
from probekit.run_folder.writers import writing
from probekit.suites.registry import load_suite
from probekit.suites.suite import Suite
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.warm_python import run_python

SUITE = load_suite("sprite-5s").reduced(3, 2)._replace(frames=9)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


def sampler(model: Path, suite: Suite = SUITE, seed: int = 0, steps: int = 1) -> BidirectionalSampler:
    return BidirectionalSampler(model, suite, SamplingConfig(steps=steps, seed=seed))


class Counting:
    """A sampler that counts what it makes and can fail after some videos."""

    def __init__(self, inner: BidirectionalSampler, fail_after: int | None = None) -> None:
        self.inner, self.card, self.made, self.fail_after = inner, inner.card, 0, fail_after

    def generate(self, requests: list[Request]) -> np.ndarray:
        if self.fail_after is not None and self.made >= self.fail_after:
            raise KeyboardInterrupt
        self.made += len(requests)
        return self.inner.generate(requests)


def test_a_finished_set_passes_its_check_and_is_not_made_again(model: Path, tmp_path: Path) -> None:
    first, again = Counting(sampler(model)), Counting(sampler(model))
    generate_suite(first, SUITE, tmp_path, training_run="r")
    assert first.made == 6
    assert check_video_set(load_video_set(tmp_path), SUITE.keys()) == []
    generate_suite(again, SUITE, tmp_path, training_run="r")
    assert again.made == 0


def test_an_interruption_loses_no_finished_batch(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixed_batch, "LARGEST", 2)
    with pytest.raises(KeyboardInterrupt):
        generate_suite(Counting(sampler(model), fail_after=4), SUITE, tmp_path, training_run="r")
    rest = Counting(sampler(model))
    rows = generate_suite(rest, SUITE, tmp_path, training_run="r")
    assert rest.made == 2
    assert len(rows) == 6


def test_a_changed_or_deleted_video_is_made_again(model: Path, tmp_path: Path) -> None:
    rows = generate_suite(sampler(model), SUITE, tmp_path, training_run="r")
    (tmp_path / rows[0].path).unlink()
    (tmp_path / rows[1].path).write_bytes(b"broken")
    untouched = {row.path: (tmp_path / row.path).stat().st_mtime_ns for row in rows[2:]}
    assert generate_suite(sampler(model), SUITE, tmp_path, training_run="r") == rows
    assert {path: (tmp_path / path).stat().st_mtime_ns for path in untouched} == untouched


@pytest.mark.parametrize("damage", ["half", "zeros", "one row"])
def test_a_damaged_manifest_costs_its_damaged_rows(
    model: Path, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fixed_batch, "LARGEST", 1)
    rows = generate_suite(sampler(model), SUITE, tmp_path, training_run="r")
    manifest = tmp_path / "manifest.json"
    text = manifest.read_text()
    if damage == "half":
        manifest.write_text(text[: len(text) // 2])
    elif damage == "zeros":
        manifest.write_bytes(bytes(len(text)))
    else:
        manifest.write_text(text.replace(rows[2].sha256, "zz"))
    rest = Counting(sampler(model))
    assert generate_suite(rest, SUITE, tmp_path, training_run="r") == rows
    assert rest.made == {"half": 3, "zeros": 6, "one row": 1}[damage]
    assert load_video_set(tmp_path).rows == tuple(rows)
    assert str(manifest) in caplog.text


def test_a_damaged_manifest_of_a_dead_share_is_mended_too(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fixed_batch, "LARGEST", 1)
    for index in range(2):
        generate_suite(sampler(model), SUITE, tmp_path, training_run="r", shard=Shard(index, 2))
    damaged = tmp_path / "manifest.shard-1-of-2.json"
    damaged.write_text(damaged.read_text()[:-300])
    assert load_video_set(tmp_path).problems
    rest = Counting(sampler(model))
    generate_suite(rest, SUITE, tmp_path, training_run="r")
    assert rest.made == 1
    found = load_video_set(tmp_path)
    assert (len(found.rows), found.problems) == (6, ())


def test_a_second_sampler_of_the_same_share_is_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probekit.folder_lock._SECONDS_TO_TRY", 0.0)
    with writing(tmp_path, "sample", None), pytest.raises(UserError, match="is being written by process"):
        generate_suite(Counting(sampler(model)), SUITE, tmp_path, training_run="r")
    generate_suite(sampler(model), SUITE.reduced(1, 1), tmp_path, training_run="r")
    assert not list(tmp_path.glob(".*"))


def test_shards_together_make_what_one_worker_makes(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fixed_batch, "LARGEST", 2)
    generate_suite(sampler(model), SUITE, tmp_path / "one", training_run="r", batch_size=1)
    for index in range(3):
        generate_suite(sampler(model), SUITE, tmp_path / "many", training_run="r", shard=Shard(index, 3), batch_size=1)
    assert load_video_set(tmp_path / "many").rows == load_video_set(tmp_path / "one").rows


def test_another_number_of_workers_makes_nothing_again(model: Path, tmp_path: Path) -> None:
    for index in range(3):
        generate_suite(sampler(model), SUITE, tmp_path, training_run="r", shard=Shard(index, 3))
    for index in range(2):
        counting = Counting(sampler(model))
        generate_suite(counting, SUITE, tmp_path, training_run="r", shard=Shard(index, 2))
        assert counting.made == 0
    assert len(load_video_set(tmp_path).rows) == 6


@pytest.mark.parametrize(("seed", "steps", "field"), [(1, 1, "seed"), (0, 2, "steps")])
def test_another_protocol_in_the_folder_is_refused(
    model: Path, tmp_path: Path, seed: int, steps: int, field: str
) -> None:
    generate_suite(sampler(model), SUITE.reduced(1, 1), tmp_path, training_run="r")
    with pytest.raises(UserError, match=f"generation.{field}"):
        generate_suite(sampler(model, seed=seed, steps=steps), SUITE.reduced(1, 1), tmp_path, training_run="r")


def test_both_models_of_a_pair_start_from_the_same_noise(model: Path) -> None:
    """With the same weights under two names, the videos are equal: nothing but the weights enters."""
    request = [Request(SUITE.keys()[0], SUITE.prompts[0].text)]
    assert (sampler(model).generate(request) == sampler(model).generate(request)).all()


@pytest.mark.parametrize("error", [UserError("No space.", "Free some."), KeyboardInterrupt()])
def test_an_error_in_the_middle_of_a_batch_loses_no_finished_video(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def write_one(path: Path, *rest: Any) -> None:
        if any(path.parent.glob("*.mp4")):
            raise error
        write_video(path, *rest)

    monkeypatch.setattr(generation_runner, "write_video", write_one)
    with pytest.raises(type(error)):
        generate_suite(sampler(model), SUITE.reduced(1, 2), tmp_path / "run", training_run="r")
    (listed,) = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert (tmp_path / "run" / listed["path"]).is_file()


@pytest.mark.long
def test_a_full_disk_is_one_clear_error_and_keeps_what_is_finished(model: Path, tmp_path: Path) -> None:
    suite = load_suite("sprite-5s").reduced(1, 2)
    generate_suite(sampler(model, suite), suite, tmp_path / "run", training_run="r")
    finished = json.loads((tmp_path / "run" / "manifest.json").read_text())
    (tmp_path / "run" / finished[1]["path"]).unlink()
    script = (
        "import resource, sys; from probekit.cli.main import app;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000));"
        f"sys.argv[1:] = ['sample', '--model', {str(model)!r}, '--out', {str(tmp_path / 'run')!r}, '--prompts', '1',"
        " '--samples', '2', '--steps', '1']; app()"
    )
    result = run_python(["-c", script], tmp_path / "process")
    assert result.returncode == 2
    assert "\r" not in result.stderr  # a log of plain lines
    errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert str(tmp_path / "run") in errors[0]
    assert "file size limit exceeded" in errors[0]
    assert (tmp_path / "run" / finished[0]["path"]).exists()


def test_a_long_manifest_is_written_in_a_part_of_the_time_and_always_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock of its own: a write takes 2 s, a batch 1 s, so that one write is due in 2 / 0.05 = 40 s."""
    now, written = [0.0], []

    def write(out: Path, rows: list[Any], shard: Shard | None) -> None:
        written.append((now[0], len(rows)))
        now[0] += 2.0

    monkeypatch.setattr(generation_runner, "write_manifest", write)
    listing = generation_runner._Listing(tmp_path, None, {}, clock=lambda: now[0])
    with listing.written_at_the_end():
        for key in load_suite("sprite-5s").keys()[:100]:
            now[0] += 1.0
            listing.finished[key] = key  # type: ignore[assignment]
            listing.write_if_due()
    assert [count for _, count in written] == [1, 41, 81, 100]


def test_a_short_manifest_is_written_after_every_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    monkeypatch.setattr(generation_runner, "write_manifest", lambda out, rows, shard: written.append(len(rows)))
    listing = generation_runner._Listing(tmp_path, None, {}, clock=lambda: 0.0)
    for key in load_suite("sprite-5s").keys()[:5]:
        listing.finished[key] = key  # type: ignore[assignment]
        listing.write_if_due()
    assert written == [1, 2, 3, 4, 5]
