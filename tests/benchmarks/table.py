"""What a benchmark says: rows of medians, and figures with a floor and an aim. Knows no benchmark."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Figure:
    """One measured value beside what it has to reach."""

    what: str
    value: float
    unit: str
    floor: float
    aim: float
    better: Literal["more", "less"]

    def reaches(self, goal: float) -> bool:
        return self.value >= goal if self.better == "more" else self.value <= goal

    @property
    def verdict(self) -> str:
        if self.reaches(self.aim):
            return "aim reached"
        return "floor reached" if self.reaches(self.floor) else "BELOW THE FLOOR"


@dataclass(frozen=True)
class Result:
    """The outcome of one benchmark."""

    title: str
    about: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    figures: Sequence[Figure] = ()
    missing: Sequence[str] = field(default=())

    def markdown(self) -> str:
        parts = [f"## {self.title}", self.about, _table(self.columns, self.rows)]
        if self.figures:
            rows = [
                [f.what, spell(f.value, f.unit), spell(f.floor, f.unit), spell(f.aim, f.unit), f.verdict]
                for f in self.figures
            ]
            parts.append(_table(["figure", "measured", "floor", "aim", ""], rows))
        parts += [f"Left out: {one}." for one in self.missing]
        return "\n\n".join(parts)


def spell(value: float, unit: str) -> str:
    return f"{value:.2f} {unit}" if abs(value) < 10 else f"{value:,.0f} {unit}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
