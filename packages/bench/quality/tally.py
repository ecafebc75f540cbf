"""Count the answers of judges to blind sheets."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.quality.blind_key import LETTERS, Key, read_rows
from core.errors import UsageError
from core.files import identity

TIE = "="
"""Answer of a judge who prefers neither picture."""

Z = 1.959964
"""Two-sided 95 % quantile of the normal distribution."""


@dataclass(frozen=True)
class Share:
    """How often the first of two programs was preferred.

    `score` counts 1 for a sheet where it was preferred and ½ for a tie; `judged` is the number of sheets.
    """

    score: float
    judged: int

    @property
    def share(self) -> float:
        """The share of preference, in [0, 1]."""
        return self.score / self.judged

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share (Wilson 1927, Probable inference, the law of succession, and so on)."""
        n, p = self.judged, self.share
        center = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
        half = Z / (1 + Z**2 / n) * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
        return max(0.0, center - half), min(1.0, center + half)


@dataclass(frozen=True)
class Tally:
    """The shares of preference of the first of two programs: of each judge by file, and by majority of the judges."""

    programs: tuple[str, str]
    sheets: int
    judges: Mapping[Path, Share]
    majority: Share


def count_answers(key_file: Path, answer_files: Sequence[Path]) -> Tally:
    """Count the answers of one or several judges, each with a file of lines SHEET<tab>A, B or =.

    By majority a sheet counts for the program that more judges preferred; if as many prefer either, it is a tie.

    Raises:
        UsageError: A file cannot be read or is given twice, or a line of it is invalid.
    """
    if len(set(map(identity, answer_files))) < len(answer_files):
        raise UsageError("a file of answers is given twice: name the file of each judge once")
    key = Key.read(key_file)
    judges = {path: _read_scores(path, key) for path in answer_files}
    by_sheet = defaultdict(list)
    for scores in judges.values():
        for sheet, score in scores.items():
            by_sheet[sheet].append(score)
    return Tally(
        programs=key.programs,
        sheets=len(key.letters),
        judges={path: _share(list(scores.values())) for path, scores in judges.items()},
        majority=_share([_majority(scores) for scores in by_sheet.values()]),
    )


def _read_scores(path: Path, key: Key) -> dict[str, float]:
    """Return by sheet what the answers of a judge count for the first program."""
    scores: dict[str, float] = {}
    for where, fields in read_rows(path, "answers"):
        if len(fields) != 2 or fields[1] not in (*LETTERS, TIE):
            raise UsageError(f"{where} is invalid: expected the name of a sheet, a tab, and A, B or {TIE}")
        sheet, answer = fields
        if sheet not in key.letters:
            raise UsageError(f"{where} names {sheet!r}, which is none of the {len(key.letters)} sheets of the key")
        if sheet in scores:
            raise UsageError(f"{where} answers {sheet!r} again: keep one answer for each sheet")
        scores[sheet] = 0.5 if answer == TIE else float(answer == key.letters[sheet])
    if not scores:
        raise UsageError(f"{path} has no answers: expected lines with the name of a sheet, a tab, and A, B or {TIE}")
    return scores


def _share(scores: Sequence[float]) -> Share:
    return Share(sum(scores), len(scores))


def _majority(scores: Sequence[float]) -> float:
    mean = sum(scores) / len(scores)
    return mean if mean == 0.5 else float(mean > 0.5)
