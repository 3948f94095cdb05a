"""Figures, measured beside the peers: `python -m tests.benchmarks`."""
