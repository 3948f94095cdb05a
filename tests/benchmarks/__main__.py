"""Measures ours beside the peers, prints the tables, and says whether the floors are reached."""

import argparse
import os
import platform
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.benchmarks import capture, fixture, large, startup

BENCHMARKS = {
    "capture": capture.measure,
    "large": large.measure,
    "fixture": fixture.measure,
    "startup": startup.measure,
}
_KEPT = "<!-- Written by hand from here on. -->"
_PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {' '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default: 5)")
    parser.add_argument("--check", action="store_true", help="exit 1 when a figure is below its floor")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in BENCHMARKS]:
        parser.error(f"no benchmark {unknown[0]!r}; there are: {' '.join(BENCHMARKS)}")
    if options.write and options.names:
        parser.error("--write keeps all tables of one run together: leave the names out")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")

    results = []
    for name in options.names or BENCHMARKS:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        result = BENCHMARKS[name](options.rounds)
        results.append(result)
        print(result.markdown(), end="\n\n", flush=True)
    if options.write:
        _, kept, by_hand = _PAGE.read_text(encoding="utf-8").partition(_KEPT)
        page = [_head(options.rounds), *(result.markdown() for result in results)]
        page += [kept + by_hand.rstrip()] if kept else []
        _PAGE.write_text("\n\n".join(page) + "\n", encoding="utf-8")
    below = [figure for result in results for figure in result.figures if not figure.reaches(figure.floor)]
    for figure in below:
        print(f"below its floor: {figure.what}", file=sys.stderr)
    return 1 if options.check and below else 0


def _head(rounds: int) -> str:
    loop = "uvloop" if find_spec("uvloop") else "asyncio's own loop"
    return (
        "# Benchmarks\n\n"
        "Everything here is one run of one command, on a machine whose cores others use too; read the ratios, not the "
        "rates.\n\n"
        "```sh\n"
        'pip install -e ".[test,benchmarks,speed]"   # and Debian\'s postfix, for smtp-source and smtp-sink\n'
        f"python -m tests.benchmarks --rounds {rounds} --write\n"
        "```\n\n"
        "`--check` exits 1 when a figure is below its floor.\n\n"
        f"CPython {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores, {loop}."
    )


if __name__ == "__main__":
    sys.exit(main())
