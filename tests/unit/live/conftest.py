"""One tiny student for all tests of this folder; those that need none load no network."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from probekit.rollout.streaming_sampler import StreamingSampler


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.helpers.live_examples import write_tiny_student

    return write_tiny_student(tmp_path_factory.mktemp("live") / "student")


@pytest.fixture(scope="session")
def sampler(folder: Path) -> "StreamingSampler":
    from probekit.rollout.streaming_sampler import StreamingSampler
    from tests.helpers.live_examples import SUITE

    return StreamingSampler(folder, SUITE)
