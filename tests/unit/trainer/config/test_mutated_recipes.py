"""Any change to a recipe is read, or refused as a `UserError`; and what is read can be described, or is refused."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from probekit.config import load_config
from probekit.errors import UserError
from trainer.config.places import RECIPES, placed, recipe_text
from trainer.config.recipe import StageName, load_recipe
from trainer.planning.describe import description
from trainer.planning.refusals import refuse_absent

EXAMPLES = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
NAMES = (
    "sprite/dmd_foresight", "sprite/ode_foresight", "sprite/ar", "sprite/consistency", "sprite/ode_trajectories",
    "sprite/sprite_large",
)  # fmt: skip
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**65), 2**65), st.floats(), st.text(max_size=6),
    st.sampled_from(
        [0, 1, 2, 3, 5, 7, 8, 64, 10**9, 0.5, 1e-300, "sprite-base", "sprite-ode", "a/b", "..", "{work}/x", "{work}/",
         [], [1], [3, 2, 1], [1000, 500], {}, {"heads": 1, "layers": 1}, "real", "base", "ema", "none", "2024-01-01"]
    ),
)  # fmt: skip


def whole(name: str) -> dict[str, Any]:
    """A shipped recipe with everything that it extends."""
    document: dict[str, Any] = yaml.safe_load(recipe_text(load_recipe(RECIPES / f"{name}.yaml")))
    return document


DOCUMENTS = {name: whole(name) for name in NAMES}


def judged(path: Path, *overrides: str) -> None:
    said = ""
    try:
        config = load_recipe(path, overrides)
        assert list(description(config, 1, None))
        refuse_absent(config)
    except UserError as error:
        said = str(error)
    assert "\n" not in said


@pytest.mark.long
@EXAMPLES
@given(name=st.sampled_from(NAMES), changes=st.lists(st.tuples(st.integers(0, 400), VALUES), min_size=1, max_size=3))
@example("sprite/dmd_foresight", [(0, 10**18)])
def test_any_values_are_taken_or_named(tmp_path: Path, name: str, changes: list[tuple[int, object]]) -> None:
    document: dict[str, Any] = yaml.safe_load(yaml.safe_dump(DOCUMENTS[name]))
    for number, value in changes:
        places = [(document, key) for key in document]
        places += [(inner, key) for inner in document.values() if isinstance(inner, dict) for key in inner]
        where, key = places[number % len(places)]
        where[key] = value
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True))
    judged(path)


@EXAMPLES
@given(name=st.sampled_from(NAMES), at=st.floats(0, 1), put=st.text(max_size=8), length=st.integers(0, 30))
def test_any_text_is_a_recipe_or_a_named_mistake(tmp_path: Path, name: str, at: float, put: str, length: int) -> None:
    text = yaml.safe_dump(DOCUMENTS[name])
    place = int(len(text) * at)
    path = tmp_path / "recipe.yaml"
    path.write_text(text[:place] + put + text[place + length :], encoding="utf-8", errors="surrogatepass")
    judged(path)


@EXAMPLES
@given(content=st.binary(max_size=80))
@example(b"a: &a [x, x]\nb: [*a, *a]\n")
@example(b"a: " + b"[" * 5000)
@example(b"steps: " + b"9" * 5000)
@example(b"date: 2024-99-99")
@example(b"? [a, b]\n: c")
@example(b"stage: !!python/object/apply:os.system ['true']")
@example(b"extends: recipe.yaml")
@example(b"extends: ../" + b"a" * 5000)
def test_any_bytes_are_a_recipe_or_a_named_mistake(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "recipe.yaml").write_bytes(content)
    judged(tmp_path / "recipe.yaml")


@EXAMPLES
@given(override=st.one_of(st.text(max_size=20), st.builds("{}={}".format, st.text(max_size=9), st.text(max_size=9))))
@example("=")
@example("a.b.c.d=1")
@example("optimizer=3")
@example("optimizer.betas.7=3")
@example("stage=none")
def test_any_override_is_taken_or_named(override: str) -> None:
    judged(RECIPES / "sprite" / "dmd_baseline.yaml", override)


@pytest.mark.parametrize("key", ["initial_model", "data", "prompts"])
@EXAMPLES
@given(value=st.text(max_size=12))
def test_any_path_is_settled_or_named(tmp_path: Path, key: str, value: str) -> None:
    try:
        assert set(placed({key: value}, tmp_path)) == {key}
    except UserError:
        return


def test_a_stage_of_another_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("stage: [a]")
    with pytest.raises(UserError, match="stage"):
        load_config(tmp_path / "x.yaml", StageName)
