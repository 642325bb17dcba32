"""Plain English where a program can check it: see the rules on words in CONTRIBUTING.md."""

import re

import pytest

from tests.architecture.prose import described, descriptions, pages, sentences, words
from tests.architecture.source_tree import modules, read_modules
from tests.helpers.places import REPOSITORY

MOST_WORDS = 25
NOT_ALLOWED = re.compile(
    r"\b(?:at hand|lest|anew|thereby|whoever|in work(?!\.)|of equal ones|so many|what it takes|makes nothing again"
    r"|habits?)\b",
    re.IGNORECASE,
)
NO_NOUN = re.compile(
    r"(?:of|for|from|in|on|at|by|with|to|into|over|under|beside|that|who|whose|as"
    r"|also|between|since|when|write|read|keep)\b(?!-)"
)
_THINGS = (
    "second|minute|video|prompt|chunk|clip|GPU|step|layer|frame|row|model|worker|system|token|dimension|process|record"
    "|quantity|shard|batch|verb|stream|readout|pair|sample|image|latent frame|segment"
)
_COUNTED = (
    "frames|seconds|tokens|pixels|px|values|level|levels|vector|numbers|once|videos|identity|timestep|TFLOP|MB|GB|GiB"
    r"|operations|one row|one line|one entry|one file|one key|[0-9]+"
)
RATE = re.compile(rf"(?<!which )(?<!what )\b(?:{_COUNTED}) an? (?:{_THINGS})\b(?! of| has| is| that| sees| looks)")
CHANGES = re.compile(r"^- (.*(?:\n  .*)*)", re.MULTILINE)


@pytest.mark.parametrize("page", pages())
def test_a_sentence_has_25_words_at_most(page: str) -> None:
    long = {sentence: count for sentence in sentences(pages()[page]) if (count := words(sentence)) > MOST_WORDS}
    assert long == {}


def test_a_change_is_told_in_25_words_at_most() -> None:
    told = [" ".join(change.split()) for change in CHANGES.findall((REPOSITORY / "CHANGELOG.md").read_text())]
    assert len(told) > 50
    long = {sentence for change in told for sentence in sentences(change) if words(sentence) > MOST_WORDS}
    assert long == set()


def test_words_that_slow_the_reader_down_are_not_used() -> None:
    texts = pages() | {module.name: module.text for module in (*modules(), *read_modules(("benchmarks",)))}
    templates = (REPOSITORY / "probekit" / "reporting" / "templates").iterdir()
    texts |= {path.name: path.read_text(encoding="utf-8") for path in templates}
    found = {name: NOT_ALLOWED.findall(text.lower()) for name, text in texts.items()}
    assert {name: used for name, used in found.items() if used} == {}


def test_a_rate_takes_per() -> None:
    texts = pages() | {module.name: module.text for module in modules()}
    found = {name: RATE.findall(text) for name, text in texts.items()}
    assert {name: rates for name, rates in found.items() if rates} == {}


def test_the_description_of_an_argument_begins_with_a_noun() -> None:
    guilty = [
        f"{one.place}: {one.name}: {one.text}"
        for module in modules()
        for one in descriptions(module)
        if NO_NOUN.match(one.text)
    ]
    assert guilty == []


def test_the_rules_find_what_they_look_for() -> None:
    page = "# Title\n\nOne two `a b c` three. Four\nfive.\n\n- Six (seven).\n"
    assert [words(one) for one in sentences(page) if one] == [4, 2, 2]
    assert RATE.findall("16 frames a second, one row a video; which frames a dimension looks at") == [
        "frames a second", "one row a video",
    ]  # fmt: skip
    docstring = (
        "What.\n\nArgs:\n    seed: of the noise.\n        More: of it.\n    rows: in order.\n\nReturns:\n    x: of y."
    )
    assert list(described(docstring)) == [("seed", "of the noise."), ("rows", "in order.")]
    assert NO_NOUN.match("of the noise")
    assert not NO_NOUN.match("in-clip scores")
