"""One configuration for every kind of model: each field changes the card, or is refused by name before loading."""

from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from probekit.choices import Precision
from probekit.cli.main import app
from probekit.errors import UserError
from probekit.models.context_policy import TRAINED_WINDOW, ContextPolicy
from probekit.rollout.bidirectional_sampler import BidirectionalSampler
from probekit.rollout.generation_runner import VideoGenerator
from probekit.rollout.sampling_config import SOLVER_FIELDS, STREAM_FIELDS, SamplingConfig
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.run_folder.protocol_card import GenerationCard
from probekit.suites.registry import load_suite
from tests.helpers.model_folders import CARDS, write_tiny_models

SUITE = load_suite("sprite-5s")
VALUES: dict[str, Any] = {
    "steps": 3,
    "guidance": 3.0,
    "shift": 2.0,
    "negative_prompt": "blur",
    "few_steps": (1000,),
    "first_chunk_steps": (1000, 750),
    "policy": ContextPolicy(),
    "seed": 7,
    "precision": "bfloat16",
    "compile": True,
}
REFUSED = {"clip": STREAM_FIELDS, "student": SOLVER_FIELDS, "ar": (*SOLVER_FIELDS, "few_steps", "first_chunk_steps")}
UNUSED = {("student", "negative_prompt")}  # it has no guidance, and its card says so


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_tiny_models(tmp_path_factory.mktemp("models"))


def sampler(kind: str, folder: Path, config: SamplingConfig) -> VideoGenerator:
    return BidirectionalSampler(folder, SUITE, config) if kind == "clip" else StreamingSampler(folder, SUITE, config)


def test_every_field_but_the_device_is_tried_here() -> None:
    assert set(SamplingConfig.model_fields) - {"device"} == set(VALUES)


@pytest.mark.long
@pytest.mark.parametrize("field", VALUES)
@pytest.mark.parametrize("kind", ["clip", *CARDS])
def test_a_field_changes_the_card_or_is_refused_before_anything_loads(
    kind: str, field: str, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probekit.models.compiled_blocks.compiler_fault", lambda device: None)  # tried elsewhere
    config = SamplingConfig.model_validate({field: VALUES[field]})
    if field in REFUSED[kind]:
        for module in ("bidirectional_sampler", "streaming_sampler"):
            monkeypatch.setattr(f"probekit.rollout.{module}.load_model", lambda *_: pytest.fail("weights were read"))
        with pytest.raises(UserError, match=f"{field}|no few-step list"):
            sampler(kind, folders[kind], config)
        return
    plain, changed = (sampler(kind, folders[kind], one).card for one in (SamplingConfig(), config))
    assert (plain != changed) == ((kind, field) not in UNUSED)


def test_what_the_configuration_leaves_open_is_stated_on_the_card(folders: dict[str, Path]) -> None:
    card = sampler("clip", folders["clip"], SamplingConfig()).card
    assert (card.steps, card.guidance, card.shift, card.seed, card.compile) == (10, 2.0, 4.0, 0, None)
    assert SamplingConfig(seed=0, compile=False) == SamplingConfig()
    assert SamplingConfig().stream_policy == TRAINED_WINDOW
    assert SamplingConfig(policy=ContextPolicy()).stream_policy == ContextPolicy()


def test_a_card_states_a_number_format_only_where_it_is_not_the_usual_one() -> None:
    found = {precision: SamplingConfig(precision=precision).card_precision for precision in get_args(Precision)}
    assert found == {"float32": None, "bfloat16": "bfloat16"}


def test_a_field_that_the_card_states_has_the_name_of_the_card() -> None:
    under_other_names = {"few_steps", "first_chunk_steps", "policy", "device"}
    assert set(SamplingConfig.model_fields) - under_other_names <= set(GenerationCard.model_fields)


def test_all_that_is_of_no_use_is_named_at_once() -> None:
    config = SamplingConfig(few_steps=(1000,), policy=TRAINED_WINDOW, steps=3)
    with pytest.raises(UserError, match=r"^A model of whole clips has no use for few_steps, policy\."):
        config.refuse(STREAM_FIELDS, "A model of whole clips")
    SamplingConfig(seed=3, device="cuda", precision="bfloat16").refuse((*STREAM_FIELDS, *SOLVER_FIELDS), "Any")


@pytest.mark.parametrize(
    "values",
    [{"steps": 0}, {"guidance": 0.5}, {"shift": 0.0}, {"shift": float("nan")}, {"few_steps": (500, 1000)},
     {"seed": -1}, {"device": "gpu"}, {"precision": "bf16"}, {"window": 9}],
)  # fmt: skip
def test_what_cannot_be_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SamplingConfig.model_validate(values)


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("student", ["--steps", "5", "--shift", "3"], "A streaming generator has no use for steps, shift."),
        ("clip", ["--few-steps", "1000"], "A model of whole clips has no use for few_steps."),
        ("clip", ["--window", "9"], "A model of whole clips has no use for policy."),
        ("clip", ["--compile"], "A model of whole clips has no use for compile."),
        ("student", ["--plan", "--guidance", "3"], "A streaming generator has no use for guidance."),
    ],
)
def test_the_command_refuses_an_option_that_the_model_has_no_use_for(
    kind: str, arguments: list[str], message: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    given = ["sample", "--model", str(folders[kind]), "--out", str(tmp_path / "run"), *arguments]
    result = CliRunner().invoke(app, given, terminal_width=250)
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "run").exists()


def test_the_plan_of_half_precision_needs_half_the_memory(folders: dict[str, Path], tmp_path: Path) -> None:
    def gib(*more: str) -> float:
        given = ["sample", "--model", str(folders["student"]), "--out", str(tmp_path), "--prompts", "1", "--plan"]
        output = CliRunner().invoke(app, [*given, *more], terminal_width=250).output
        return float(output.partition("memory")[2].split()[0])

    assert gib("--bf16") == pytest.approx(gib() / 2, abs=2e-3)
