"""Pages that hang, crash, eat memory and lie about it: each costs its own answer, and the pages around it have their texts."""

import ctypes
import io
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from lxml import html as lxml_html

from tests.command_line import ROOT
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.extract.files.raw_file import Range
from textmill.pipelines.extract.outcome import extract_split
from textmill.pipelines.extract.pages.job import Job
from textmill.pipelines.extract.pages.page import Page
from textmill.pipelines.extract.pages.read_page import read_page
from textmill.pipelines.extract.pages.reader import Reader
from textmill.pipelines.extract.pages.reader_process import read_html
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.extract.splits import Split

pytestmark = pytest.mark.slow

LIMITS = ExtractSettings()
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux bounds the address space")
SAYINGS = ("The ferry leaves the northern quay at seven and comes back when the last bus has arrived.",
           "A loaf that was baked on stone keeps for a week, and its crust stays hard until the fourth day.",
           "Nobody in the village could say who had built the bridge, or why it had never been finished.")
LEAKED: list[bytearray] = []


def page(saying: str) -> str:
    return f"<html><body><nav><a href=/>Home</a></nav><article><h1>Notes</h1><p>{saying}</p></article></body></html>"


GOOD: list[Job] = [(page(saying).encode(), "utf-8") for saying in SAYINGS]


def misbehave(html: str, limits: ExtractSettings) -> Page | Refusal:
    """Reads a page as ever, save one whose HTML is "do something": that is done first."""
    verb, _, name = html.partition(" ")
    if verb == "do":
        return globals()[f"_{name.partition(' ')[0]}"](name.partition(" ")[2]) or read_page(page(SAYINGS[0]), limits)
    return read_page(html, limits)


def do(*names: str) -> list[Job]:
    return [(f"do {name}", None) for name in names]


def _says(what: str) -> Page:
    return Page(what, *[None] * (len(Page._fields) - 1))


def _hang(_: str) -> None:
    re.match(r"(a+)+b", "a" * 64)


def _hang_in_lxml(_: str) -> None:
    lxml_html.fromstring("<p>x</p>" * 50_000).xpath("//*[count(preceding::*) > count(following::*)]")


def _sleep(_: str) -> None:
    time.sleep(10_000)


def _abort(_: str) -> None:
    os.write(2, b"malloc(): corrupted top size at 0x7ffd3a10\n")
    os.abort()


def _segfault(_: str) -> None:
    ctypes.string_at(0)


def _exit(_: str) -> None:
    os._exit(0)


def _close_pipes(_: str) -> None:
    os.closerange(3, 100)
    time.sleep(10_000)


def _raise(_: str) -> None:
    raise ValueError("no such thing\nas a second line")


def _recurse(_: str) -> None:
    _recurse(_)


def _leave(_: str) -> None:
    sys.exit(3)


def _eat(_: str) -> None:
    held = []
    while True:
        held.append(bytearray(1 << 20))


def _eat_at_once(_: str) -> None:
    bytearray(1 << 40)


def _eat_and_hide_it(_: str) -> Refusal | None:
    try:
        _eat(_)
    except MemoryError:
        return Refusal("empty")
    return None


def _leak(_: str) -> None:
    LEAKED.append(bytearray(40 << 20))


def _print(_: str) -> None:
    print("a library says hello")
    os.write(1, b"\x80\x04K\x07.")      # a pickle of 7


def _wait(path: str) -> Page | None:
    """Asleep, with its process id in a file; but not the second time."""
    if Path(path).exists():
        return _says("second try")
    Path(path).write_text(str(os.getpid()))
    return _sleep(path)


def _pid(_: str) -> Page:
    return _says(str(os.getpid()))


def _core(_: str) -> Page:
    return _says(str(resource.getrlimit(resource.RLIMIT_CORE)[0]))


def reader(deadline: float = 10, memory_mb: int = 512, read: str = "tests.extract.test_reader:misbehave") -> Reader:
    return Reader(LIMITS, deadline, memory_mb, read)


def texts(answers) -> list[str | Refusal]:
    return [answer if isinstance(answer, Refusal) else answer[1].text for answer in answers]


def test_answers_are_those_of_reading_in_this_process():
    pages: list[Job] = [*GOOD, (page("Überall grünt es, und die Vögel fürchten nichts.").encode("cp1252"), "cp1252"),
                        (page(SAYINGS[1]), None), (b"", None), ("", None), ("\ud800" + page(SAYINGS[2]), None),
                        (b"\xef\xbb\xbf" + page("\xff" * 400).encode("latin-1"), "cp1252")]
    with Reader(LIMITS, 10, 512) as ours:
        answers = list(ours.read(pages))
        assert list(ours.read([])) == []
    assert answers == [read_html(job, LIMITS, read_page) for job in pages]
    assert [answer[0] for answer in answers[2:5]] == [("", "utf-8", "http", 0), ("", "cp1252", "http", 0),
                                                      ("", "utf-8", "given", 0)]
    assert all(saying in text for saying, text in zip(SAYINGS, texts(answers), strict=False))
    assert "Überall grünt es" in texts(answers)[3]
    assert [answers[5].rule, answers[6].rule, answers[8].rule] == ["empty", "empty", "undecodable"]


def test_each_page_costs_its_own_answer():
    bad = do("hang", "abort", "raise", "segfault", "exit", "recurse", "leave", "print")
    pages = [job for pair in zip(bad, GOOD * 3, strict=False) for job in pair]
    with reader(deadline=1) as ours:
        answers = texts(ours.read(pages))
    good = texts(read_html(job, LIMITS, read_page) for job in GOOD)
    assert [saying in text for saying, text in zip(SAYINGS, good, strict=True)] == [True] * 3
    assert answers[1::2] == (good * 3)[:8]
    assert answers[0::2] == [
        Refusal("deadline", ">1", "1", "seconds of CPU time"),
        Refusal("crashed", detail="ended by SIGABRT: malloc(): corrupted top size at 0x…"),
        Refusal("extractor_error", detail="ValueError: no such thing"),
        Refusal("crashed", detail="ended by SIGSEGV"),
        Refusal("crashed", detail="ended with exit status 0"),
        Refusal("extractor_error", detail="RecursionError: maximum recursion depth exceeded"),
        Refusal("extractor_error", detail="SystemExit: 3"),
        good[0],
    ]


@LINUX
def test_a_page_that_eats_memory_is_out_of_it_even_where_a_library_hides_that():
    pages = [GOOD[0], *do("eat"), GOOD[1], *do("eat_at_once", "eat_and_hide_it"), GOOD[2]]
    with reader(memory_mb=64) as ours:
        answers = texts(ours.read(pages))
    good = texts(read_html(job, LIMITS, read_page) for job in GOOD)
    refusal = Refusal("out_of_memory", ">64", "64", "MiB")
    assert answers == [good[0], refusal, good[1], refusal, refusal, good[2]]


def test_the_deadline_ends_c_code_also_where_the_parent_ignores_its_signal():
    was = signal.signal(signal.SIGPROF, signal.SIG_IGN)
    try:
        with reader(deadline=0.5) as ours:
            answers = texts(ours.read([*do("hang_in_lxml"), GOOD[0]]))
    finally:
        signal.signal(signal.SIGPROF, was)
    assert answers[0] == Refusal("deadline", ">0.5", "0.5", "seconds of CPU time")
    assert SAYINGS[0] in answers[1]


def test_a_page_that_stands_still_ends_by_the_clock():
    with reader(deadline=0.2) as ours:
        answers = texts(ours.read(do("sleep", "says on")))
    assert answers == [Refusal("deadline", None, "0.2", "not done after 4 seconds by the clock"), "on"]


def test_a_child_that_closes_its_pipes_is_not_waited_for():
    with reader() as ours:
        assert texts(ours.read(do("close_pipes", "says on"))) == [Refusal("crashed", detail="ended by SIGKILL"), "on"]


def test_a_child_killed_from_outside_costs_no_page(tmp_path):
    with reader() as ours:
        answers = ours.read(do("says first", f"wait {tmp_path}/pid", "says last"))
        assert texts([next(answers)]) == ["first"]
        os.kill(_when_there(tmp_path / "pid"), signal.SIGKILL)
        assert texts(answers) == ["second try", "last"]


def test_a_child_killed_between_batches_costs_no_page():
    with reader() as ours:
        os.kill(int(texts(ours.read(do("pid")))[0]), signal.SIGKILL)
        assert texts(ours.read(do("says a", "says b"))) == ["a", "b"]


def test_answers_do_not_depend_on_batches():
    pages = [*GOOD, *do("leak", "raise", "leak", "abort", "says last")]
    seen = []
    for size in (1, len(pages)):
        with reader(memory_mb=64) as ours:
            seen.append([answer for at in range(0, len(pages), size) for answer in ours.read(pages[at:at + size])])
    assert seen[0] == seen[1]
    assert [answer.rule for answer in seen[0] if isinstance(answer, Refusal)] == ["extractor_error", "crashed"]


def test_one_child_reads_all_batches_and_leaves_with_the_reader():
    with reader() as ours:
        batches = [do("pid", "says b")] * 3
        # zip asks for no more than it needs, as a caller does that has a row for each page
        pids = [texts([answer])[0] for batch in batches for answer, _ in zip(ours.read(batch), range(2), strict=False)][::2]
        also = [texts([answer])[0] for batch in batches for _, answer in zip(range(2), ours.read(batch), strict=False)][::2]
        assert len(set(pids + also)) == 1
    assert not psutil.pid_exists(int(pids[0]))


def test_a_caller_that_stops_asking_gets_no_old_answers():
    with reader() as ours:
        asked = ours.read(do("says a", "says b", "says c"))
        assert texts([next(asked)]) == ["a"]
        asked.close()
        assert texts(ours.read(do("says d", "says e"))) == ["d", "e"]


def test_no_core_is_written():
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if hard == 0:
        pytest.skip("this process may not write one either")
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        with reader() as ours:
            assert texts(ours.read(do("core"))) == ["0"]
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


def test_a_child_that_cannot_start_is_one_sentence():
    with pytest.raises(StageError) as raised, reader(read="tests.extract.test_reader:no_such_name") as ours:
        list(ours.read(GOOD))
    assert "AttributeError: module 'tests.extract.test_reader' has no attribute 'no_such_name'" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_working_folder_does_not_matter(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    with Reader(LIMITS, 10, 512) as ours:
        assert SAYINGS[0] in texts(ours.read(GOOD))[0]


@LINUX
@pytest.mark.parametrize("then", ["hang", "sleep", "nothing"])
def test_no_child_outlives_a_parent_that_was_killed(then):
    script = ("import sys, time; from tests.extract.test_reader import do, reader, texts\n"
              "with reader(deadline=1000) as ours:\n"
              f"    answers = ours.read(do('pid'{'' if then == 'nothing' else f', {then!r}'}))\n"
              "    print(*texts([next(answers)]), flush=True)\n"
              "    time.sleep(10_000)\n")
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    assert child.ppid() == parent.pid
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(200):
        if not child.is_running() or child.status() == psutil.STATUS_ZOMBIE:     # nobody may be there to bury it
            return
        time.sleep(0.1)
    child.kill()
    pytest.fail("the child lives on")


def _when_there(path: Path) -> int:
    while not path.exists() or not path.read_text():
        time.sleep(0.01)
    return int(path.read_text())


def test_a_record_whose_codings_take_too_long_is_named_and_the_one_after_it_is_read():
    body = b"1\r\nx\r\n" * 3_000_000 + b"0\r\n\r\n"
    heads = (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    stored = b"".join(b"\r\n".join([b"WARC/1.0", b"WARC-Type: response", b"WARC-Target-URI: http://a.example/%d" % n,
                                    b"Content-Length: %d" % len(block), b"", block, b"", b""])
                      for n, block in enumerate((heads[0] + body, heads[1] + SAYINGS[0].encode())))
    split = Split("s", "web", "warc", (Range("web/a.warc", "", 0, len(stored)),))
    with Reader(LIMITS, 0.2, 512) as reader:
        slow, sound = extract_split(split, lambda _: io.BytesIO(stored), LIMITS, reader)
    assert (slow.rule, slow.url, slow.offset, slow.outcome) == ("deadline", "http://a.example/0", 0, "quarantined")
    assert (sound.url, sound.text) == ("http://a.example/1", SAYINGS[0])


def test_a_limit_of_memory_from_outside_is_refused_for_pages_would_be_read_wrong_under_it():
    code = ("import resource\nfrom textmill.pipelines.extract.pages.reader import Reader\n"
            "from textmill.pipelines.extract.settings import ExtractSettings\nfrom textmill.pipelines.contract.filesystems import StageError\n"
            "from tests.extract.test_reader import do\n"
            "resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))\n"
            "try: print(list(Reader(ExtractSettings(), 5, 4000).read(do('page'))))\nexcept StageError as error: print(error)\n")
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert "could not be started (the limit of its address space, `ulimit -v`, is 3,072 MiB and has to be " in ran.stdout, ran
