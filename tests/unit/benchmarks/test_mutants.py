"""The mutation tests, tested on a project of one module: what dies, what survives, what is known, and what goes on."""

import shutil
from pathlib import Path

import parso
import pytest
from cosmic_ray.plugins import get_operator

from benchmarks.mutants.__main__ import ROOT, run_module
from benchmarks.mutants.accepted import ACCEPTED, Known, read_accepted
from benchmarks.mutants.faults import excluded_spans
from benchmarks.mutants.modules import EXTRA, INSTEAD, LISTED, module_files, module_name, own_tests
from benchmarks.mutants.session import Earlier, Session
from benchmarks.mutants.table import Row, Survivor, add_row, read_rows
from benchmarks.mutants.traces import FailingTests, Traces, function_at
from benchmarks.mutants.workplace import Workplace
from tests.architecture.source_tree import imported_names, read_modules

pytestmark = pytest.mark.slow

MODULE = Path("probekit/sizes.py")
SOURCE = '''"""Sizes."""


def area(width: int | None, height: int) -> int:
    """Area."""
    if width is None:
        raise ValueError(f"height {height + 1}")
    return width * height


def last(count: int) -> int:
    """Index of the last of some."""
    return count - 1


def unused() -> int:
    """Nothing calls it."""
    return 7
'''
TESTS = """import pytest

from probekit.sizes import area, last


def test_area() -> None:
    assert area(3, 2) == 6
    with pytest.raises(ValueError):
        area(None, 1)


def test_last() -> None:
    assert last(0) < 0
"""
BETTER = TESTS.replace("last(0) < 0", "last(5) == 4")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a module and its tests."""
    return new_project(tmp_path / "project")


@pytest.fixture(scope="module")
def first_call(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Row]:
    """A folder in which a project and its work folder lie after one call, and the call's row."""
    folder = tmp_path_factory.mktemp("first")
    return folder, run(new_project(folder / "project"))


@pytest.fixture
def tried(first_call: tuple[Path, Row], tmp_path: Path) -> tuple[Path, Row]:
    """A copy of the project after the first call, and the call's row."""
    shutil.copytree(first_call[0], tmp_path / "copy")
    return tmp_path / "copy" / "project", first_call[1]


def new_project(root: Path) -> Path:
    write(root, "pyproject.toml", '[tool.pytest.ini_options]\naddopts = ["--import-mode=importlib"]\n')
    write(root, "probekit/__init__.py", "")
    write(root, MODULE.as_posix(), SOURCE)
    write(root, "tests/unit/test_sizes.py", TESTS)
    return root


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def run(project: Path, known: tuple[Known, ...] = (), sample: int | None = None) -> Row:
    with Workplace(project, project.parent / "work") as workplace:
        traces = Traces(workplace, project.parent / "work" / "traces")
        return run_module(workplace, traces, MODULE, list(known), verbose=False, sample=sample)


def changes_tested(project: Path, earlier: Earlier | None = None) -> list[str]:
    """What a further call tests."""
    with Workplace(project, project.parent / "work") as workplace:
        traces = Traces(workplace, project.parent / "work" / "traces")
        tests = own_tests(project, module_name(MODULE))
        session = Session(workplace, traces, project.parent / "work" / "sessions", MODULE, tests, earlier=earlier)
        return [outcome.change.after for _, _, outcome in session.run()]


def survivors(row: Row) -> set[str]:
    return {survivor.after for survivor in row.survivors}


def test_changes_that_tests_notice_are_killed_and_the_others_are_listed(first_call: tuple[Path, Row]) -> None:
    row = first_call[1]
    assert survivors(row) == {"return count - 2", "return 8", "return 6"}  # -2 < 0 as well; nothing calls the last one
    assert row.changes == row.killed + len(row.survivors)
    line = next(survivor for survivor in row.survivors if "count" in survivor.after)
    assert (line.line, line.before) == (13, "return count - 1")
    assert row.file == MODULE.as_posix()


@pytest.mark.long
def test_a_change_that_never_ends_is_given_up(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.mutants.traces.MORE_SECONDS", 1.0)
    write(project, MODULE.as_posix(), "def rest(left):\n    while left > 0:\n        left -= 1\n    return left\n")
    write(
        project,
        "tests/unit/test_sizes.py",
        "from probekit.sizes import rest\n\n\ndef test_rest():\n    assert rest(1) == 0\n",
    )
    row = run(project)
    assert row.timeouts == 1  # left -= 0
    assert "left -= 2" not in survivors(row)


def test_a_second_call_tests_nothing_again_and_a_better_test_the_survivors_alone(tried: tuple[Path, Row]) -> None:
    project, first = tried
    assert changes_tested(project) == []
    write(project, "tests/unit/test_sizes.py", BETTER)
    assert set(changes_tested(project)) == survivors(first)
    second = run(project)
    assert second.changes == first.changes
    assert not any("count" in text for text in survivors(second))


@pytest.mark.long
def test_an_interrupted_session_goes_on_with_what_is_left(project: Path) -> None:
    with Workplace(project, project.parent / "work") as workplace:
        traces = Traces(workplace, project.parent / "work" / "traces")
        tests = own_tests(project, module_name(MODULE))
        session = Session(workplace, traces, project.parent / "work" / "sessions", MODULE, tests)
        steps = session.run()
        first = [next(steps) for _ in range(3)]
        steps.close()
        assert len(session.outcomes()) == 3
    left = changes_tested(project)
    assert left
    assert not {outcome.change.after for _, _, outcome in first} & set(left)


def test_a_sample_is_the_same_changes_whether_or_not_the_others_are_tested_already(
    project: Path, tried: tuple[Path, Row]
) -> None:
    whole_project, whole = tried
    drawn = run(project, sample=4)
    assert (drawn.changes, drawn.killed + len(drawn.survivors), drawn.total) == (4, 4, whole.changes)
    assert run(whole_project, sample=4) == drawn
    assert run(whole_project, sample=99) == whole


@pytest.mark.long
def test_a_new_session_takes_over_what_a_table_says_was_noticed_if_the_changes_are_the_same(
    tried: tuple[Path, Row],
) -> None:
    project, row = tried
    listed = frozenset((one.line, one.before, one.after) for one in row.survivors)
    wrong = (Earlier(row.total + 1, listed), Earlier(row.total, listed | {(1, "a", "b")}))
    for earlier, expected in ((Earlier(row.total, listed), len(listed)), *((one, row.total) for one in wrong)):
        shutil.rmtree(project.parent / "work" / "sessions")
        assert len(changes_tested(project, earlier)) == expected


def test_known_survivors_have_their_reason_and_equivalent_ones_do_not_count(tried: tuple[Path, Row]) -> None:
    project, plain = tried
    same = Known("probekit.sizes", "unused", "return 7", "*", "equivalent: nobody asks")
    fine = Known("probekit.sizes", "last", "return count - 1", "return count - 2", "accepted: any index will do")
    row = run(project, (same, fine))
    assert (row.count("equivalent"), row.count("accepted")) == (2, 1)
    assert row.count("open") == plain.count("open") - 3
    assert row.share == pytest.approx(100 * (row.killed + row.timeouts) / (row.changes - 2))


def test_tests_that_fail_without_a_change_are_no_judges(project: Path) -> None:
    write(project, "tests/unit/test_sizes.py", TESTS.replace("== 6", "== 7"))
    with pytest.raises(FailingTests, match="fails without a change"):
        run(project)


def test_annotations_messages_and_signatures_are_left_as_they_are() -> None:
    spans = excluded_spans(SOURCE)
    assert {span.rule for span in spans} == {"signature", "message"}
    assert any(span.holds((4, 20)) for span in spans)  # int | None
    assert any(span.holds((7, 40)) for span in spans)  # height + 1 in a message
    assert not any(span.holds((8, 17)) for span in spans)  # width * height
    text = "def shifted(value: int | None = 3 + 4, *, by: int = 5) -> int | None:\n    return by\n"
    found = excluded_spans(text)
    excluded = {
        part: any(span.holds((1, text.index(part))) for span in found)
        for part in ("| None =", "+ 4", "*,", "5)", "| None:")
    }
    assert excluded == {"| None =": True, "+ 4": False, "*,": True, "5)": False, "| None:": True}


def test_marks_of_caches_and_type_checkers_stay_and_other_decorators_do_not() -> None:
    text = (
        "class A:\n    @abstractmethod\n    @property\n    @functools.lru_cache(maxsize=8)\n    def size(self): ...\n"
    )
    removed = decorator_places(text)
    assert removed == [(2, 4), (3, 4), (4, 4)]
    spans = [span for span in excluded_spans(text) if span.rule == "decorator"]
    assert [any(span.holds(place) for span in spans) for place in removed] == [True, False, True]


def decorator_places(text: str) -> list[tuple[int, int]]:
    """Where cosmic-ray begins to remove a decorator."""
    operator, nodes, found = get_operator("core/RemoveDecorator")(), [parso.parse(text)], []
    while nodes:
        node = nodes.pop()
        found += [start for start, _ in operator.mutation_positions(node)]
        nodes += getattr(node, "children", [])[::-1]
    return found


def test_a_change_belongs_to_the_innermost_function_that_holds_it() -> None:
    source = "SIZE = 1\n\n\n@cache\ndef outer():\n    def inner():\n        return 1\n    return inner\n"
    assert function_at(source, 1) is None
    inner, outer = function_at(source, 7), function_at(source, 8)
    assert inner is not None
    assert outer is not None
    assert (inner.name, inner.line, inner.cached) == ("outer.inner", 6, False)
    assert (outer.name, outer.line, outer.cached) == ("outer", 4, True)


def test_a_new_row_takes_the_place_of_its_modules_old_one_alone(tmp_path: Path) -> None:
    target = tmp_path / "mutation.md"
    add_row(Row("b", "b.py", 10, 10, 8, 1, (Survivor(3, "x + 1", "x - 1", ""),)), target)
    add_row(Row("a", "a.py", 4, 4, 4, 0, ()), target)
    add_row(Row("b", "b.py", 10, 10, 9, 1, ()), target)
    assert [(row.module, row.share) for row in read_rows(target.with_suffix(".json"))] == [("a", 100.0), ("b", 100.0)]
    lines = [line for line in target.read_text().splitlines() if line.startswith("| `")]
    assert lines == [
        "| `a` | 4 | 4 | 0 | 0 | 0 | 0 | 0 | 100.0 % |",
        "| `b` | 10 | 9 | 1 | 0 | 0 | 0 | 0 | 100.0 % |",
    ]
    add_row(Row("b", "b.py", 80, 10, 9, 1, ()), target)
    assert "| `b` | 10 of 80 | 9 | 1 | 0 | 0 | 0 | 0 | 100.0 % |\n" in target.read_text()


def test_a_survivor_stands_with_its_place_its_change_and_its_reason(tmp_path: Path) -> None:
    survivor = Survivor(3, "x + 1", "x - 1", "equivalent: x is never read")
    add_row(Row("b", "b.py", 10, 10, 9, 0, (survivor,)), tmp_path / "mutation.md")
    assert "- b.py:3: `x + 1` → `x - 1`: equivalent: x is never read\n" in (tmp_path / "mutation.md").read_text()


def test_a_reason_says_whether_a_survivor_is_equivalent_or_accepted(tmp_path: Path) -> None:
    row = '[[survivor]]\nmodule = "a"\nfunction = ""\nbefore = "1"\nafter = "2"\nreason = "{}"\n'
    write(tmp_path, "known.toml", row.format("equivalent: the same number"))
    assert read_accepted(tmp_path / "known.toml")[0].reason == "equivalent: the same number"
    for wrong in ("the same number", "equivalent:", "fine: because"):
        write(tmp_path, "known.toml", row.format(wrong))
        with pytest.raises(ValueError, match="begins with equivalent: or accepted:"):
            read_accepted(tmp_path / "known.toml")
    assert read_accepted(tmp_path / "absent.toml") == []


def test_every_listed_module_has_tests() -> None:
    modules = [module_name(file) for name in LISTED for file in module_files(ROOT, name)]
    without = [module for module in modules if not own_tests(ROOT, module)]
    assert without == []
    absent = {
        place for places in (*EXTRA.values(), *INSTEAD.values()) for place in places if not (ROOT / place).exists()
    }
    assert absent == set()


def test_every_known_survivor_is_in_the_code_of_today() -> None:
    """A reason for a line that has changed would excuse another change one day."""
    texts = {
        module.name: [line.strip() for line in module.text.splitlines()]
        for module in read_modules(("probekit", "trainer"))
    }
    stale = [known for known in read_accepted(ACCEPTED) if known.before not in texts.get(known.module, [])]
    assert stale == []


def test_the_worker_imports_nothing_of_the_project() -> None:
    """What it imports before a fork, no child would import again with the change."""
    (worker,) = (module for module in read_modules(("benchmarks",)) if module.name == "benchmarks.mutants.worker")
    assert {name.partition(".")[0] for name in imported_names(worker.tree)} & {
        "benchmarks",
        "probekit",
        "trainer",
    } == set()
