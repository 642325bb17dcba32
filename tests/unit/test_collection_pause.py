"""Garbage collection is off inside a pause, and afterwards as it was before, also after an error."""

import gc
from collections.abc import Iterator

import pytest

from probekit.collection_pause import collection_paused


@pytest.fixture(params=[True, False])
def enabled(request: pytest.FixtureRequest) -> Iterator[bool]:
    before, asked = gc.isenabled(), bool(request.param)
    (gc.enable if asked else gc.disable)()
    yield asked
    (gc.enable if before else gc.disable)()


def test_it_is_off_inside_and_as_before_after(enabled: bool) -> None:
    with collection_paused():
        assert not gc.isenabled()
        with collection_paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled() == enabled


def test_it_is_as_before_after_an_error(enabled: bool) -> None:
    @collection_paused()
    def fails() -> None:
        assert not gc.isenabled()
        raise KeyError("a")

    for _ in range(2):
        with pytest.raises(KeyError):
            fails()
        assert gc.isenabled() == enabled
