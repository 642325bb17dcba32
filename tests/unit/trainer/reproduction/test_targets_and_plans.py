"""Targets of the paper: the registry is whole, plans are commands that exist, and running one goes on where it was."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer
from torch.distributed.run import get_args_parser
from typer.core import TyperGroup

from probekit.cli.main import app as probekit_app
from probekit.errors import UserError
from probekit.reporting.paper_reference import paper_rows
from tests.helpers.places import REPOSITORY
from trainer.cli import app as trainer_app
from trainer.commands.chain import recipes_by_run
from trainer.commands.rates import UNKNOWN, Estimate, duration, total
from trainer.commands.running import INTERRUPTED, plan_lines, run_plan
from trainer.commands.steps import Plan, Step
from trainer.config.recipe import load_recipe
from trainer.config.sweep import SWEEPS, load_sweep
from trainer.reproduction.drawing import DRAWERS
from trainer.reproduction.plan import plan_of
from trainer.reproduction.request import SCALES, Machine, Request, Size
from trainer.reproduction.targets import SYSTEMS, TARGETS, Rows, target_named
from trainer.reproduction.trainings import arms_of, rows_of

SWEPT = sorted(path.stem for path in SWEEPS.glob("*.yaml"))
WAN_SUITES = {"suite": "sprite-5s"}


def request(scale: str, out: Path, **settings: object) -> Request:
    """What the command asks at a scale; at Wan's, on a suite whose prompts are here."""
    suite = WAN_SUITES if scale == "wan" else {}
    asked = Request(scale, out, machine=SCALES[scale].machine)
    return asked._replace(**{**suite, **settings})  # type: ignore[arg-type]


def parsed(words: Sequence[str]) -> dict[str, object]:
    """The values of a command's options, parsed as the command line does."""
    if words[0] == "torchrun":
        arguments = get_args_parser().parse_args(words[1:])
        assert arguments.module or arguments.no_python
        words = [arguments.training_script, *arguments.training_script_args]
    program, name, *rest = words
    group = typer.main.get_command({"probekit": probekit_app, "trainer": trainer_app}[program])
    assert isinstance(group, TyperGroup)
    return dict(group.commands[name].make_context(name, list(rest)).params)


def test_every_table_and_figure_is_a_target_that_a_drawer_draws() -> None:
    tables = {f"table{number:02d}" for number in range(1, 16)}
    figures = {f"figure{number:02d}" for number in (1, 2, 5, 6, 7, 10)}
    assert set(TARGETS) == {*tables, *figures, "appendixF", "cost"}
    assert {target.drawing for target in TARGETS.values()} == set(DRAWERS)


def test_a_sweep_is_the_need_of_the_target_of_its_name() -> None:
    assert {need.table for target in TARGETS.values() for need in target.needs if isinstance(need, Rows)} == set(SWEPT)
    assert all(Rows(name) in TARGETS[name].needs for name in SWEPT)


def test_printed_tables_are_packaged_with_numbers() -> None:
    for target in TARGETS.values():
        if target.paper is not None:
            assert len(paper_rows(target.paper)) >= 3


def test_an_unknown_target_names_those_that_exist() -> None:
    with pytest.raises(UserError, match="table99") as refused:
        target_named("table99")
    assert "figure06" in refused.value.fix


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("target", TARGETS)
def test_every_command_of_a_plan_is_one_that_the_programs_take(target: str, scale: str, tmp_path: Path) -> None:
    plan = plan_of([target], request(scale, tmp_path))
    for step in plan.steps:
        options = parsed(step.words)
        assert str(tmp_path) in " ".join(step.words)
        if "recipe" in options and "overrides" in options:
            load_recipe(Path(str(options["recipe"])), list(options["overrides"] or ()))  # type: ignore[call-overload]
    assert len({step.words for step in plan.steps}) == len(plan.steps) > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scale", SCALES)
def test_what_a_command_reads_is_made_before_it_or_is_there(scale: str, tmp_path: Path) -> None:
    """Every path below the folder that a command names is the output of an earlier one, but for its own output."""
    plan = plan_of(list(TARGETS), request(scale, tmp_path))
    made: set[Path] = set()
    for step in plan.steps:
        words = [word.rpartition("=")[2] if "=" in word else word for word in step.words]
        own = Path(words[words.index("--out") + 1]) if "--out" in words else Path(step.words[-1])
        read = {Path(word) for word in words if word.startswith(str(tmp_path))} - {own}
        for path in read:
            assert any(path == one or one in path.parents for one in made), (step.words, path)
        made.add(own)


def test_rows_that_several_tables_share_are_trained_once(tmp_path: Path) -> None:
    plan = plan_of(SWEPT, request("sprite", tmp_path))
    trained = [step.words for step in plan.steps if step.words[:2] == ("trainer", "train")]
    folders = [words[words.index("--out") + 1] for words in trained]
    assert len(set(folders)) == len(folders)
    baselines = [words for words in trained if words[2].endswith("sprite/dmd_baseline.yaml") and "rows" in words[4]]
    assert {words[4] for words in baselines} == {
        str(tmp_path / "rows" / name) for name in ("dmd-baseline", "ode-foresight-then-dmd-baseline")
    }


@pytest.mark.parametrize("scale", SCALES)
def test_a_rows_name_tells_its_training_from_every_other(scale: str, tmp_path: Path) -> None:
    """Equal names mean equal recipes and changes; rows that differ in anything have other names."""
    asked, found = request(scale, tmp_path), {}
    for table in SWEPT:
        for row in rows_of(load_sweep(SWEEPS / f"{table}.yaml", scale), asked):
            key = tuple((stage.recipe, *sorted(set(stage.changes))) for stage in row.trainings)
            assert found.setdefault(row.name, key) == key
    assert len(set(found.values())) == len(found)


def test_arms_of_every_base_system_are_recipes_that_differ_in_foresight_alone(tmp_path: Path) -> None:
    for system in SYSTEMS:
        plain, ours = (row.trainings[-1] for row in arms_of(system, request("sprite", tmp_path)))
        one, other = (load_recipe(each.recipe, each.changes).model_dump(exclude={"name"}) for each in (plain, ours))
        assert {key for key in one if one[key] != other[key]} == {"foresight"}


@pytest.mark.parametrize("scale", SCALES)
def test_recipes_are_found_by_the_run_that_others_name(scale: str) -> None:
    found = recipes_by_run(scale)
    assert load_recipe(found[f"{scale}-frame-ode"]).name == f"{scale}-frame-ode"
    assert found[f"{scale}-ar"].name == "ar.yaml"


def test_wan_asks_for_what_no_command_makes(tmp_path: Path) -> None:
    plan = plan_of(["table10"], request("wan", tmp_path))
    assert any("runs/wan-latents" in ask for ask in plan.asks)
    assert any("prompts/training.txt" in ask for ask in plan.asks)
    with pytest.raises(UserError, match="no command makes"):
        run_plan(plan, lambda words: pytest.fail("ran"))


def test_a_source_that_lies_in_the_working_folder_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = plan_of(["table10"], request("sprite", Path("out")))
    assert any("sprite-frame-ar" in " ".join(step.words) for step in before.steps)
    (tmp_path / "runs" / "sprite-frame-ode" / "export").mkdir(parents=True)
    after = plan_of(["table10"], request("sprite", Path("out")))
    assert not any("sprite-frame-ar" in " ".join(step.words) for step in after.steps)
    assert not any("initial_model=" in word for step in after.steps for word in step.words)


def test_a_small_size_is_in_every_command_that_it_concerns(tmp_path: Path) -> None:
    small = request("sprite", tmp_path, size=Size(6, 1, 2))
    for step in plan_of(["table10", "figure06", "appendixF"], small).steps:
        text = shlex.join(step.words)
        match step.words[:2]:
            case ("trainer", "train"):
                assert ("--set steps=2 " in text) != ("--set shards=1 " in text)
            case ("trainer", "encode-sprites"):
                assert "--shards 1 " in text
            case ("probekit", "sample" | "probe" | "futures"):
                assert "--prompts 6 --samples 1" in text
                assert ("--steps 2" in text) == (step.words[1] != "sample")
    full = " ".join(word for step in plan_of(["figure06"], request("sprite", tmp_path)).steps for word in step.words)
    assert "--steps" not in full
    assert "--prompts" not in full


def test_the_machine_is_in_the_commands_of_wan(tmp_path: Path) -> None:
    steps = plan_of(["table01"], request("wan", tmp_path, machine=Machine(4, "cuda", "fast"))).steps
    train, sample, score = steps[-13], steps[-3], steps[-2]
    assert "--nproc-per-node 4 --no-python probekit sample" in shlex.join(sample.words)
    assert "--device cuda" in shlex.join(sample.words)
    assert shlex.join(score.words).endswith("--backend fast --workers 4")
    assert any(step.words[0] == "torchrun" and "train" in step.words for step in steps)
    assert train.words


def test_times_of_a_plan_are_those_of_what_is_left() -> None:
    steps = [
        Step(("a",), "first", lambda: True, Estimate(1000.0, "measured")),
        Step(("b",), "second", lambda: False, Estimate(50.0, "measured")),
        Step(("c",), "third", lambda: False),
    ]
    lines = list(plan_lines(Plan(tuple(steps))))
    assert [line.split()[0] for line in lines[:3]] == ["done", "to", "to"]
    assert "50 s (measured)" in lines[1]
    assert UNKNOWN.basis in lines[2]
    rest = "1 of 3 commands are done; the others take 50 s by measured rates, and 1 that nobody has timed."
    assert lines[-1] == rest
    assert total([UNKNOWN, Estimate(2.0, ""), Estimate(3.0, "")]) == (5.0, 1)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (99, "99 s"), (600, "10 min"), (7200, "2.0 h")])
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


class Commands:
    """Commands that leave a file behind when they run."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.called: list[str] = []
        self.folder = folder
        self.plan = Plan(tuple(Step((name,), name, (folder / name).is_file) for name in names))

    def __call__(self, words: Sequence[str]) -> int:
        self.called.append(words[0])
        (self.folder / words[0]).touch()
        return 0


def test_a_plan_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    names = ["one", "two", "three"]
    first = Commands(tmp_path, names)

    def killed(words: Sequence[str]) -> int:
        if words[0] == "two":
            raise KeyboardInterrupt
        return first(words)

    with pytest.raises(KeyboardInterrupt):
        run_plan(first.plan, killed)
    again = Commands(tmp_path, names)
    assert run_plan(again.plan, again)
    assert (first.called, again.called) == (["one"], ["two", "three"])
    idle = Commands(tmp_path, names)
    assert run_plan(idle.plan, idle)
    assert idle.called == []


def test_a_command_that_fails_or_ends_early_stops_the_plan(tmp_path: Path) -> None:
    for status, message in ((1, "ended with 1"), (0, "ended early")):
        commands = Commands(tmp_path / str(status), ["one", "two"])
        with pytest.raises(UserError, match=message):
            run_plan(commands.plan, lambda words, status=status: status)
    assert not run_plan(Commands(tmp_path / "x", ["one"]).plan, lambda words: INTERRUPTED)


@pytest.mark.parametrize(
    ("targets", "stated"), [("table01", "1.9 h"), ("table11", "1.5 h"), ("table14", "2.3 h"), ("figure07", "14 min")]
)
def test_the_documented_hours_are_those_of_the_plan(targets: str, stated: str, tmp_path: Path) -> None:
    plan = plan_of([targets], request("sprite", tmp_path, fresh=True))
    seconds, unknown = total([step.estimate for step in plan.steps])
    (row,) = (
        line for line in (REPOSITORY / "docs" / "reproducing.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("|") and f"`{targets}`" in line
    )  # fmt: skip
    assert (duration(seconds), unknown) == (stated, 0)
    assert stated in row


def test_every_sprite_work_but_probes_futures_and_speed_is_timed(tmp_path: Path) -> None:
    plan = plan_of(list(TARGETS), request("sprite", tmp_path, fresh=True))
    untimed = {step.what.split(" ")[0] for step in plan.steps if step.estimate.seconds is None}
    assert untimed == {"probes", "futures", "speed"}


def test_targets_are_described_in_the_documentation() -> None:
    text = (REPOSITORY / "docs" / "reproducing.md").read_text(encoding="utf-8")
    assert [name for name in TARGETS if f"`{name}`" not in text] == []
