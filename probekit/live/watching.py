"""The show of `probekit watch`: one session that the page may change, begin again and save."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from probekit.atomic_files import temporary_folder
from probekit.errors import UserError
from probekit.live.film import FILM, write_film, write_still
from probekit.live.live_session import LiveSession, Source, Step
from probekit.live.messages import ChangeAsked, ExportAsked, Message, StartAsked, file_text, said
from probekit.live.script import Script


class Watched(NamedTuple):
    """What a command watches.

    Attributes:
        sources: models in step.
        words: first words of the command that repeats it: models, suite, heads.
        fps: frames per second.
    """

    sources: tuple[Source, ...]
    words: tuple[str, ...]
    fps: int


def export(watched: Watched, session: LiveSession, path: Path, frame: int | None) -> None:
    """Write what a session has generated, as a film or as one frame of it.

    Args:
        watched: what is watched.
        session: rollouts.
        path: target; its suffix says which of both.
        frame: zero-based number of the frame of a still; None is the last one.

    Raises:
        UserError: nothing has been generated, there is no such frame, or the file cannot be written.
    """
    if path.suffix == FILM:
        write_film(path, session.steps, watched.fps)
    else:
        write_still(path, session.steps, _frames(session.steps) - 1 if frame is None else frame)


def repeating_command(watched: Watched, session: LiveSession, name: str, frame: int | None) -> str:
    """The command that makes a file of a session again, bit for bit."""
    words = [*watched.words, *session.script.options(), "--chunks", str(len(session.steps))]
    still = [] if frame is None else ["--frame", str(frame)]
    return shlex.join([*words, *still, "--out", name])


def _frames(steps: Sequence[Step]) -> int:
    return sum(len(step[0].live.frames) for step in steps)


class WatchShow:
    """Implements `Show`.

    Args:
        watched: what is watched.
        script: what it begins with.
    """

    def __init__(self, watched: Watched, script: Script) -> None:
        self._watched = watched
        self._session = LiveSession(watched.sources, script)

    @property
    def next_chunk(self) -> int:
        """The chunk that comes next."""
        return self._session.next_chunk

    @property
    def ended(self) -> bool:
        """Whether the rollout is as long as it can be."""
        return self._session.ended

    def greeting(self) -> list[str]:
        """The script and the length."""
        return [self._started()]

    def advance(self) -> Step:
        """The next chunk."""
        return self._session.advance()

    def seen(self, chunk: int) -> None:
        """Take note that chunks up to this one were shown."""
        self._session.seen(chunk)

    def answer(self, message: Message) -> list[str]:
        """Change, begin again, or send a file.

        Raises:
            UserError: it cannot be done; nothing has changed then.
        """
        match message:
            case ChangeAsked():
                self._session.change(message.change())
                return [said("changed", chunk=message.chunk, script=self._session.script.model_dump())]
            case StartAsked():
                script = Script(prompt=message.prompt, seed=message.seed)
                self._session = LiveSession(self._watched.sources, script)
                return [self._started()]
            case ExportAsked():
                return [self._file(message)]
        raise UserError("Here is nothing to choose between.", "Begin with `probekit watch A B --preferences FILE`.")

    def _started(self) -> str:
        session = self._session
        return said("started", chunks=session.chunks, script=session.script.model_dump())

    def _file(self, message: ExportAsked) -> str:
        name = f"watched{message.suffix}"
        frame = None if message.suffix == FILM else message.frame
        with temporary_folder() as folder:
            export(self._watched, self._session, folder / name, frame)
            content = (folder / name).read_bytes()
        return file_text(name, content, repeating_command(self._watched, self._session, name, frame))
