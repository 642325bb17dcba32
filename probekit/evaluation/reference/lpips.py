"""LPIPS (Zhang et al. 2018, arXiv 1801.03924) with the ImageNet backbone, or the same distance on a random backbone.

The linear heads ship with the `lpips` package. Without the backbone's weights the distance can still be computed on a
seeded random backbone; it is another metric, named ``lpips_random_backbone``, and never mixes with LPIPS.
"""

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from probekit.choices import Backbone
from probekit.errors import UserError
from probekit.evaluation.reference.frame_arrays import Frames
from probekit.provenance import sha256_file
from probekit.seeding import counter_seed

if TYPE_CHECKING:
    import torch

Network = Literal["alex", "vgg"]

SMALLEST_SIDE: Mapping[Network, int] = {"alex": 31, "vgg": 16}
"""Below these sizes in px the network's pooling layers have no input left."""

_FRAMES_A_BATCH = 8


@dataclass(frozen=True)
class PerceptualDistance:
    """LPIPS distance of frames; build it with `lpips_metric`."""

    name: str
    metric_id: str
    unit: str
    value_range: tuple[float, float]
    smallest_side: int
    module: "torch.nn.Module"

    def frame_values(self, reference: Frames, sample: Frames) -> NDArray[np.float64]:
        """Distance of each frame, float64 (T,).

        Raises:
            UserError: frames too small for the network.
        """
        import torch

        if min(reference.shape[1:3]) < self.smallest_side:
            raise UserError(
                f"{self.name} needs frames of at least {self.smallest_side} px per side, got {reference.shape[1:3]}.",
                "Leave this metric out, or score larger frames.",
            )
        starts = range(0, len(reference), _FRAMES_A_BATCH)
        batches = [slice(start, start + _FRAMES_A_BATCH) for start in starts]
        with torch.inference_mode():
            values = [self.module(network_input(reference[b]), network_input(sample[b])).flatten() for b in batches]
        return torch.cat(values).double().numpy()


def network_input(frames: Frames) -> "torch.Tensor":
    """LPIPS input: uint8 (T, H, W, 3) in 0..255 to float32 (T, 3, H, W) in -1..1."""
    import torch

    return torch.from_numpy(np.array(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1


def lpips_metric(
    backbone: Backbone, *, network: Network = "alex", weights: Path | None = None, seed: int = 0
) -> PerceptualDistance:
    """Build LPIPS (version 0.1 heads). Nothing is downloaded; torch's global random state is left as it was.

    Args:
        backbone: "pretrained" (torchvision's ImageNet weights) or "random" (seeded, named lpips_random_backbone).
        network: "alex" (the authors' default for evaluation) or "vgg".
        weights: torchvision's weights file for "pretrained"; None looks in torch.hub's checkpoint folder.
        seed: names the random backbone; ignored for "pretrained".

    Raises:
        UserError: the weights file is missing or damaged (the message says how to get it).
    """
    module = _untrained(network)
    if backbone == "pretrained":
        _fill_pretrained(module.net, network, weights)
    else:
        _fill_random(module.net, counter_seed("lpips_random_backbone", network, seed))
    name = "lpips" if backbone == "pretrained" else "lpips_random_backbone"
    identity = f"{name}:{network}-{weights_hash(module.state_dict())}:rgb8-to-pm1-v1"
    return PerceptualDistance(name, identity, "1", (0.0, _upper_bound(module)), SMALLEST_SIDE[network], module)


def weights_hash(state: Mapping[str, "torch.Tensor"]) -> str:
    """First 12 hex digits of a SHA-256 over names, shapes and values of all tensors."""
    digest = sha256()
    for name in sorted(state):
        digest.update(f"{name}{tuple(state[name].shape)}".encode())
        digest.update(state[name].cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def _untrained(network: Network) -> Any:
    import lpips
    import torch

    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")  # lpips uses an old spelling
        return lpips.LPIPS(net=network, pnet_rand=True, verbose=False)


def _fill_random(trunk: "torch.nn.Module", seed: int) -> None:
    """He initialisation (arXiv 1502.01852) of every convolution, from a generator of its own."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    for layer in trunk.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                torch.nn.init.zeros_(layer.bias)


def _fill_pretrained(trunk: "torch.nn.Module", network: Network, weights: Path | None) -> None:
    import torch
    from torchvision.models import AlexNet_Weights, VGG16_Weights

    url = {"alex": AlexNet_Weights, "vgg": VGG16_Weights}[network].IMAGENET1K_V1.url
    path = weights or Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name
    require_weights_file(path, url)
    from probekit.tensor_reading import read_tensors

    load_trunk(trunk, read_tensors(path))


def require_weights_file(path: Path, url: str) -> None:
    """Check that torchvision's weights are at `path`; their name in `url` ends with the start of their SHA-256.

    Raises:
        UserError: missing or different; names the path and where the file comes from.
    """
    fix = f"Download {url} to {path}, or use the random backbone (another metric: lpips_random_backbone)."
    if not path.is_file():
        raise UserError(f"LPIPS needs the backbone weights {path}, which do not exist.", fix)
    digest = sha256_file(path)
    if not digest.startswith(Path(url).stem.rsplit("-", 1)[-1]):
        raise UserError(f"{path} is not the file that torchvision publishes (SHA-256 {digest[:8]}).", fix)


def load_trunk(trunk: "torch.nn.Module", checkpoint: Mapping[str, "torch.Tensor"]) -> None:
    """Fill an lpips backbone from a torchvision checkpoint: ``slice2.3.weight`` there is ``features.3.weight`` here."""
    trunk.load_state_dict({key: checkpoint[re.sub(r"^slice\d+", "features", key)] for key in trunk.state_dict()})


def _upper_bound(module: Any) -> float:
    # Two unit vectors of non-negative features are at most 2 apart in squared distance; each head weighs the channels.
    return float(sum(2 * head.model[-1].weight.max().item() for head in module.lins))
