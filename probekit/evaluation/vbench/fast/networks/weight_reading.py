"""Reading weight files of pickled tensors without running what is pickled with them."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from probekit.errors import UserError
from probekit.evaluation.vbench.fast.guard import check_weights
from probekit.tensor_reading import read_tensors

State = dict[str, Tensor]


def read_state(path: Path, name: str, *, inside: tuple[str, ...] = ()) -> State:
    """Read the tensors of a weight file, and make sure that they can be right.

    Args:
        path: path of a file that torch.save wrote.
        name: name of the network, for messages.
        inside: keys under one of which the file may keep the tensors.

    Raises:
        UserError: if the file is damaged, or holds other objects than tensors and plain values.
        BrokenNetworkError: if weights are zero or not finite.
    """
    content = read_tensors(path)
    for key in inside:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise UserError(f"{path} does not hold the tensors of {name}.", "Fetch the file again.")
    state = {key.removeprefix("module."): value for key, value in content.items()}
    check_weights(state, name)
    return state


def filled(network: nn.Module, state: Mapping[str, Tensor], name: str) -> nn.Module:
    """The network with these weights, for inference.

    Raises:
        UserError: if they are of another network.
    """
    try:
        network.load_state_dict(dict(state))
    except RuntimeError as error:
        raise UserError(
            f"The weights are not those of {name}: {_first_line(error)}.", "Fetch the file again."
        ) from error
    return network.eval().requires_grad_(False)


def count_blocks(state: Mapping[str, Tensor], prefix: str) -> int:
    """Number of blocks of a transformer whose parameters are called `prefix` + number + ... ."""
    numbers = {key.removeprefix(prefix).partition(".")[0] for key in state if key.startswith(prefix)}
    return len(numbers)


def require(state: Mapping[str, Tensor], key: str, name: str) -> Tensor:
    """The tensor of that name. Raises UserError where the file is another network's."""
    if key not in state:
        raise UserError(f"The weights are not those of {name}: {key} is missing.", "Fetch the file again.")
    return state[key]


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) or type(error).__name__
