"""A probing study from one recipe: every part, its page, and what a second call makes again."""

from functools import partial
from pathlib import Path

import pytest

from probekit.errors import UserError
from probekit.folder_lock import sole_writer
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.rollout.world_sampler import WORLD_MODEL
from probekit.suites.registry import load_suite
from probekit.workflows.probing_study import LOCK, PAGE, run_study
from probekit.workflows.study_parts import _last_pass_sites, _probe_parts
from probekit.workflows.study_recipe import ProbingStudy, read_study
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.places import REPOSITORY

SHIPPED = REPOSITORY / "reports" / "sprite" / "probing" / "study.yaml"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("study")
    card = CausalCard(role="dmd_student", chunk_frames=3, shift=5.0, few_steps=(1000, 500))
    for seed, name in enumerate(("one", "other")):
        write_causal_card(write_tiny_model(root / name, seed=seed), card)
    write_tiny_model(root / "encoder", seed=3)
    path = root / "study.yaml"
    path.write_text(
        f"baseline: {root / 'one'}\nmethod: {root / 'other'}\nencoder: {root / 'encoder'}\n"
        "suite: sprite-5s\nprompts: 6\nsamples: 2\nhorizons: [0, 1]\nperceptual: false\nsteps: 20\n"
        "sites: [blocks.0@step1, blocks.0@commit]\ntargets: [latent]\npatch_target: latent\nshared: sprite-world\n"
    )
    return path


def edited(recipe: Path, folder: Path, old: str, new: str) -> Path:
    text = recipe.read_text()
    assert old in text
    path = folder / "edited.yaml"
    path.write_text(text.replace(old, new))
    return path


def test_two_processes_never_make_one_study(recipe: Path, tmp_path: Path) -> None:
    with sole_writer(tmp_path / LOCK, tmp_path), pytest.raises(UserError, match="is being written by process"):
        run_study(read_study(recipe), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_every_part_is_made_once_and_shown(recipe: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "probekit")
    page = run_study(read_study(recipe), tmp_path / "out")
    text = page.read_text()
    assert page.name == PAGE
    for heading in ("Reading latent", "Alignment with", "Patching latent in one", "in other", "that both read"):
        assert heading in text
    for line in text.splitlines():
        if line.startswith("!["):
            assert (page.parent / line.rpartition("(")[2].rstrip(")")).is_file(), line
    tables = {path: path.stat().st_mtime_ns for path in page.parent.rglob("*.csv")}
    caplog.clear()
    run_study(read_study(recipe), tmp_path / "out")
    assert caplog.text.count("is there already") == 5
    assert {path: path.stat().st_mtime_ns for path in tables} == tables
    (page.parent / "alignment" / "finished.json").unlink()
    run_study(read_study(edited(recipe, tmp_path, "patch_target: latent\n", "")), tmp_path / "out")
    again = {path for path, time in tables.items() if path.stat().st_mtime_ns != time}
    assert again == {page.parent / "alignment" / "alignment.csv"}  # what does not use a key is not made again for it
    assert "Patching" not in page.read_text()


def test_pictures_are_read_by_every_decoder_and_the_rest_by_the_first(recipe: Path, tmp_path: Path) -> None:
    text = "targets: [frame, sprite-color]\ndecoders: [token, chunk]\n"
    study = read_study(edited(recipe, tmp_path, "targets: [latent]\n", text))
    stores = {study.baseline: tmp_path / "one", study.method: tmp_path / "other"}
    parts = list(_probe_parts(study, load_suite(study.suite), stores, "probes", ""))
    assert [part.folder for part in parts] == ["probes/frame", "probes/frame-chunk", "probes/sprite-color"]
    assert [part.make.args[3].decoder for part in parts if isinstance(part.make, partial)] == [
        "token",
        "chunk",
        "token",
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("targets: [latent]", "targets: [colour]", "No probe target is called 'colour'"),
        ("prompts: 6", "prompts: 2", "prompts"),
        (", blocks.0@commit]", "]", "patch_target needs a site of the committing pass"),
        ("blocks.0@step1", "block.0", "'block.0' is not the name of a site"),
        ("horizons: [0, 1]", "horizons: []", "horizons"),
        ("perceptual", "perceptive", "perceptive"),
    ],
)
def test_what_a_study_cannot_be_is_refused_before_anything_is_made(
    recipe: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        read_study(edited(recipe, tmp_path, old, new))


def test_the_shipped_study_can_be_read() -> None:
    study = read_study(SHIPPED)
    assert (study.baseline, study.method) == ("sprite-dmd-baseline", "sprite-dmd-foresight")
    assert study.planning_episodes > 0
    assert study.shared == WORLD_MODEL
    assert study.future_prompts > 0


def test_planning_and_futures_are_of_the_last_denoising_pass() -> None:
    sites = ("blocks.1@step0", "blocks.2@step3", "blocks.4@commit", "blocks.1@step3")
    captured = _last_pass_sites(ProbingStudy(baseline="a", method="b", sites=sites))
    assert captured is not None
    assert [site.name for site in captured.sites] == ["blocks.2@step3", "blocks.1@step3"]
    assert _last_pass_sites(ProbingStudy(baseline="a", method="b", sites=("blocks.1@commit",))) is None
