import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.seeding import counter_seed, generator, noise

Names = list[str | int]
NAMES = st.lists(st.one_of(st.text(max_size=6), st.integers(-(10**20), 10**20)), max_size=4)
KEYS = st.tuples(st.integers(0, 5), st.sampled_from(["p0", "p1", "0"]), *[st.integers(0, 4)] * 3)
Key = tuple[int, str, int, int, int]


def _draw(key: Key, shape: tuple[int, ...] = (2, 3)) -> np.ndarray:
    run_seed, prompt_id, sample, chunk, step = key
    return noise(shape, run_seed=run_seed, prompt_id=prompt_id, sample=sample, chunk=chunk, step=step)


@given(a=NAMES, b=NAMES)
def test_only_equal_names_share_a_seed(a: Names, b: Names) -> None:
    same = [(type(name), name) for name in a] == [(type(name), name) for name in b]
    assert (counter_seed(*a) == counter_seed(*b)) == same


@pytest.mark.parametrize(
    ("a", "b"), [(("ab", "c"), ("a", "bc")), (("1",), (1,)), (("a",), ("a", "")), (('a", "b',), ("a", "b"))]
)
def test_names_are_not_glued_together(a: Names, b: Names) -> None:
    assert counter_seed(*a) != counter_seed(*b)


def test_seed_is_64_bits_and_never_changes() -> None:
    assert counter_seed("noise", 0, "p0", 1) == 7375290364274675022
    assert 0 <= counter_seed("x") < 2**64


def test_numpy_integers_count_as_integers_and_floats_are_refused() -> None:
    assert counter_seed("a", np.int64(3)) == counter_seed("a", 3)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        counter_seed(0.5)  # type: ignore[arg-type]


def test_generators_of_one_name_repeat_and_of_two_names_differ() -> None:
    assert np.array_equal(generator("a", 1).random(5), generator("a", 1).random(5))
    assert not np.array_equal(generator("a", 1).random(5), generator("a", 2).random(5))


@given(keys=st.lists(KEYS, min_size=2, max_size=6, unique=True), order=st.randoms(use_true_random=False))
def test_noise_depends_on_its_key_alone(keys: list[Key], order: random.Random) -> None:
    expected = {key: _draw(key) for key in keys}
    shuffled = list(keys)
    order.shuffle(shuffled)
    with ThreadPoolExecutor(2) as workers:
        for key, drawn in zip(shuffled, workers.map(_draw, shuffled), strict=True):
            assert np.array_equal(drawn, expected[key])
    flat = {values.tobytes() for values in expected.values()}
    assert len(flat) == len(keys)


def test_noise_is_standard_normal_float32() -> None:
    drawn = _draw((0, "p", 0, 0, 0), (200, 500))
    assert drawn.dtype == np.float32
    assert abs(drawn.mean()) < 5 / np.sqrt(drawn.size)
    assert drawn.std() == pytest.approx(1, abs=0.01)


def test_noise_values_never_change() -> None:
    """The numbers of every published comparison hang on these."""
    drawn = _draw((7, "p3", 1, 2, 3), (4,))
    assert drawn.tolist() == pytest.approx([-1.595253, 0.037467, 0.75587, -0.960885], abs=1e-6)
