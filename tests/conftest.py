"""Settings of all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import probekit  # noqa: F401  (test files import diffusers before ours, and that needs its finder of torchvision)
from tests.helpers.quick import is_quick, left_out_text

# A busy machine must not fail a property: no time limits, neither on one example nor on making one.
# The same commit tries the same examples; HYPOTHESIS_PROFILE=fuzz looks for new ones.
_PATIENT = settings(deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("project", _PATIENT, derandomize=True)
settings.register_profile("fuzz", _PATIENT, max_examples=1000)
settings.register_profile("quick", _PATIENT, derandomize=True, max_examples=10)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "project"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--quick`, what `make quick` runs."""
    parser.addoption("--quick", action="store_true", help="only rules about the code and unit tests without networks")


def pytest_configure(config: pytest.Config) -> None:
    """Try fewer examples of each property with `--quick`, before any test is imported."""
    if config.getoption("--quick") and "HYPOTHESIS_PROFILE" not in os.environ:
        settings.load_profile("quick")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave heavy test files out before they are imported."""
    left_out = config.getoption("--quick") and collection_path.match("test_*.py") and not is_quick(collection_path)
    return True if left_out else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what `--quick` left out; found again here, because with workers the main process collects nothing."""
    if config.getoption("--quick"):
        files = sorted(Path(__file__).parent.rglob("test_*.py"))
        terminalreporter.write_line(left_out_text(path for path in files if not is_quick(path)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse names that differ from process to process; skip tests marked ``gpu`` where there is no CUDA device."""
    named_by_address = [item.nodeid for item in items if " at 0x" in item.nodeid]
    if named_by_address:  # workers would refuse to share the tests, and say less
        raise pytest.UsageError(f"{named_by_address[0]} has the address of an object in its name; give it other ids")
    on_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if on_gpu and not _has_cuda():
        for item in on_gpu:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


def _has_cuda() -> bool:
    import torch  # here, because most test runs need no torch

    return torch.cuda.is_available()
