"""Are evaluation prompts trained on? Equal ones, whatever their case and punctuation, and those that nearly are."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

Words = frozenset[str]


class SharedPrompt(NamedTuple):
    """An evaluation prompt and the training prompt that is like it.

    Attributes:
        number: number of the evaluation prompt, from 0.
        training: the most similar training prompt.
        similarity: shared words divided by all words of both; 1 for prompts of the same words.
    """

    number: int
    training: str
    similarity: float


def shared_prompts(training: Sequence[str], evaluation: Sequence[str], threshold: float = 0.9) -> list[SharedPrompt]:
    """Evaluation prompts with a training prompt whose Jaccard similarity in words is at least the threshold.

    Only pairs that share one of their rarest words are compared: similar sets must (prefix filtering, Chaudhuri et al.
    2006), so a quarter of a million prompts take seconds.

    Args:
        training: prompts that are trained on.
        evaluation: prompts that are scored.
        threshold: threshold in (0, 1].
    """
    sets = [_words(text) for text in evaluation]
    frequency = Counter(word for words in sets for word in words)
    by_word: dict[str, list[int]] = {}
    for number, words in enumerate(sets):
        for word in _prefix(words, frequency, threshold):
            by_word.setdefault(word, []).append(number)
    best: dict[int, SharedPrompt] = {}
    for text in training:
        for number, similarity in _similar(_words(text), sets, by_word, frequency, threshold):
            if number not in best or best[number].similarity < similarity:
                best[number] = SharedPrompt(number, text, similarity)
    return [best[number] for number in sorted(best)]


def _similar(
    words: Words, sets: Sequence[Words], by_word: Mapping[str, list[int]], frequency: Counter[str], threshold: float
) -> Iterator[tuple[int, float]]:
    candidates = {number for word in _prefix(words, frequency, threshold) for number in by_word.get(word, ())}
    for number in candidates:
        similarity = len(words & sets[number]) / len(words | sets[number])
        if similarity >= threshold:
            yield number, similarity


def _prefix(words: Words, frequency: Counter[str], threshold: float) -> list[str]:
    """The rarest words, of which two sets of that similarity share at least one."""
    ordered = sorted(words, key=lambda word: (frequency[word], word))
    return ordered[: len(words) - math.ceil(threshold * len(words) - 1e-9) + 1]


def _words(text: str) -> Words:
    return frozenset(re.findall(r"\w+", text.casefold()))
