"""The networks with their published weights, each loaded once in a process."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from torch import nn

from probekit.errors import UserError
from probekit.evaluation.natural.networks.efficientnet_lite import EfficientNetLite
from probekit.evaluation.natural.networks.st_lpips import ALEX, VGG, StLpips
from probekit.evaluation.natural.networks.transnet import TransNet
from probekit.evaluation.natural.networks.xfeat import UNUSED, XFeat
from probekit.evaluation.natural.weight_files import (
    EFFICIENTNET,
    ST_LPIPS_ALEX,
    ST_LPIPS_VGG,
    TRANSNET,
    XFEAT,
    PackagedFile,
)
from probekit.tensor_reading import read_tensors

Network = TypeVar("Network", bound=nn.Module)


def filled(network: Network, path: Path, unused: str | None = None) -> Network:
    """A network with the weights of a file, ready to answer; every key of the file must fit.

    Args:
        network: network to fill.
        path: file of tensors.
        unused: prefix of the file's keys that this network has no use for.

    Raises:
        UserError: the file cannot be read, or is of another network.
    """
    state = {key: value for key, value in read_tensors(path).items() if unused is None or not key.startswith(unused)}
    try:
        network.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise UserError(f"{path} holds the weights of another network: {error}", "Give the published file.") from error
    return network.eval().requires_grad_(False)


@functools.cache
def efficientnet() -> EfficientNetLite:
    """EfficientNet-Lite0 with ImageNet weights. Raises UserError where they are not here."""
    return _loaded(EfficientNetLite, EFFICIENTNET)


@functools.cache
def st_lpips_alex() -> StLpips:
    """ST-LPIPS on AlexNet. Raises UserError where its weights are not here."""
    return _loaded(lambda: StLpips(ALEX), ST_LPIPS_ALEX)


@functools.cache
def st_lpips_vgg() -> StLpips:
    """ST-LPIPS on VGG-16. Raises UserError where its weights are not here."""
    return _loaded(lambda: StLpips(VGG), ST_LPIPS_VGG)


@functools.cache
def transnet() -> TransNet:
    """TransNetV2. Raises UserError where its weights are not here."""
    return _loaded(TransNet, TRANSNET)


@functools.cache
def xfeat() -> XFeat:
    """XFeat without its refinement of matches. Raises UserError where its weights are not here."""
    return filled(XFeat(), XFEAT.path(), UNUSED)


def _loaded(make: Callable[[], Network], file: PackagedFile) -> Network:
    return filled(make(), file.path())
