"""Given real data beside the repository: where it is, and the skip where it is not.

The folder is ``$PROBEKIT_SHARED``, or ``shared`` beside the repository.
"""

import os
from pathlib import Path

import pytest

from tests.helpers.places import REPOSITORY

SHARED = Path(os.environ.get("PROBEKIT_SHARED", REPOSITORY.parent / "shared"))


def shared_path(*parts: str) -> Path:
    """Return a file or folder of the shared data; skip the running test where it is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs {'/'.join(parts)} of the shared data (set PROBEKIT_SHARED)")
    return path


def video_page_path(*parts: str) -> Path:
    """Return a path inside the collection of real published videos; skip where it is absent."""
    return shared_path("data", "video_mirai_page", *parts)
