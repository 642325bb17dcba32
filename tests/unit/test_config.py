from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from probekit.config import StrictModel, dump_config, load_config
from probekit.errors import UserError


class Cosine(StrictModel):
    kind: Literal["cosine"] = "cosine"
    weight: float = 1.0


class Mse(StrictModel):
    kind: Literal["mse"] = "mse"
    margin: float = 0.0


class Optimizer(StrictModel):
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    betas: tuple[float, float] = (0.9, 0.95)


class Stage(StrictModel):
    name: str
    steps: int = 10


class Run(StrictModel):
    name: str = "run"
    seed: int = 0
    mode: Literal["short", "off"] = "short"
    optimizer: Optimizer = Optimizer()
    stages: tuple[Stage, ...] = ()
    loss: Annotated[Cosine | Mse, Field(discriminator="kind")] = Cosine()
    extra: Stage | None = None
    checkpoint: Path | None = None


def _load(tmp_path: Path, text: str, *overrides: str) -> Run:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    return load_config(path, Run, overrides)


def _error(tmp_path: Path, text: str, *overrides: str) -> UserError:
    with pytest.raises(UserError) as caught:
        _load(tmp_path, text, *overrides)
    return caught.value


def test_models_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Run().seed = 3  # type: ignore[misc]


def test_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert _load(tmp_path, "") == Run()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1e-4", 1e-4), ("1.5E3", 1500.0), ("-2e-1", None), (".5", 0.5), ("3", 3.0), ("1.", 1.0)],
)
def test_numbers_read_as_people_write_them(tmp_path: Path, text: str, expected: float | None) -> None:
    if expected is None:
        assert "greater than 0" in str(_error(tmp_path, f"optimizer: {{learning_rate: {text}}}"))
    else:
        assert _load(tmp_path, f"optimizer: {{learning_rate: {text}}}").optimizer.learning_rate == expected


def test_words_stay_words(tmp_path: Path) -> None:
    """YAML 1.1 reads off as false and yes as true."""
    run = _load(tmp_path, "mode: off\nname: yes\n")
    assert (run.mode, run.name) == ("off", "yes")


def test_misspelt_key_names_file_key_and_neighbour(tmp_path: Path) -> None:
    message = str(_error(tmp_path, "optimizer:\n  lerning_rate: 1.0\n"))
    assert message == (
        f"{tmp_path / 'run.yaml'}: unknown key 'optimizer.lerning_rate'. Fix: Did you mean 'optimizer.learning_rate'?"
    )


def test_misspelt_key_in_a_list_and_in_a_union(tmp_path: Path) -> None:
    message = str(_error(tmp_path, "stages: [{name: a, stepz: 3}]\nloss: {kind: mse, margn: 1}\nextra: {nam: b}\n"))
    assert "'stages.0.steps'" in message
    assert "margin'" in message
    assert "'extra.name'" in message


def test_key_of_another_section_is_found(tmp_path: Path) -> None:
    assert "Did you mean 'optimizer.learning_rate'" in str(_error(tmp_path, "learning_rate: 1.0"))


def test_key_like_no_other_lists_what_there_is(tmp_path: Path) -> None:
    assert "Use one of betas, learning_rate" in str(_error(tmp_path, "optimizer: {qqq: 1}"))


def test_bad_value_names_key_value_and_what_is_allowed(tmp_path: Path) -> None:
    message = str(_error(tmp_path, "mode: long\noptimizer: {learning_rate: -1}\n"))
    assert "mode = 'long' is not allowed" in message
    assert "It should be 'short' or 'off'" in message
    assert "optimizer.learning_rate = -1 is not allowed" in message
    assert "It should be greater than 0" in message


def test_missing_key_is_named(tmp_path: Path) -> None:
    assert "missing key 'stages.0.name'" in str(_error(tmp_path, "stages: [{steps: 3}]"))


def test_repeated_key_is_refused(tmp_path: Path) -> None:
    assert "repeated key 'seed'" in str(_error(tmp_path, "seed: 1\nseed: 2\n"))


@pytest.mark.parametrize("text", ["a: [1", "- 1\n- 2\n", "a: b: c"])
def test_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert "run.yaml" in str(_error(tmp_path, text))


def test_absent_file_lists_its_folder(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("")
    with pytest.raises(UserError, match=r"There is no configuration .*bse\.yaml.*has base\.yaml"):
        load_config(tmp_path / "bse.yaml", Run)


def test_extends_merges_key_by_key(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "base.yaml").write_text("seed: 1\nname: base\nstages: [{name: a}]\n")
    (tmp_path / "middle.yaml").write_text(
        "extends: parts/base.yaml\noptimizer: {learning_rate: 0.5, betas: [0, 0.9]}\n"
    )
    run = _load(tmp_path, "extends: middle.yaml\nname: top\noptimizer: {learning_rate: 0.25}\nstages: [{name: b}]\n")
    assert (run.seed, run.name) == (1, "top")
    assert run.optimizer == Optimizer(learning_rate=0.25, betas=(0, 0.9))
    assert [stage.name for stage in run.stages] == ["b"]


def test_circle_of_extends_is_named(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("extends: run.yaml\n")
    assert "run.yaml -> other.yaml -> run.yaml" in str(_error(tmp_path, "extends: other.yaml\n"))


def test_extends_of_an_absent_file_and_of_no_file(tmp_path: Path) -> None:
    assert "gone.yaml" in str(_error(tmp_path, "extends: gone.yaml\n"))
    assert "extends = 3 is not a file name" in str(_error(tmp_path, "extends: 3\n"))


def test_overrides_win_and_reach_into_lists_and_absent_sections(tmp_path: Path) -> None:
    run = _load(
        tmp_path,
        "seed: 1\nstages: [{name: a}, {name: b}]\nextra:\n",
        "seed=2",
        "optimizer.learning_rate=1e-3",
        "stages.1.steps=7",
        "extra.name=c=d",
        "optimizer.betas=[0.5, 0.6]",
    )
    assert (run.seed, run.stages[1].steps) == (2, 7)
    assert run.optimizer == Optimizer(learning_rate=1e-3, betas=(0.5, 0.6))
    assert run.extra == Stage(name="c=d")


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("seed", "not of the form"),
        ("=1", "not of the form"),
        ("optimizer..x=1", "not of the form"),
        ("stages.5.steps=1", "Use an index from 0 to 0"),
        ("stages.first.steps=1", "Use an index from 0 to 0"),
        ("optimizer.learning_rat=1", "Did you mean 'optimizer.learning_rate'"),
        ("seed=[", "not valid YAML"),
    ],
)
def test_bad_override_is_explained(tmp_path: Path, override: str, named: str) -> None:
    assert named in str(_error(tmp_path, "stages: [{name: a}]", override))


@given(
    name=st.text(max_size=20),
    seed=st.integers(-(2**40), 2**40),
    rate=st.floats(1e-12, 1e12),
    steps=st.lists(st.integers(0, 9), max_size=3),
)
def test_dump_is_read_back_to_the_same_model(
    tmp_path_factory: pytest.TempPathFactory, name: str, seed: int, rate: float, steps: list[int]
) -> None:
    run = Run(
        name=name,
        seed=seed,
        optimizer=Optimizer(learning_rate=rate),
        stages=tuple(Stage(name="off", steps=count) for count in steps),
        loss=Mse(margin=1e-5),
        checkpoint=Path("a/b"),
    )
    path = tmp_path_factory.getbasetemp() / "dumped.yaml"
    path.write_text(dump_config(run), encoding="utf-8")
    assert load_config(path, Run) == run
