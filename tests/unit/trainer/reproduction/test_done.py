"""A result is done only at the size and with the recipe that its command declares, whatever file is there."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from probekit.suites.registry import load_suite
from probekit.workflows.drop import drop_protocol, read_drop_protocol
from tests.helpers.places import REPOSITORY
from trainer.commands.steps import Step
from trainer.planning.cost_report import CostRecord, Medians
from trainer.reproduction.done import cost_is_done, weights_hash
from trainer.reproduction.places import Places
from trainer.reproduction.plan import plan_of
from trainer.reproduction.request import SCALES, Request, Size
from trainer.reproduction.targets import CHUNKWISE, Futures, Need, Probes

ARMS = SCALES["sprite"].shipped[CHUNKWISE]
SMALL = Size(prompts=6, samples=1, steps=3)


def step(target: str, what: str, request: Request) -> Step:
    """The first step of a name: that of the default system."""
    return next(one for one in plan_of([target], request).steps if one.what == what)


def protocol(request: Request) -> dict[str, Any]:
    """What a reading of both shipped arms writes at the size of a request, but for its settings."""
    prompts = load_suite("sprite-5s").reduced(request.size.prompts, request.size.samples or 2).card()
    cards = {
        arm: {"prompts": prompts.model_dump(mode="json"), "generation": {"checkpoint_hash": weights_hash(arm)}}
        for arm in ARMS
    }
    return {"arms": cards}


def budget(steps: int) -> list[Any]:
    return [128, steps, 50, 64, [1e-3, 3e-3], 1e-2, 4, 128, [0, 1, 2]]


def probe_settings(steps: int, perceptual: bool) -> dict[str, Any]:
    return {
        "horizons": [1, 2, 3], "decoder": "chunk", "budget": budget(steps), "perceptual": perceptual, "seed": 0,
    }  # fmt: skip


def write_reading(request: Request, need: Need, found: dict[str, Any]) -> None:
    folder = Places(request.out).result(need)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("contrasts.csv", "futures.csv", "pictures.npz"):
        (folder / name).touch()
    (folder / "protocol.json").write_text(json.dumps(found), encoding="utf-8")


def write_probes(request: Request) -> dict[str, Any]:
    small = request.size.is_small()
    found = protocol(request) | {"settings": probe_settings(request.size.steps or 600, not small), "target": "frame"}
    write_reading(request, Probes(), found)
    return found


def write_futures(request: Request) -> dict[str, Any]:
    small = request.size.is_small()
    count, states = (4, 3) if small else (32, None)
    probes = probe_settings(request.size.steps or 600, False)
    settings = {"chunk": 2, "futures": count, "states": states, "seed": 0, "probes": probes}
    found = protocol(request) | {"settings": settings}
    write_reading(request, Futures(), found)
    return found


WRITERS = {"appendixF": ("probes", write_probes, Probes()), "figure06": ("futures", write_futures, Futures())}


@pytest.mark.parametrize("target", WRITERS)
@pytest.mark.parametrize("size", [Size(), SMALL, Size(prompts=6)])
def test_a_reading_is_done_at_its_own_size_alone(target: str, size: Size, tmp_path: Path) -> None:
    what, write, _ = WRITERS[target]
    request = Request("sprite", tmp_path, size)
    assert not step(target, what, request).is_done()
    write(request)
    assert step(target, what, request).is_done()
    for other in (Size(), SMALL, Size(prompts=6), Size(samples=1), Size(steps=5)):
        assert step(target, what, request._replace(size=other)).is_done() == (other == size)


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "other weights": lambda found: found["arms"][ARMS[1]]["generation"].update(checkpoint_hash="0" * 64),
    "other prompts": lambda found: found["arms"][ARMS[0]]["prompts"].update(file_hash="0" * 64),
    "one arm": lambda found: found["arms"].pop(ARMS[0]),
    "no arms": lambda found: found.pop("arms"),
    "other seed": lambda found: found["settings"].update(seed=1),
    "other target": lambda found: found.update(target="sprite-color"),
}


@pytest.mark.parametrize("target", WRITERS)
@pytest.mark.parametrize("changed", CHANGES)
def test_a_reading_of_anything_else_is_not_done(target: str, changed: str, tmp_path: Path) -> None:
    what, write, need = WRITERS[target]
    request = Request("sprite", tmp_path)
    found = write(request)
    CHANGES[changed](found)
    write_reading(request, need, found)
    assert not step(target, what, request).is_done()


@pytest.mark.parametrize("target", WRITERS)
def test_files_without_a_protocol_are_not_done(target: str, tmp_path: Path) -> None:
    what, write, need = WRITERS[target]
    request = Request("sprite", tmp_path)
    write(request)
    path = Places(tmp_path).result(need) / "protocol.json"
    path.write_text("{", encoding="utf-8")
    assert not step(target, what, request).is_done()
    path.unlink()
    assert not step(target, what, request).is_done()
    write(request)
    Places(tmp_path).file(need).unlink()
    assert not step(target, what, request).is_done()


def test_the_protocol_that_the_toolkit_writes_has_these_keys() -> None:
    """The files made up above have the form of a real one."""
    stored = REPOSITORY / "reports" / "sprite" / "probing" / "probes" / "frame" / "protocol.json"
    real = json.loads(stored.read_text(encoding="utf-8"))
    assert real["settings"].keys() == probe_settings(600, False).keys()
    assert real["settings"]["budget"] == budget(600)
    assert real["target"] == "frame"
    hashes = [card["generation"]["checkpoint_hash"] for card in real["arms"].values()]
    assert hashes == [weights_hash(arm) for arm in ARMS]


def drops_of_default(request: Request) -> Step:
    return next(one for one in plan_of(["table06"], request).steps if one.words[-1] == str(request.out / "drop"))


def test_drops_are_done_between_the_declared_suites_alone(tmp_path: Path) -> None:
    request, folder = Request("sprite", tmp_path), tmp_path / "drop"
    shutil.copytree(REPOSITORY / "reports" / "sprite" / "drop", folder)
    assert drops_of_default(request).is_done()
    assert not drops_of_default(request._replace(size=SMALL)).is_done()
    found = json.loads((folder / "protocol.json").read_text(encoding="utf-8"))
    found["runs"].pop(ARMS[0])
    (folder / "protocol.json").write_text(json.dumps(found), encoding="utf-8")
    assert not drops_of_default(request).is_done()


def test_the_protocol_of_drops_has_the_cards_of_the_runs_in_their_order() -> None:
    stored = REPOSITORY / "reports" / "sprite"
    runs = [(stored / "5s" / "runs" / arm, stored / "30s" / "runs" / arm) for arm in ARMS]
    found = drop_protocol(runs)
    assert list(found.runs) == list(ARMS)
    assert found == read_drop_protocol(stored / "drop")
    assert [card.prompts.suite for card in found.runs[ARMS[1]]] == ["sprite-5s", "sprite-30s"]


def test_a_cost_is_done_for_its_recipe_and_cycles_alone(tmp_path: Path) -> None:
    places = Places(tmp_path)
    recipe = Path("trainer") / "recipes" / "sprite" / "dmd_foresight.yaml"
    assert not cost_is_done(places, recipe, 4)

    def write(cycles: int | None) -> None:
        measured = None if cycles is None else Medians(cycles=cycles, batch_size=8, seconds={}, hardware={})
        record = CostRecord(recipe=str(recipe), overhead={}, measured=measured, command="")
        (tmp_path / "cost").mkdir(exist_ok=True)
        (tmp_path / "cost" / "cost.json").write_text(record.model_dump_json(), encoding="utf-8")

    for cycles in (None, 1, 4):
        write(cycles)
        assert [cost_is_done(places, recipe, wanted) for wanted in (None, 1, 4)] == [
            wanted == cycles for wanted in (None, 1, 4)
        ]
    assert not cost_is_done(places, recipe.with_name("dmd_baseline.yaml"), 4)
    assert not cost_is_done(places, Path("trainer/recipes/wan/dmd_foresight.yaml"), 4)
    (tmp_path / "cost" / "cost.json").write_text("{")
    assert not cost_is_done(places, recipe, 4)
