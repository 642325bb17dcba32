"""How the threads of torch wait for work, and how many of them do a small piece of it. Torch-free until used."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


def wait_passively() -> None:
    """Let threads that have nothing to do sleep, unless the user has chosen otherwise; call it before torch is loaded.

    By default they spin, and where something else runs on the same cores, the one that has work waits for those that
    spin: a small training then took fifty times as long.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it torch computes on one thread: for steps so small that sharing them costs more than it saves.

    The result then does not depend on how many threads there are.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
