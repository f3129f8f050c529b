"""The child process of a `Reader`, in which pages are parsed under kernel-enforced limits.

No code has to run to stop a page. Before each page the kernel is set to end this process after so many seconds of
its CPU time, or of the clock, and as soon as its parent is gone; the signals keep their default action, so this happens
inside C code too. No core file is written.

Memory is the address space. A page during which it has grown by more than `memory_mb` is out of memory, whatever the page's
answer. The kernel refuses memory from a third above that: libraries make something else of a MemoryError (trafilatura's
readability an empty page, libxml2 a syntax error), so a refusal alone would go unseen, and the page's text would be wrong.

On Linux all of this holds. Elsewhere (macOS) memory is not bounded, and a child whose parent was killed lives on until its
page is read or its deadline is over.
"""

import fcntl
import os
import pickle
import resource
import select
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from textmill.pipelines.extract.files.codings import payload, payload_digest
from textmill.pipelines.extract.pages.charset import Decoded, decode
from textmill.pipelines.extract.pages.job import Answer, Job, OpenedBody, StoredBody, StoredFile
from textmill.pipelines.extract.pages.kind import is_text, no_page
from textmill.pipelines.extract.pages.legal import Legal
from textmill.pipelines.extract.pages.page import Page
from textmill.pipelines.extract.pages.text import clean_text
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings

Read = Callable[[str, ExtractSettings], Page | Refusal]

OUT_OF_MEMORY = 77                  # exit status that no library uses; 0 to 2 and 120 are Python's own, 128 and up shells'
_SAID_BYTES = 16 << 20              # what libraries may print while a page is read
_DOCUMENT = 10                      # pages' time that a document has: a PDF of 5,000 pages takes 46 s (measured)
_STATUS = Path("/proc/self/status")
# Asks for SIGIO, which ends a process on Linux; other systems drop it.
_SIGNAL_CLOSING = os.O_ASYNC if sys.platform == "linux" else 0
_REQUESTS, _PRINTED, _SAID = 0, 1, 2    # what the parent opened as stdin, stdout, stderr


def read_html(job: Job, limits: ExtractSettings, read: Read) -> Answer:
    """The result of one page; any exception but MemoryError becomes its `extractor_error`."""
    if isinstance(job, StoredBody):
        return read_body(job, limits, read)
    if isinstance(job, StoredFile):
        return read_file(job, limits)
    html, charset = job
    try:
        decoded = Decoded(clean_text(html), "utf-8", "given", 0) if isinstance(html, str) else decode(html, charset)
        page = undecodable(decoded, limits) or read(decoded.text, limits)
    except MemoryError:
        raise
    except BaseException as error:      # RecursionError and SystemExit too: one page may fail
        return failed(error)
    return page if isinstance(page, Refusal) else (decoded._replace(text=""), page)


def read_body(job: StoredBody, limits: ExtractSettings, read: Read) -> Answer:
    """The result of a body: its codings undone, its kind found out, then read as a page or as text."""
    try:
        body = payload(job.body, job.codings, limits.max_page_bytes) if job.content_type is not None else job.body
        if isinstance(body, Refusal):
            return body
        if job.content_type is not None and not body.strip():
            return Refusal("empty", detail="the body is empty")
        if job.content_type is not None and (seen := no_page(body)):
            return Refusal("content_type", f"{job.content_type or 'none'} ({seen})")
        if job.content_type is None or is_text(body, job.content_type):
            answer = text_answer(decode(body, job.charset), limits)
        else:
            answer = read_html((body, job.charset), limits, read)
        return answer if isinstance(answer, Refusal) else OpenedBody(answer[0], answer[1], payload_digest(body), len(body))
    except MemoryError:
        raise
    except BaseException as error:      # as of a page
        return failed(error)


def read_file(job: StoredFile, limits: ExtractSettings) -> Answer:
    """The result of a document; its reader is loaded when the first of its kind comes."""
    try:
        from textmill.pipelines.extract.document_formats.document import read_document

        return read_document(job.kind, job.body, job.ending, limits)
    except MemoryError:
        raise
    except BaseException as error:      # as of a page
        return failed(error)


def text_answer(decoded: Decoded, limits: ExtractSettings) -> Answer:
    """The result of a text without markup."""
    text = clean_text(decoded.text)
    if refused := undecodable(decoded, limits):
        return refused
    if not text.strip():
        return Refusal("empty", detail="the text is empty")
    return decoded._replace(text=""), Page(text, None, None, (), Legal(), None, None, None, None)


def undecodable(decoded: Decoded, limits: ExtractSettings) -> Refusal | None:
    """The refusal of a text in which more than the allowed share of characters could not be decoded."""
    share = decoded.replaced / max(len(decoded.text), 1)
    if share <= limits.max_replaced_share:
        return None
    return Refusal("undecodable", f"{share:.3f}", str(limits.max_replaced_share),
                   f"{decoded.replaced} characters could not be decoded")


def failed(error: BaseException) -> Refusal:
    """The quarantine of a page that raised an unexpected error."""
    said = next(iter(str(error).splitlines()), "")
    return Refusal("extractor_error", detail=f"{type(error).__name__}: {said[:200]}")


def failed_here(error: Exception) -> Refusal:
    """As `failed`, outside that process: where memory is refused, the record is not to blame, and the worker ends."""
    if isinstance(error, MemoryError):
        raise error
    return failed(error)


def cpu_seconds(job: Job, deadline: float) -> float:
    """CPU seconds that a job may take: a document, such as a PDF, is many pages."""
    return _DOCUMENT * deadline if isinstance(job, StoredFile) else deadline


def still_seconds(deadline: float) -> float:
    """Wall-clock limit of a page: a busy machine may need many times its CPU seconds, and a sleeping page uses none."""
    return 20 * deadline


def serve() -> None:
    """Answer batches of jobs until the parent closes the pipe: one answer at a time, in order, each sent when it is known."""
    requests, answers = _take_pipes()
    named, limits, deadline, memory_mb = pickle.load(requests)
    module, _, name = named.partition(":")
    read = getattr(import_module(module), name)
    if limits.engine == "model":        # before memory is bounded: what it takes is no page's
        import_module("textmill.pipelines.extract.pages.model").model()
    _keep_default_actions()
    peak_bound = _bound_process(memory_mb)
    _send(answers, pickle.dumps("ready"))
    while True:
        try:
            batch: list[Job] = pickle.load(requests)
        except EOFError:
            return
        for job in batch:
            os.lseek(_SAID, 0, os.SEEK_SET)
            os.ftruncate(_SAID, 0)
            _arm(cpu_seconds(job, deadline))
            answer = pickle.dumps(read_html(job, limits, read), pickle.HIGHEST_PROTOCOL)
            if peak_bound and address_space() > peak_bound:
                raise MemoryError
            _disarm()
            _send(answers, answer)


def _take_pipes() -> tuple[Any, Any]:
    """The two pipes to the parent. What libraries print goes to stderr, a file that the parent reads."""
    answers = os.fdopen(os.dup(_PRINTED), "wb")
    os.dup2(_SAID, _PRINTED)
    return os.fdopen(_REQUESTS, "rb", closefd=False), answers


def _send(answers: Any, answer: bytes) -> None:
    answers.write(answer)
    answers.flush()


def _keep_default_actions() -> None:
    """Reset signals to their default actions, whatever the parent passed on. Ctrl-C is left to the parent."""
    for number in (signal.SIGPROF, signal.SIGALRM, signal.SIGIO, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if _SIGNAL_CLOSING:
        fcntl.fcntl(_REQUESTS, fcntl.F_SETOWN, os.getpid())


def _bound_process(memory_mb: int) -> int | None:
    """Set the limits that hold for the process; the peak of the address space in bytes that a page must not pass."""
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, _SAID_BYTES)
    if not _STATUS.exists():
        return None
    had, more = address_space(), memory_mb << 20
    needed, allowed = had + more + more // 3, resource.getrlimit(resource.RLIMIT_AS)[0]
    if resource.RLIM_INFINITY != allowed < needed:      # a page would meet that bound first, and its text could be wrong
        sys.exit(f"the limit of its address space, `ulimit -v`, is {allowed >> 20:,} MiB and has to be {needed >> 20:,}")
    _lower(resource.RLIMIT_AS, needed)
    return had + more


def address_space() -> int:
    """The most that this process has had of it, in bytes."""
    status = _STATUS.read_bytes()
    start = status.index(b"VmPeak:") + len(b"VmPeak:")
    return int(status[start:status.index(b"kB", start)]) << 10


def _lower(limit: int, bound: int) -> None:
    soft, hard = resource.getrlimit(limit)
    resource.setrlimit(limit, (bound if soft == resource.RLIM_INFINITY else min(bound, soft), hard))


def _arm(deadline: float) -> None:
    """Arm the kernel to end this process: after the deadline, or at once when the parent is gone.

    The parent writes nothing while it waits for answers, so all that can happen to the pipe is that its other end closes.
    """
    fcntl.fcntl(_REQUESTS, fcntl.F_SETFL, _SIGNAL_CLOSING)
    if select.select([_REQUESTS], [], [], 0)[0]:    # it closed before that was asked for
        sys.exit()
    signal.setitimer(signal.ITIMER_REAL, still_seconds(deadline))
    signal.setitimer(signal.ITIMER_PROF, deadline)


def _disarm() -> None:
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    fcntl.fcntl(_REQUESTS, fcntl.F_SETFL, 0)


if __name__ == "__main__":
    try:
        serve()
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
