"""Pages: each is there, escapes everything, masks personal data, and answers only this machine's own pages."""

import re
import shutil

import pytest

from tests.browse.served import HOSTILE, browser, client, context, hostile_data, without
from tests.paths import ROOT
from textmill.pipelines.browse.browser import Browser
from textmill.pipelines.browse.render import link
from textmill.pipelines.contract.part_files import aligned, read_batches

ID = "[0-9a-f]{32}"


def of(browsed, where):
    return browsed.indexes.connection.execute(f"SELECT id FROM facts WHERE {where} ORDER BY number LIMIT 1").fetchall()[0][0]


def text(response):
    assert response.status_code == 200, response.text
    return response.text


def test_the_overview_counts_what_there_is(pages, browsed):
    said = text(pages.get("/"))
    assert f"<h1>{browsed.indexes.snapshot.documents} documents</h1>" in said.replace(",", "") and "blocks/mixture" in said
    assert "up to date" in text(pages.get("/stale"))


def test_a_story_has_verdict_twins_pieces_and_record(pages, browsed):
    rejected = text(pages.get(f"/document/{of(browsed, 'not kept')}"))
    assert "Rejected: it breaks" in rejected and "broken-row" in rejected
    copy = of(browsed, "kind = 'near'")
    said = text(pages.get(f"/document/{copy}"))
    assert "Removed as a copy: nearly the same text" in said and f"/twins/{copy}" in said
    twins = text(pages.get(f"/twins/{copy}"))
    assert "<ins>" in twins and "<del>" in twins and "Jaccard" in twins
    kept = of(browsed, "kept AND kind IS NULL AND list_contains(personal, 'EMAIL') AND source = 'sample'")
    said = text(pages.get(f"/document/{kept}"))
    assert "Piece 0</b> of 1 piece" in said and '<mark class="personal"' in said and "EMAIL" in said


def test_the_page_as_it_came_marks_what_was_extracted(pages, browsed):
    """The boilerplate of a page of the sample is grey, its text is not."""
    said = text(pages.get(f"/document/{of(browsed, 'kind IS NULL AND kept AND host = $$en.merelle.example$$')}/page"))
    assert '<p class="dropped">' in said and re.search(r"<p>\w", said)


def test_from_a_document_to_its_block_and_back(pages, browsed):
    own = of(browsed, "kept AND kind IS NULL AND source = 'sample' AND language = 'en'")
    link = re.search(r'href="(/blocks/mixture/\w+/\d+)#', text(pages.get(f"/document/{own}/blocks")))[1]
    block = text(pages.get(link))
    assert f'href="/document/{own}"' in block and f'id="{own}"' in block
    assert "Block" in text(pages.get("/blocks"))


def test_search_by_word_address_id_and_host(pages, browsed):
    assert "tide" in text(pages.get("/search?q=tide"))
    own = of(browsed, "host = 'en.merelle.example'")
    (row,) = browsed.indexes.snapshot.rows("documents", [browsed_row(browsed, own)], ["url"])
    for asked in (own, row["url"], row["url"] + "?utm_source=x", row["url"].removeprefix("https://")):
        assert f'href="/document/{own}"' in text(pages.get("/search", params={"q": asked})), asked
    assert "none of them is of the host nowhere.example" in text(pages.get("/search", params={"q": "https://nowhere.example/x"}))
    assert text(pages.get("/search", params={"q": "tide"}, headers={"hx-request": "true"})).lstrip().startswith("<div id=\"results\"")


def test_what_was_found_is_counted_by_filter_with_links_to_it(pages):
    found = text(pages.get("/search?q=the&language=en"))
    counts = text(pages.get(re.search(r'hx-get="(/search/counts[^"]+)"', found)[1].replace("&amp;", "&")))
    address, n = re.search(r'href="([^"]+outcome=kept[^"]*)">kept</a> <span class="n">(\d+)<', counts).groups()
    assert "q=the" in address and "language=en" in address
    assert f"<b>{n} documents</b>" in text(pages.get(address.replace("&amp;", "&"))) and int(n) > 5


def browsed_row(browsed, id_):
    from textmill.pipelines.browse.search import by_id
    return by_id(browsed.indexes, id_)[0].row


def test_clusters_runs_mixture_and_its_plan(pages, browsed):
    cluster = re.search(rf'href="(/clusters/{ID})"', text(pages.get("/clusters")))[1]
    assert "A cluster of" in text(pages.get(cluster))
    assert f'href="{cluster}"' in text(pages.get(re.search(rf'href="(/twins/{ID})"', text(pages.get("/clusters")))[1]))
    recipe = re.search(r"<textarea[^>]*>(.*?)</textarea>", text(pages.get("/mixture")), re.DOTALL)[1]
    assert "mixture-plan" in text(pages.post("/mixture/plan", data={"recipe": recipe.replace("&#39;", "'")}))
    for broken, said in (("name: [", "not valid YAML"), ("name: x", "&#39;block&#39; is missing"), ("", "must be a mapping"),
                         (recipe.replace("share: 0.7", "share: 0.9"), "change them so that they add up to 1"),
                         (recipe.replace("tokens: 40000", "tokens: 40000000"), "tokens short")):
        answer = text(pages.post("/mixture/plan", data={"recipe": broken}))
        assert 'class="problems"' in answer and said in answer, (broken[:20], answer)
    assert "textmill train" in text(pages.get("/runs"))


@pytest.mark.parametrize(("recipe", "name"), [
    ("name: small\nblock: 2048", "small.yaml"), ("name: ../x", "mixture.yaml"), ('name: "a\\r\\nb"', "mixture.yaml"), ("name: [", "mixture.yaml"), ("", "mixture.yaml")])
def test_a_recipe_is_downloaded_as_it_was_typed(pages, recipe, name):
    answer = pages.post("/mixture/file", data={"recipe": recipe.replace("\n", "\r\n")})
    assert text(answer) == recipe and answer.headers["content-disposition"] == f'attachment; filename="{name}"'


def test_moved_bounds_are_downloaded_as_rules_that_what_if_reads(pages, browsed, tmp_path):
    from textmill.pipelines.ledger.what_if.lines import what_if
    shown = text(pages.get("/rules/effect?word_count.low=20&stop_words.low="))
    answer = pages.get(re.search(r'href="(/rules/file[^"]+)"', shown)[1].replace("&amp;", "&"))
    (tmp_path / "rules.yaml").write_text(text(answer))
    assert answer.headers["content-disposition"] == 'attachment; filename="rules-moved.yaml"'
    lines = list(what_if(browsed.context.data, str(tmp_path / "rules.yaml")))
    gained, lost = re.search(r"([\d,]+) gained</b>, <b class=\"lost\">([\d,]+) lost", shown).groups()
    assert "  word_count: low 50 → 20" in lines and next(line for line in lines if line.startswith("all ")).split()[2:4] == [gained, lost]
    refused = pages.get("/rules/file?curly_braces.low=0.5")
    assert refused.status_code == 400 and "no document could lie between" in refused.text and "content-disposition" not in refused.headers


def test_what_is_stale_is_said_with_the_reason(browsed, tmp_path):
    (tmp_path / "rules.yaml").write_text((ROOT / "rules.yaml").read_text().replace("  sentence_count: ", "  sentence_count: ", 1).replace("low: 50", "low: 60", 1))
    changed = Browser(context(browsed.context.data.uri, tmp_path / "rules.yaml"), browsed.indexes, tmp_path / "rules.yaml", browsed.chat)
    said = text(client(changed).get("/stale"))
    assert "word_count.low 50.0 → 60.0" in said and "<code>textmill screen</code>, <code>textmill dedup</code>" in said


def test_moved_rules_on_the_page(pages):
    assert "No bound is moved" in text(pages.get("/rules"))
    said = text(pages.get("/rules/effect?word_count.low=20"))
    assert "low 50 → 20" in said and "/examples?number=" in said
    assert "is no number" in text(pages.get("/rules/effect?word_count.low=x"))
    assert 'class="result"' in text(pages.get(re.search(r'hx-get="(/examples[^"]+)"', said)[1].replace("&amp;", "&")))


def every_page(served, pages):
    ids = [row[0] for row in served.indexes.connection.execute("SELECT id FROM facts ORDER BY number").fetchall()]
    clusters = {row[0] for row in served.indexes.connection.execute("SELECT cluster FROM facts WHERE cluster IS NOT NULL").fetchall()}
    yield from ("/", "/search", "/rules", "/clusters", "/blocks", "/mixture", "/runs", "/records", "/search/counts", "/sql?sql=SELECT * FROM documents")
    for record in served.indexes.records.of_rule("", 0, 1_000):
        yield from (f"/record/{record.key}", f"/record/{record.key}/page", link("/records", rule=record.row["rule"]))
    yield from (f"/search?page={page}" for page in range(len(ids) // 20 + 1))
    for id_ in ids:
        yield from (f"/document/{id_}", f"/document/{id_}/page")
    yield from (f"/clusters/{each}" for each in clusters)
    yield from (f"/twins/{id_}" for id_ in ids[:200])


def test_no_personal_data_is_on_any_page(pages, browsed):
    """Every string that measure found, of kinds that are no everyday word, on every page of the run."""
    from textmill.pipelines.browse.snapshot import interval
    snapshot, secrets = browsed.indexes.snapshot, set()
    for one, two in zip(snapshot.manifests["documents"].parts, snapshot.manifests["signals"].parts, strict=True):
        for documents, signals in aligned([read_batches(snapshot.data / "documents", one, ["text"]), read_batches(snapshot.data / "signals", two, ["findings"])]):
            for said, findings in zip(documents["text"].to_pylist(), signals["findings"].to_pylist(), strict=True):
                secrets |= {said[slice(*interval(each))] for each in findings}
    assert len(secrets) > 20
    for page in every_page(browsed, pages):
        said = re.sub(r"\s+", " ", pages.get(page).text)
        assert not {secret for secret in secrets if secret in said}, page


def test_hostile_data_is_text_on_every_page(tmp_path):
    served = browser(hostile_data(tmp_path))
    hostile = client(served)
    for page in [*every_page(served, hostile), *(f"/search?q={text}&host={text}&source={text}&rule={text}&signal={text}&order={text}&page={text}" for text in HOSTILE),
                 *(f"/sql?sql={text}" for text in HOSTILE), *(f"/records?rule={text}&page={text}" for text in HOSTILE), *(f"/blocks/x/train?number={text}" for text in HOSTILE), *(f"/rules/effect?word_count.low={text}" for text in HOSTILE)]:
        answer = hostile.get(page)
        assert answer.status_code in (200, 400), (page, answer.status_code)
        said = answer.text
        assert set(re.findall(r"<(script|img|b|iframe|object|embed|style)\b[^>]*>", said)) <= {"script", "b"}, page
        assert all(" src=\"/static/" in tag for tag in re.findall(r"<script[^>]*>", said)) and "49" not in re.findall(r"\{\{ ?49", said), page
        assert not re.search("[\u202a-\u202e\u2066-\u2069]", said) and " onerror=document" not in re.sub(r"&[#\w]+;[^<]*", "", said), page
        assert not re.search(r'(href|action|hx-get)="(?!/|http://127\.0\.0\.1:8000/|#)', said), page
    for text_ in HOSTILE:
        for path in (f"/document/{text_}", f"/twins/{text_}", f"/record/{text_}", f"/record/{text_}/page", f"/clusters/{text_}", f"/blocks/{text_}/train/0", f"/static/{text_}", f"/blocks/x/{text_}/0"):
            answer = hostile.get(path.replace("%", "%25").replace("?", "%3f").replace("#", "%23"))
            assert answer.status_code in (400, 404) and "<script>document" not in answer.text and "<img" not in answer.text


@pytest.mark.parametrize(("headers", "status"), [
    ({}, 200), ({"host": "evil.example"}, 421), ({"host": "testserver.evil.example"}, 421), ({"host": ""}, 421), ({"host": "a b"}, 421),
    ({"origin": "http://testserver"}, 200), ({"origin": "http://evil.example"}, 403), ({"origin": "null"}, 403), ({"origin": "https://testserver"}, 403),
    ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403), ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 200),
    ({"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}, 403), ({"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, 200)])
def test_only_pages_of_this_server_may_ask(pages, headers, status):
    assert pages.get("/search", headers=headers).status_code == status
    posted = pages.post("/sql", data={"sql": "SELECT 1"}, headers=headers).status_code
    assert posted == (403 if headers.get("sec-fetch-site") == "cross-site" else status)


def test_what_every_answer_forbids(pages):
    for path in ("/", "/nothing", "/static/browse.js", "/document/none", "/search?page=x"):
        headers = pages.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store" and "server" not in headers
    for method in ("put", "delete", "patch", "options"):
        assert getattr(pages, method)("/sql").status_code == 405
    assert pages.post("/", data={"a": "b"}).status_code == 405 and pages.post("/sql", data={"sql": "x" * (2 << 20)}).status_code == 413


def test_a_change_of_the_data_is_said(browsed, tmp_path):
    shutil.copytree(browsed.context.data.uri, tmp_path / "data")
    served = browser(tmp_path / "data")
    pages = client(served)
    assert "have changed" not in text(pages.get("/search"))
    without(tmp_path / "data", "duplicates")
    assert "The datasets have changed since this page was started" in text(pages.get("/search"))


def test_what_is_missing_is_said_with_its_cure(browsed, tmp_path):
    """Only documents are there."""
    shutil.copytree(browsed.context.data.uri, tmp_path / "data", ignore=shutil.ignore_patterns("raw"))
    served = browser(without(tmp_path / "data", "signals", "verdicts", "duplicates", "curated", "tokens/test-1k", "blocks/mixture", "tokenizers/test-1k"))
    pages = client(served)
    own = of(served, "number = 0")
    assert "textmill screen" in text(pages.get(f"/document/{own}")) and "textmill dedup" in text(pages.get("/clusters"))
    assert "textmill pack" in text(pages.get("/blocks")) and pages.get("/rules").status_code == 400 and "textmill screen" in pages.get("/rules").text
    assert "put pages there" in text(pages.get("/mixture"))
    assert "<b>" in text(pages.get("/search"))
