import subprocess
import sys

import pytest

IMPORT_AFTERWARDS = """
import probekit
import torchvision, lpips
import torch
assert torch.ops.torchvision.nms is not None
assert torchvision.models.alexnet is not None and lpips.LPIPS is not None
"""

# A second definition of the namespace would raise, so this passes only when nothing is declared again.
OPERATORS_EXIST = """
import torch
library = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import probekit, torchvision
from probekit.torchvision_operators import _declare_schemas
assert _declare_schemas.cache_info().currsize == 0
"""

LOOKING_LOADS_NOTHING = """
import importlib.util, sys
import probekit
spec = importlib.util.find_spec("torchvision")
assert spec is not None and spec.submodule_search_locations and spec.origin.endswith("__init__.py")
assert not {"torch", "torchvision"} & set(sys.modules)
"""

TWO_COPIES_ARE_ONE_FINDER = """
import importlib, sys
import probekit
importlib.reload(probekit)
from probekit.torchvision_operators import TorchvisionFinder
assert sum(isinstance(finder, TorchvisionFinder) for finder in sys.meta_path) == 1
"""

ABSENT = """
import importlib.util, sys
import probekit
sys.path[:] = [sys.argv[1]]
assert importlib.util.find_spec("torchvision") is None
try:
    import torchvision
except ModuleNotFoundError as error:
    assert error.name == "torchvision"
else:
    raise AssertionError("found")
"""

SCRIPTS = {
    "mended": IMPORT_AFTERWARDS,
    "declared before": OPERATORS_EXIST,
    "looked for": LOOKING_LOADS_NOTHING,
    "imported twice": TWO_COPIES_ARE_ONE_FINDER,
    "absent": ABSENT,
}


@pytest.mark.long
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_torchvision_imports_in_a_fresh_process(script: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = str(tmp_path_factory.mktemp("empty"))
    result = subprocess.run([sys.executable, "-c", script, empty], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.long
def test_the_trainer_alone_can_open_a_diffusers_model() -> None:
    script = "import trainer; from diffusers import WanTransformer3DModel"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
