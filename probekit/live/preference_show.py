"""Two models blind, side by side on the same prompt and noise: which is better? Choices are kept as they are made."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple
from weakref import WeakSet

from probekit.errors import UserError
from probekit.journal import Journal
from probekit.live.live_session import LiveSession, Source, Step
from probekit.live.messages import Chosen, Message, said
from probekit.live.script import Script
from probekit.run_folder.preferences import Choice, Preference, read_preferences
from probekit.seeding import generator
from probekit.suites.suite import Prompt

_SIDES: Final = "preference sides"
_MODELS: Final = 2


class Trial(NamedTuple):
    """One question.

    Attributes:
        prompt: prompt of both videos.
        seed: seed of both videos' noise.
        swapped: whether the second model stands on the left.
    """

    prompt: Prompt
    seed: int
    swapped: bool


class PreferenceTable:
    """The questions that are open and the choices that were made; one per command, for all its pages.

    Questions go through the prompts with the first seed, then with the next one. What the file answers already is not
    asked again.

    Args:
        path: file of the choices; each is on disk once it was made.
        sources: both models.
        prompts: prompts in the order in which they are asked.
        seed: first seed of the noise.
        order_seed: seed of the sides.
        chunks: chunks that are shown of each video.

    Raises:
        UserError: there are not two different models, a prompt is missing, or the file holds something else.
    """

    def __init__(
        self,
        path: Path,
        sources: tuple[Source, ...],
        prompts: tuple[Prompt, ...],
        seed: int,
        order_seed: int,
        chunks: int,
    ) -> None:
        if len(sources) != _MODELS or sources[0].name == sources[1].name:
            raise UserError("A preference needs two models with two names.", "Give two checkpoints.")
        if not prompts:
            raise UserError("There is no prompt to ask about.", "Choose a suite with prompts.")
        self.sources = tuple(source._replace(head=None) for source in sources)
        self.chunks = min(chunks, *(source.sampler.chunks for source in sources))
        self.pages: WeakSet[PreferenceShow] = WeakSet()
        self._order_seed = order_seed
        self._prompts = prompts
        self._seed = seed
        self._journal = Journal(path, synced=True)
        names = {source.name for source in sources}
        made = read_preferences(path) if path.is_file() and path.stat().st_size else []
        self._answered = {(one.prompt_id, one.seed) for one in made if {one.left, one.right} == names}

    @property
    def answered(self) -> int:
        """Questions of this pair that have an answer."""
        return len(self._answered)

    def next_trial(self) -> Trial:
        """The first question that has no answer and that no other page asks."""
        asked = {(page.trial.prompt.prompt_id, page.trial.seed) for page in self.pages}
        return next(
            trial for trial in self._trials() if (trial.prompt.prompt_id, trial.seed) not in asked | self._answered
        )

    def keep(self, trial: Trial, choice: Choice) -> None:
        """Write a choice to disk.

        Raises:
            UserError: the file cannot be written; the question is open then.
        """
        left, right = (self.sources[place] for place in _order(trial))
        row = Preference(
            left=left.name,
            right=right.name,
            left_hash=left.sampler.parts.checkpoint_hash,
            right_hash=right.sampler.parts.checkpoint_hash,
            prompt_id=trial.prompt.prompt_id,
            prompt=trial.prompt.text,
            seed=trial.seed,
            order_seed=self._order_seed,
            chunks=self.chunks,
            choice=choice,
        )
        self._journal.append(row.model_dump())
        self._answered.add((trial.prompt.prompt_id, trial.seed))

    def _trials(self) -> Iterator[Trial]:
        for seed in itertools.count(self._seed):
            for prompt in self._prompts:
                side = generator(_SIDES, self._order_seed, prompt.prompt_id, seed).integers(_MODELS)
                yield Trial(prompt, seed, bool(side))


def _order(trial: Trial) -> tuple[int, int]:
    return (1, 0) if trial.swapped else (0, 1)


class PreferenceShow:
    """Implements `Show`: one page's questions. What it sends says left and right, and no name.

    Args:
        table: questions and choices.
    """

    def __init__(self, table: PreferenceTable) -> None:
        self._table = table
        self._begin(table.next_trial())
        table.pages.add(self)

    @property
    def next_chunk(self) -> int:
        """The chunk that comes next."""
        return self._session.next_chunk

    @property
    def ended(self) -> bool:
        """Whether both videos are as long as they are shown."""
        return self.next_chunk >= self._table.chunks

    def greeting(self) -> list[str]:
        """The first question."""
        return [self._question()]

    def advance(self) -> Step:
        """The next chunk of both videos."""
        return self._session.advance()

    def seen(self, chunk: int) -> None:
        """Take note that chunks up to this one were shown."""
        self._seen = chunk
        self._session.seen(chunk)

    def answer(self, message: Message) -> list[str]:
        """Keep a choice, and ask the next question.

        Raises:
            UserError: it is no choice, the videos have not been shown, or the choice cannot be kept.
        """
        if not isinstance(message, Chosen):
            raise UserError("Nothing can be changed or saved here.", "Choose left, right or tie.")
        if self._seen < self._table.chunks - 1:
            raise UserError("The videos have not been shown to their end.", "Look at both videos first.")
        self._table.keep(self.trial, message.choice)
        self._begin(self._table.next_trial())
        return [self._question()]

    def _begin(self, trial: Trial) -> None:
        self.trial = trial
        self._seen = -1
        sources = [self._table.sources[place] for place in _order(trial)]
        self._session = LiveSession(sources, Script(prompt=trial.prompt.text, seed=trial.seed))

    def _question(self) -> str:
        return said("trial", prompt=self.trial.prompt.text, chunks=self._table.chunks, answered=self._table.answered)
