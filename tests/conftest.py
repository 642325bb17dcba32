"""Settings of all tests."""

import pytest
from hypothesis import HealthCheck, settings

import probekit  # noqa: F401  (test files import diffusers before ours, and that needs its finder of torchvision)

# A busy machine must not fail a property: no time limits, neither on one example nor on making one.
settings.register_profile("project", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked ``gpu`` where there is no CUDA device."""
    on_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if on_gpu and not _has_cuda():
        for item in on_gpu:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


def _has_cuda() -> bool:
    import torch  # here, because most test runs need no torch

    return torch.cuda.is_available()
