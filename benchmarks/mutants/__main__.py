"""Mutation tests of modules: `python -m benchmarks.mutants probekit.statistics.intervals`, or nothing for all of them.

A call goes on where an earlier one stopped, as long as the module is the same; survivors are tried again once a test
has changed. The work folder can be deleted at any time.
"""

import argparse
import sys
from pathlib import Path
from typing import Final

from benchmarks.mutants.accepted import ACCEPTED, Known, read_accepted, reason_of
from benchmarks.mutants.modules import LISTED, module_files, module_name, own_tests
from benchmarks.mutants.session import Outcome, Session
from benchmarks.mutants.table import Row, add_row, row_of, survivors_text, table
from benchmarks.mutants.traces import FailingTests, Traces
from benchmarks.mutants.workplace import Workplace

ROOT: Final = Path(__file__).resolve().parents[2]
WORK: Final = Path("build/mutants")
REPORT: Final = Path("reports/benchmarks/mutation.md")


def main() -> int:
    """Run the modules that the command line names; 1 if a module's tests fail without a change."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", default=LISTED, help="modules or packages; all listed ones by default")
    parser.add_argument("--quiet", action="store_true", help="print the rows alone, not each change")
    parser.add_argument("--work", type=Path, default=ROOT / WORK, help="work folder, one for each call at a time")
    arguments = parser.parse_args()
    files = [file for name in arguments.modules for file in module_files(ROOT, name)]
    failed = []
    with Workplace(ROOT, arguments.work) as workplace:
        traces = Traces(workplace, arguments.work / "traces")
        for file in files:
            try:
                row = run_module(workplace, traces, file, read_accepted(ACCEPTED), verbose=not arguments.quiet)
            except FailingTests as failure:
                print(f"{module_name(file)} is left out: {failure}", flush=True)
                failed.append(file)
            else:
                _report(row)
    return int(bool(failed))


def _report(row: Row) -> None:
    if row.changes:
        print(table([row]) + survivors_text(row), flush=True)
        add_row(row, ROOT / REPORT)


def run_module(workplace: Workplace, traces: Traces, file: Path, known: list[Known], *, verbose: bool) -> Row:
    """Test every change of a module.

    Args:
        workplace: copy of the project.
        traces: which tests call what.
        file: file of the module, relative to the repository.
        known: known survivors.
        verbose: whether to print each change as it is tested.
    """
    module = module_name(file)
    tests = own_tests(workplace.tree, module)
    session = Session(workplace, traces, workplace.tree.parent / "sessions", file, tests)
    for place, number, outcome in session.run():
        if verbose:
            print(f"{module} {place}/{number} {_line(outcome)}", flush=True)
    outcomes = session.outcomes()
    return row_of(module, file, outcomes, [reason_of(known, module, outcome.change) for outcome in outcomes])


def _line(outcome: Outcome) -> str:
    by = f" by {outcome.test}" if outcome.test else ""
    return f"{outcome.result}: line {outcome.change.line}: {outcome.change.after}{by}"


if __name__ == "__main__":
    sys.exit(main())
