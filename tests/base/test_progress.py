"""What is shown while work runs."""

import threading

from textmill.base import progress


def test_where_looking_fails_what_was_seen_last_is_shown(capsys, monkeypatch):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.01)
    answers = iter([1, OSError("AWS Error SLOW_DOWN"), 2])
    over = threading.Event()

    def done() -> int:
        answer = next(answers, None)
        if answer is None:
            over.set()
            return 3
        if isinstance(answer, OSError):
            raise answer
        return answer

    with progress.watched("extract", 3, done):
        assert over.wait(60)
    shown = [line.split(",")[0] for line in capsys.readouterr().err.splitlines()]
    assert shown[:3] == ["extract: 1 of 3 parts", "extract: 1 of 3 parts", "extract: 2 of 3 parts"]
    assert {*shown[3:]} <= {"extract: 3 of 3 parts"}


def test_a_detail_is_shown_with_the_count(capsys, monkeypatch):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.01)
    seen = threading.Event()

    def detail() -> str:
        seen.set()
        return "1,024 records"

    with progress.watched("extract", 3, lambda: 0, detail=detail):
        assert seen.wait(60)
    assert capsys.readouterr().err.splitlines()[0].startswith("extract: 0 of 3 parts, 1,024 records, 0.00 a second")
