"""One connection: generation that waits for the page, and answers to what the page asks."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Final, Protocol, TypeVar

from starlette.websockets import WebSocket, WebSocketDisconnect

from probekit.errors import UserError
from probekit.live.live_session import Step
from probekit.live.messages import Message, Shown, error_text, parse_message, step_bytes

T = TypeVar("T")

WINDOW: Final = 3
"""Chunks that are generated ahead of what the page has shown."""


class Show(Protocol):
    """What a connection generates and how it answers; made and driven in the worker, one call at a time."""

    @property
    def next_chunk(self) -> int:
        """The chunk that comes next."""
        ...

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be generated."""
        ...

    def greeting(self) -> list[str]:
        """What a page is told first."""
        ...

    def advance(self) -> Step:
        """The next chunk."""
        ...

    def seen(self, chunk: int) -> None:
        """Take note that chunks up to this one were shown."""
        ...

    def answer(self, message: Message) -> list[str]:
        """Do what the page asks, or nothing of it.

        Raises:
            UserError: it cannot be done.
        """
        ...


class Viewer:
    """Serves one page until it is closed.

    No frame is dropped: generation waits while `WINDOW` chunks have not been shown, so a slow or paused page costs no
    memory. Networks run in the worker, so the loop answers while they do.

    Args:
        socket: accepted connection.
        show: makes what is generated.
        worker: one thread that all connections share; a model makes one pass at a time.
    """

    def __init__(self, socket: WebSocket, show: Callable[[], Show], worker: Executor) -> None:
        self._socket = socket
        self._made = show
        self._worker = worker
        self._shown = -1
        self._turn = asyncio.Lock()
        self._news = asyncio.Event()

    async def serve(self) -> None:
        """Generate and answer until the page is closed."""
        self._show = await self._run(self._made)
        await self._say(self._show.greeting())
        async with asyncio.TaskGroup() as tasks:
            generating = tasks.create_task(self._generate())
            await self._listen()
            generating.cancel()

    async def _listen(self) -> None:
        try:
            while (received := await self._socket.receive())["type"] != "websocket.disconnect":
                await self._hear(received.get("bytes") or received.get("text"))
        except WebSocketDisconnect:  # while an answer was being sent
            return

    async def _hear(self, text: str | bytes | None) -> None:
        try:
            message = parse_message(text)
            if isinstance(message, Shown):
                await self._take_note(message.chunk)
            else:
                async with self._turn:
                    await self._say(await self._run(partial(self._show.answer, message)))
                    self._shown = min(self._shown, self._show.next_chunk - 1)
        except UserError as error:
            await self._socket.send_text(error_text(error))
        self._news.set()

    async def _take_note(self, chunk: int) -> None:
        if not self._shown <= chunk < self._show.next_chunk:
            raise UserError(f"Chunk {chunk} cannot have been shown now.", "Send the number of a chunk that has come.")
        self._shown = chunk
        async with self._turn:
            await self._run(partial(self._show.seen, chunk))

    async def _generate(self) -> None:
        try:
            while True:
                await self._news_if_idle()
                async with self._turn:
                    if not self._is_idle():
                        await self._socket.send_bytes(await self._run(self._packed))
        except UserError as error:
            await self._socket.send_text(error_text(error))
        except WebSocketDisconnect:  # the listener hears of it too
            return

    async def _news_if_idle(self) -> None:
        while self._is_idle():
            self._news.clear()
            await self._news.wait()

    def _is_idle(self) -> bool:
        return self._show.ended or self._show.next_chunk - 1 - self._shown >= WINDOW

    def _packed(self) -> bytes:
        return step_bytes(self._show.advance())

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, call)

    async def _say(self, texts: list[str]) -> None:
        for text in texts:
            await self._socket.send_text(text)
