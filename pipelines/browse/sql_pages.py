"""The box for questions in SQL, as a page and its answer."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from textmill.pipelines.browse.browser import Browser, form_of, part
from textmill.pipelines.browse.sql import ROWS, SqlError
from textmill.pipelines.browse.sql_process import Questions

IDS = ("id", "kept_id", "contained_in")         # columns that name a document
FIRST = """SELECT language, count(*) AS documents, avg(word_count) AS words
FROM signals
GROUP BY language ORDER BY documents DESC LIMIT 20"""


def sql(browser: Browser, request: Request) -> Response:
    """The box, the views that there are, and the answer to what the address asks."""
    asked = request.query_params.get("sql", "")
    return browser.page("sql.html", request, sql=asked or FIRST, views=browser.questions.views,
                        most=ROWS, **_answer(browser.questions, asked))


def sql_answer(browser: Browser, request: Request) -> Response:
    """The answer to what was sent."""
    return part("answer.html", most=ROWS, **_answer(browser.questions, form_of(request).get("sql", "")))


def _answer(questions: Questions, asked: str) -> dict[str, Any]:
    if not asked.strip():
        return {"answer": None, "problem": "", "asked": asked}
    try:
        answer = questions.ask(asked)
    except SqlError as error:
        return {"answer": None, "problem": str(error), "asked": asked}
    ids = {n for n, name in enumerate(answer.columns) if name in IDS}
    return {"answer": answer, "problem": "", "asked": asked, "ids": ids}
