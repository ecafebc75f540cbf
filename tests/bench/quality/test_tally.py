"""Answers of judges to sheets with a known key."""

from pathlib import Path

import pytest

from bench.quality.blind_key import Key
from bench.quality.tally import Share, count_answers
from core.errors import UsageError

KEY = Key(("ours", "theirs"), {"s1": "A", "s2": "B", "s3": "A", "s4": "B"})


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys" / "ours-vs-theirs.tsv"
    KEY.write(path)
    return path


def answers(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_judge_is_counted_by_the_key(key_file: Path, tmp_path: Path) -> None:
    """ours is A, B, A: preferred on s1, not on s2, a tie on s3, and s4 is not judged."""
    path = answers(tmp_path, "judge.tsv", "s1\tA\n\ns2\tA\ns3\t=\n")
    tally = count_answers(key_file, [path])
    assert (tally.programs, tally.sheets) == (("ours", "theirs"), 4)
    assert tally.judges == {path: Share(1.5, 3)}
    assert tally.majority.share == 0.5


def test_majority_counts_a_sheet_once(key_file: Path, tmp_path: Path) -> None:
    judges = [
        answers(tmp_path, "1.tsv", "s1\tA\ns2\tB\ns3\tA\ns4\tB\n"),
        answers(tmp_path, "2.tsv", "s1\tA\ns2\tA\ns3\tB\ns4\t=\n"),
        answers(tmp_path, "3.tsv", "s1\tB\ns2\tA\n"),
    ]
    tally = count_answers(key_file, judges)
    assert [share.score for share in tally.judges.values()] == [4, 1.5, 0]
    # s1: two of three for ours. s2: one of three. s3: one each. s4: one, and a tie.
    assert tally.majority == Share(1 + 0 + 0.5 + 1, 4)


@pytest.mark.parametrize(
    ("score", "judged", "low", "high"),
    [
        # By hand with z = 1.96: z² = 3.8416. 0 of 8: 0 and z² / (8 + z²); 4 of 8: ½ ± z / (2 √(8 + z²)).
        (0, 8, 0, 3.8416 / 11.8416),
        (8, 8, 8 / 11.8416, 1),
        (4, 8, 0.5 - 1.96 / 2 / 11.8416**0.5, 0.5 + 1.96 / 2 / 11.8416**0.5),
    ],
)
def test_wilson_interval(score: float, judged: int, low: float, high: float) -> None:
    assert Share(score, judged).interval == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("s1\tA\ns2 B\n", "line 2 of {} is invalid: expected the name of a sheet, a tab, and A, B or ="),
        ("s1\tC\n", "line 1 of {} is invalid"),
        ("s1\tA\tB\n", "line 1 of {} is invalid"),
        ("s5\tA\n", "line 1 of {} names 's5', which is none of the 4 sheets of the key"),
        ("s1\tA\ns1\tB\n", "line 2 of {} answers 's1' again"),
        ("", "{} has no answers"),
    ],
)
def test_bad_answers_are_refused(key_file: Path, tmp_path: Path, text: str, message: str) -> None:
    path = answers(tmp_path, "judge.tsv", text)
    with pytest.raises(UsageError) as caught:
        count_answers(key_file, [path])
    assert str(caught.value).startswith(message.format(path))


def test_a_judge_under_two_names_is_refused(key_file: Path, tmp_path: Path) -> None:
    path = answers(tmp_path, "judge.tsv", "s1\tA\n")
    (tmp_path / "link.tsv").symlink_to(path)
    (tmp_path / "hard.tsv").hardlink_to(path)
    for other in (tmp_path / "link.tsv", tmp_path / "hard.tsv", tmp_path / ".." / tmp_path.name / "judge.tsv"):
        with pytest.raises(UsageError, match=r"given twice"):
            count_answers(key_file, [path, other])


def test_files_that_cannot_be_read_are_refused(key_file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the key .*: No such file"):
        count_answers(tmp_path / "none.tsv", [])
    with pytest.raises(UsageError, match=r"cannot read the answers .*: No such file"):
        count_answers(key_file, [tmp_path / "none.tsv"])
    with pytest.raises(UsageError, match=r"given twice"):
        count_answers(key_file, [key_file, key_file])
    (tmp_path / "binary.tsv").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"is not a text file"):
        count_answers(key_file, [tmp_path / "binary.tsv"])
