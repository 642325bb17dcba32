"""A tiny streaming generator with a head of random weights, and a client of the live server."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from websockets.sync.client import ClientConnection, connect

from probekit.live.access import HOST
from probekit.live.server import LiveServer
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.probing.decoder_goals import GoalSpace
from probekit.probing.decoder_inputs import InputMap
from probekit.probing.decoders import DecoderStack
from probekit.probing.readout_heads import ReadoutHead
from probekit.probing.sites import Site
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.suites.registry import load_suite
from tests.helpers.model_folders import write_tiny_model

SUITE = load_suite("sprite-5s")
PROMPT, OTHER = SUITE.prompts[0].text, SUITE.prompts[1].text
SITE = Site(1, 1)
PATIENCE = 60.0


def write_tiny_student(folder: Path, seed: int = 2) -> Path:
    """A causal student of two layers and two steps."""
    place = write_tiny_model(folder, seed=seed)
    write_causal_card(place, CausalCard(role="dmd_student", chunk_frames=3, shift=5.0, few_steps=(1000, 500)))
    return place


def random_head(sampler: StreamingSampler, site: Site = SITE, horizons: tuple[int, ...] = (0, 1, 3)) -> ReadoutHead:
    """A head of random weights: what it reads means nothing, and is a function of the state."""
    geometry, rng = sampler.geometry, np.random.default_rng(0)
    tokens, width = geometry.token_rows * geometry.token_columns, 32
    inputs = InputMap.of_chunks(rng.normal(size=(40, 1, 3, tokens, width)), 8)
    pixels = geometry.rgb_height * geometry.rgb_width * 3
    space = GoalSpace(torch.full((pixels,), 0.5), torch.eye(pixels, 6), 0.2)
    stack = DecoderStack(8, 5, 6, list(range(len(horizons))))
    return ReadoutHead(site, horizons, inputs, stack, space, None, (1, 1))


@contextmanager
def running(server: LiveServer) -> Iterator[LiveServer]:
    """A server that serves until the block ends."""
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(PATIENCE)
    assert not thread.is_alive()


def opened(server: LiveServer, host: str | None = None, **options: Any) -> ClientConnection:
    """A page's connection; under another host's name it still goes to the server."""
    address = server.address.replace("http://", "ws://") + "socket"
    place = address.split("/")[2]
    plug = socket.create_connection((HOST, int(place.rpartition(":")[2])), PATIENCE)
    return connect(address.replace(place, host or place), sock=plug, max_size=None, open_timeout=PATIENCE, **options)


class Received(NamedTuple):
    """A step as a page reads it: its head, and pictures by lane."""

    head: dict[str, Any]
    frames: list[NDArray[np.uint8]]
    readouts: list[list[NDArray[np.uint8]]]


def unpacked(content: bytes) -> Received:
    """A step from its bytes, by other code than the page's."""
    length = int.from_bytes(content[:4], "little")
    head = json.loads(content[4 : 4 + length])
    height, width = head["size"]
    pictures = np.frombuffer(content[4 + length :], np.uint8).reshape(-1, height, width, 3)
    frames, readouts, place = [], [], 0
    for lane in head["lanes"]:
        frames.append(pictures[place : place + lane["frames"]])
        place += lane["frames"]
        readouts.append(list(pictures[place : place + len(lane["readouts"])]))
        place += len(lane["readouts"])
    assert place == len(pictures)
    return Received(head, frames, readouts)


def next_message(connection: ClientConnection, kind: str) -> Any:
    """The next message of a kind; steps are unpacked, other messages before it are passed over."""
    while True:
        content = connection.recv(PATIENCE)
        if isinstance(content, bytes) and kind == "step":
            return unpacked(content)
        if isinstance(content, str) and (message := json.loads(content))["kind"] == kind:
            return message


def tell(connection: ClientConnection, kind: str, **facts: Any) -> None:
    """Send a message as the page does."""
    connection.send(json.dumps({"kind": kind, **facts}))
