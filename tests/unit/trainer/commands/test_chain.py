"""What trainings start from is made before them, whole, and not again."""

from pathlib import Path

import pytest

from trainer.commands.chain import Chain, ChainSettings
from trainer.commands.steps import Step
from trainer.config.places import FILE_KEYS, MODEL_KEYS
from trainer.config.sweep import find_sweeps
from trainer.data.latent_clips import shard_path
from trainer.data.trajectories import trajectory_path
from trainer.sweeps.open_sweep import open_sweep


@pytest.fixture(autouse=True)
def empty_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def sources(sweep: str, **settings: object) -> list[Step]:
    """Steps that make what all rows of a sweep start from."""
    opened = open_sweep(find_sweeps([sweep])[0], Path("out"))
    chain = Chain(ChainSettings("sprite", **settings))  # type: ignore[arg-type]
    for run in opened.runs():
        chain.add_sources(opened.trainings(run))
    return chain.steps


def changes(step: Step) -> dict[str, str]:
    """Overrides of a step's command."""
    words = step.words
    return dict(words[n + 1].split("=", 1) for n, word in enumerate(words) if word == "--set")


def out_of(step: Step) -> str:
    """Where a step writes."""
    return step.words[step.words.index("--out") + 1]


@pytest.mark.parametrize("path", find_sweeps(["all"]), ids=lambda path: path.stem)
def test_each_source_is_made_before_what_starts_from_it(path: Path) -> None:
    made = set[str]()
    for step in sources(str(path)):
        given = changes(step)
        assert set(given) <= {*MODEL_KEYS, *FILE_KEYS}
        assert {value.removesuffix("/export") for value in given.values()} <= made
        made.add(out_of(step))
        assert not step.is_done()


def test_no_row_is_among_its_sources() -> None:
    assert {out_of(step) for step in sources("table10")} == {
        "runs/sprite-latents", "runs/sprite-frame-ar", "runs/sprite-frame-trajectories", "runs/sprite-frame-ode",
    }  # fmt: skip
    assert sources("table11") == []


def test_later_stages_ask_for_no_source_of_their_own_recipe() -> None:
    """Stage 3 of table 14 starts from the row's stage 2, in place of the recipe's student."""
    assert {out_of(step) for step in sources("table14")} == {"runs/sprite-latents", "runs/sprite-trajectories"}


def test_data_whose_making_was_cut_off_is_made_whole() -> None:
    folder = Path("runs/sprite-trajectories")
    for number in range(10):
        assert [out_of(step) for step in sources("table12")][-1] == str(folder), "shards are missing"
        trajectory_path(folder, number).parent.mkdir(parents=True, exist_ok=True)
        trajectory_path(folder, number).touch()
    assert sources("table12") == []
    clips = Path("runs/sprite-latents")
    clips.mkdir()
    shard_path(clips, "train", 0).touch()
    assert out_of(sources("table10")[0]) == str(clips), "one shard of 72 is there"
    shard_path(clips, "validation", 0).touch()
    few = sources("table10", few_clips=True)
    assert str(clips) not in {out_of(step) for step in few}, "one shard was asked for"


def test_a_model_that_is_there_is_taken_as_it_is() -> None:
    Path("runs/sprite-frame-ode/export").mkdir(parents=True)
    assert sources("table10") == []
    assert len(sources("table10", fresh=True)) > 1
