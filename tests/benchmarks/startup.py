"""What it costs to have the plugin installed and not to use it."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None

from tests.benchmarks.table import Figure, Result


def measure(rounds: int) -> Result:
    rounds = rounds * 6  # a run is short, and its noise is larger than what is measured
    without, with_it = [], []
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "test_it.py").write_text("def test_nothing():\n    pass\n")
        for _ in range(rounds):
            without.append(_milliseconds(name, []))
            with_it.append(_milliseconds(name, ["-p", "pytest_mailsandbox"]))
    beyond = statistics.median(b - a for a, b in zip(without, with_it, strict=True))
    rows = [
        ["without the plugin", f"{statistics.median(without):.0f}"],
        ["with it, unused", f"{statistics.median(with_it):.0f}"],
        ["median of the differences", f"{beyond:.1f}"],
    ]
    figure = Figure("pytest start-up when no test uses the plugin", beyond, "ms", 20, 5, "less")
    about = (
        f"Milliseconds of processor time of a whole `pytest` run over one empty test, median of {rounds} pairs of runs."
    )
    return Result("pytest start-up", about, ["", "ms"], rows, [figure])


def _milliseconds(folder: str, plugins: list[str]) -> float:
    start = _spent()
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugins, folder],
        check=True,
        capture_output=True,
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    return (_spent() - start) * 1000


def _spent() -> float:
    """Processor seconds of all children so far, where the system counts them: a neighbour's load is not in them."""
    if resource is None:
        return time.perf_counter()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
