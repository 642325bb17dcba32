"""One tiny student for all tests of this folder."""

from pathlib import Path

import pytest

from probekit.rollout.streaming_sampler import StreamingSampler
from tests.helpers.live_examples import SUITE, write_tiny_student


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_student(tmp_path_factory.mktemp("live") / "student")


@pytest.fixture(scope="session")
def sampler(folder: Path) -> StreamingSampler:
    return StreamingSampler(folder, SUITE)
