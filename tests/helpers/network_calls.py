"""What networks are given and answer while a stage runs, so that its equations can be written out in a test."""

from types import TracebackType
from typing import Any, Self

from torch import Tensor, nn


class Calls:
    """Arguments and answers of every pass of a network; a context manager that stops listening at its end."""

    def __init__(self, network: nn.Module) -> None:
        self.arguments: list[tuple[Any, ...]] = []
        self.given: list[dict[str, Any]] = []
        self.answers: list[Tensor] = []
        self._handle = network.register_forward_hook(self._keep, with_kwargs=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.remove()

    def _keep(self, network: nn.Module, arguments: tuple[Any, ...], given: dict[str, Any], answer: Any) -> None:
        self.arguments.append(arguments)
        self.given.append(given)
        self.answers.append((answer if isinstance(answer, Tensor) else answer[0]).detach())
