import importlib.util
import subprocess
import sys

import pytest

from probekit.errors import UserError
from probekit.torchvision_operators import ensure_torchvision_importable

IMPORT_AFTERWARDS = """
from probekit.torchvision_operators import ensure_torchvision_importable
ensure_torchvision_importable()
ensure_torchvision_importable()
import torch, torchvision, lpips
ensure_torchvision_importable()
assert torch.ops.torchvision.nms is not None
assert torchvision.models.alexnet is not None and lpips.LPIPS is not None
"""

# A second definition of the namespace would raise, so this passes only when nothing is declared again.
OPERATORS_EXIST = """
import torch
library = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from probekit.torchvision_operators import _declare_schemas, ensure_torchvision_importable
ensure_torchvision_importable()
assert _declare_schemas.cache_info().currsize == 0
"""


@pytest.mark.parametrize("script", [IMPORT_AFTERWARDS, OPERATORS_EXIST])
def test_torchvision_imports_in_a_fresh_process(script: str) -> None:
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_absent_torchvision_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="torchvision is not installed"):
        ensure_torchvision_importable()
