"""The command: every word in its place, every mistake a sentence, and nothing of the user's folder in the way."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from tests.command_line import MIXTURE, SETTINGS, put_sample
from tests.paths import ROOT
from textmill.cli import MILL, SECTIONS, main, reference
from textmill.cli.begin import demo_steps
from textmill.cli.flow import LINES
from textmill.cli.options import RUN_NAMES, SHIPPED
from textmill.tokenizer.bpe import PATTERNS
from textmill.tokenizer.settings import TokenizerSettings

pytestmark = pytest.mark.slow



def textmill(*arguments: object, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "textmill", *map(str, arguments)], capture_output=True, text=True, cwd=cwd,
                          env=os.environ | {"PYTHONPATH": str(ROOT)} | environment, timeout=300)


def parsed(step: list[str]) -> click.Context:
    """A command line as its word reads it; a UsageError where it has no such word or option."""
    return MILL.commands[step[0]].make_context(step[0], step[1:])


def test_help_lists_every_word_in_its_section_and_fits_80_columns():
    ran = textmill("--help")
    assert ran.returncode == 0 and max(map(len, ran.stdout.splitlines())) <= 80
    listed = re.findall(r"^  ([a-z][a-z-]+) {2,}(\S.*)", ran.stdout, re.MULTILINE)
    words = [word for section in SECTIONS.values() for word in section]
    assert [(name, line) for name, line in listed if name in MILL.commands] == [(word.name, word.short_help) for word in words]
    assert len({word.name for word in words}) == len(words) == len(MILL.commands)
    assert [line for line in ran.stdout.splitlines() if line.removesuffix(":") in SECTIONS] == [f"{title}:" for title in SECTIONS]


@pytest.mark.parametrize("word", MILL.commands)
def test_the_help_of_a_word_fits_80_columns_and_says_what_it_does(word, capsys):
    assert main([word, "--help"]) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80 and MILL.commands[word].help
    assert all(option.help for option in MILL.commands[word].params if isinstance(option, click.Option)), said


def test_it_starts_light():
    names = ("apache_beam", "pyarrow", "numpy", "torch", "yaml", "rich")
    code = f"import sys, textmill.cli; print([name for name in {names} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout == "[]\n"


def test_it_says_its_version_and_completes_words_and_options():
    assert re.fullmatch(r"textmill \d+\.\d+\.\d+\n", textmill("--version").stdout)
    said = textmill(_TEXTMILL_COMPLETE="bash_complete", COMP_WORDS="textmill tok", COMP_CWORD="1").stdout
    assert said.split() == ["plain,tokenizer", "plain,tokenize", "plain,tokenizer-report", "plain,tokenizer-files"]
    said = textmill(_TEXTMILL_COMPLETE="zsh_complete", COMP_WORDS="textmill pack --worker", COMP_CWORD="2").stdout
    assert said.splitlines()[1::3] == ["--workers", "--worker-pool"]
    assert "complete" in textmill(_TEXTMILL_COMPLETE="fish_source").stdout


def test_the_page_of_commands_is_current():
    """`python -m textmill.cli.reference > docs/commands.md`."""
    assert (ROOT / "docs/commands.md").read_text("utf-8") == "\n".join(reference.page()).rstrip() + "\n"


def test_a_word_up_to_date_is_one_light_process(milled, monkeypatch, capsys):
    """No stage that is asked for nothing is started or imported: no Beam, no extractor, no torch."""
    def none(_: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr("textmill.cli.flow.run_steps", none)
    arguments = ["pack", "--data", str(milled[0]), "--config", str(SETTINGS), "--mixture", str(MIXTURE), "--workers", "1"]
    assert main(arguments) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in said] == list(LINES)[:8]
    assert all("up to date" in line or line == "tokenizer: tokenizers/test-1k is there" for line in said), said
    code = ("import sys; from textmill.cli import main; main(sys.argv[1:]); "
            "print([name for name in ('apache_beam', 'trafilatura', 'torch', 'datasketch') if name in sys.modules])")
    ran = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT)
    assert ran.stdout.splitlines()[-1] == "[]", ran


def test_the_demo_is_made_of_words_and_options_that_exist(tmp_path):
    given = dict.fromkeys(RUN_NAMES) | {"data": str(tmp_path), "config": "c", "mixture": "m", "runner_option": (), "workers": 2}
    steps = demo_steps("The river", given)
    assert [step[0] for step in steps] == ["python-docs", "all", "classifier", "sample"]
    contexts = [parsed(step) for step in steps]
    assert contexts[1].params["replace"] and contexts[1].params["workers"] == 2
    assert contexts[2].params["labels"] == str(SHIPPED / "labels.jsonl") and contexts[3].params["prompt"] == "The river"


def test_defaults_of_the_tokenizer_are_those_of_the_code():
    default = TokenizerSettings()
    given = MILL.commands["train-tokenizer"].make_context("train-tokenizer", ["a.txt", "--to", "t"]).params
    assert (given["vocab_size"], given["pattern"], given["sample_bytes"], given["max_pretoken_bytes"]) == (
        default.vocab_size, default.pattern, default.sample_bytes, default.max_pretoken_bytes)
    assert given["pattern"] in PATTERNS


@pytest.mark.parametrize(("arguments", "said"), [
    (["extrct"], "textmill: there is no word 'extrct'; did you mean extract?"),
    (["nothing-like-it"], "textmill: there is no word 'nothing-like-it'; `textmill --help` lists what there is"),
    (["--qq"], "textmill: there is no option --qq; `textmill --help` lists what there is"),
    (["extract", "--dta", "x"], "extract: there is no option --dta; did you mean --data?"),
    (["extract", "--workers", "many"], "extract: invalid value for '--workers': 'many' is not a valid integer; "
                                       "`textmill extract --help` lists what there is"),
    (["trace"], "trace: missing argument 'BLOCK'; `textmill trace --help` lists what there is"),
    (["export"], "export: missing option '--to'; `textmill export --help` lists what there is"),
    (["train", "--blocks", "b"], "train: --blocks needs --run, the folder where checkpoints go; `textmill train --help` lists what there is"),
])
def test_a_wrong_command_line_is_one_sentence_and_exit_2(arguments, said, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err == f"{said}\n"


@pytest.mark.parametrize(("arguments", "said"), [
    (["extract", "--config", "none.yaml"], "none.yaml: there is no such file; check the path"),
    (["takedown", "--mixture", "none.yaml"], "none.yaml: there is no such file; check the path"),
    (["sample", "--mixture", "none.yaml"], "none.yaml: there is no such file; check the path"),
    (["train", "--data", "s3://bucket/data"], "the model reads and writes local folders, and s3://bucket/data is none; "
                                              "copy the blocks here and name the folders (--blocks, --run)"),
    (["dedup-only", "none.jsonl", "--to", "out.jsonl"], "there is no file none.jsonl"),
    (["train-tokenizer", "none.txt", "--to", "t"], "none.txt: there is no such file; check the path"),
    (["demo", "--data", "gs://bucket"], "the demo copies its pages into a local folder, and gs://bucket is none; give another --data"),
])
def test_what_is_not_there_is_one_sentence_and_exit_1(arguments, said, tmp_path):
    ran = textmill(*arguments, cwd=tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", f"{arguments[0]}: {said}\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [["python-docs"], ["init"], ["extract", "--workers", "1"],
                                       ["fetch", "--crawl", "CC-MAIN-2026-42", "--files", "1"]])
def test_a_folder_that_cannot_be_written_is_one_sentence(arguments, tmp_path):
    """A file stands where a folder has to be: root, too, is refused that."""
    if arguments[0] == "init":
        arguments = ["init", "data/raw"]
    if arguments[0] == "extract":
        put_sample(tmp_path / "data")
        (tmp_path / "data/documents").write_text("")
    else:
        (tmp_path / "data").write_text("")
    ran = textmill(*arguments, cwd=tmp_path)
    assert ran.returncode == 1 and "Traceback" not in ran.stderr, ran.stderr
    (line,) = ran.stderr.splitlines()
    assert line.startswith(f"{arguments[0]}: ") and ("cannot be" in line or "Not a directory" in line), line


WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""


@pytest.mark.parametrize(("arguments", "missing", "extra"), [
    (["extract"], "apache_beam", "pipelines"), (["why", "x"], "pyarrow", "pipelines"), (["report"], "jinja2", "pipelines"),
    (["classifier", "--name", "a", "--good", "b", "--bad", "c"], "fasttext", "pipelines"), (["pool"], "grpc", "pipelines"),
    (["train", "--blocks", "b", "--run", "r"], "torch", "model"), (["sample", "--run", "r"], "safetensors", "model"),
    (["train-tokenizer", "a.txt", "--to", "t"], "tokenizers", "tokenizer")])
def test_a_missing_extra_is_named(arguments, missing, extra, tmp_path):
    put_sample(tmp_path / "data")
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(WITHOUT.format(missing=missing))
    ran = textmill(*arguments, cwd=tmp_path, PYTHONPATH=f"{tmp_path / 'site'}{os.pathsep}{ROOT}")
    assert (ran.returncode, ran.stderr) == (
        1, f"{arguments[0]}: needs the {extra} extra ({missing} is not installed): pip install 'textmill[{extra}]'\n")


@pytest.mark.parametrize("arguments", [["--help"], ["extract", "--help"], ["trace", "0"], ["duplicates"], ["plan", "--stored", "1TB"]])
def test_a_reader_that_has_seen_enough_is_no_error(milled, arguments):
    flags = {"trace": ["--mixture", str(MIXTURE)]}.get(arguments[0], [])
    data = ["--data", str(milled[0])] if "--help" not in arguments else []
    ran = subprocess.run(["bash", "-c", 'set -o pipefail; "$@" | head -n 0', "bash", sys.executable, "-m", "textmill", *arguments,
                          *data, *flags], capture_output=True, text=True, cwd=ROOT)
    assert ran.stderr == ""


def test_a_full_disk_for_what_is_printed_is_a_sentence():
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with open("/dev/full", "w") as full:
        ran = subprocess.run([sys.executable, "-m", "textmill", "plan", "--stored", "1TB"], stdout=full, stderr=subprocess.PIPE,
                             text=True, cwd=ROOT)
    assert ran.returncode == 1 and ran.stderr.startswith("plan: no space left on the disk; free some and run the same command"), ran.stderr


def started(arguments: list[str], cwd: Path, seen: Path | None = None, **more: object) -> subprocess.Popen:
    """A word at work: it has said something, or written `seen`."""
    process = subprocess.Popen([sys.executable, "-m", "textmill", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               cwd=cwd, env=os.environ | {"PYTHONPATH": str(ROOT)}, start_new_session=True, **more)
    deadline = time.monotonic() + 60
    while seen and not seen.exists():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("to_all", [True, False], ids=["as a terminal sends it", "to the command alone"])
def test_ctrl_c_in_a_stage_before_the_word_is_one_sentence(tmp_path, to_all):
    for source in ("a", "b", "c", "d", "e"):            # enough to be in the middle of it
        shutil.copytree(ROOT / "sample/raw", tmp_path / "data/raw" / source)
    process = started(["screen", "--config", str(SETTINGS), "--workers", "2"], tmp_path, tmp_path / "data/ledger/documents/receipts")
    (os.killpg if to_all else os.kill)(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "") and "Traceback" not in err, err
    stages = "(extract|measure)"            # on a busy machine the next one may have begun
    assert re.fullmatch(f"{stages}: stopped; what is finished is kept, run the same command to go on", err.splitlines()[-1]), err
    assert "screen" not in err
    ran = textmill("extract", "--config", SETTINGS, "--workers", "1", cwd=tmp_path)
    assert ran.returncode == 0 and " built, " in ran.stdout


@pytest.mark.parametrize("name", ["train", "train-tokenizer"])
def test_ctrl_c_in_other_words_is_one_sentence(milled, name, tmp_path):
    (tmp_path / "texts").mkdir()
    seen, arguments = tmp_path / "run/log.jsonl", ["train", "--blocks", str(milled[0] / "blocks/mixture"), "--run", "run"]
    if name == "train-tokenizer":
        os.mkfifo(tmp_path / "a.txt")               # never ends: it waits to be read
        seen, arguments = None, [name, "a.jsonl", "--to", "t"]
        (tmp_path / "a.jsonl").write_text('{"text": "a word, and another one"}\n' * 2_000_000)
    process = started(arguments, tmp_path, seen)
    time.sleep(0 if seen else 2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err, err
    assert err.splitlines()[-1] == f"{name}: stopped; what is finished is kept, run the same command to go on"


def test_a_stage_that_is_killed_is_named(tmp_path):
    put_sample(tmp_path / "data")
    process = started(["screen", "--config", str(SETTINGS), "--workers", "1"], tmp_path, tmp_path / "data/ledger/documents/receipts")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        process.kill()
        pytest.skip("needs /proc")
    os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 137
    assert err.splitlines()[-1] == ("extract: was ended by signal 9 (out of memory?); run the same command again: what is finished is "
                                    "kept")


@pytest.mark.parametrize("command", [["-m", "textmill"], ["-P", "-m", "textmill"]])
def test_packages_of_the_users_folder_are_not_ours(tmp_path, command):
    for name in ("model", "tokenizer", "pipelines", "apache_beam") if "-P" in command else ("model", "tokenizer", "pipelines"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise RuntimeError('the user\\'s own {name} was imported')\n")
    source = tmp_path / "data/raw/notes"
    source.mkdir(parents=True)
    for path in (ROOT / "sample/raw/loose").iterdir():
        shutil.copy(path, source)
    ran = subprocess.run([sys.executable, *command, "measure", "--workers", "2"], capture_output=True, text=True, cwd=tmp_path,
                         env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert ran.returncode == 0, ran.stderr
    assert [line.partition(",")[0] for line in ran.stdout.splitlines()] == ["extract: 2 records", "measure: 2 documents"]


def test_init_writes_the_shipped_files_once_and_says_what_to_do(tmp_path):
    first, second = textmill("init", cwd=tmp_path), textmill("init", cwd=tmp_path)
    written = {str(path.relative_to(tmp_path)): path.read_bytes() for path in sorted(tmp_path.rglob("*.*"))}
    names = ["settings.yaml", "rules.yaml", *(str(path.relative_to(ROOT)) for folder in ("mixtures", "schemas")
                                              for path in sorted((ROOT / folder).iterdir()))]
    assert first.returncode == 0 and "`textmill all`" in first.stdout
    assert written == {name: (ROOT / name).read_bytes() for name in names}
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr == (f"init: . has {', '.join(names)} already; move them away, or name another folder\n")
    assert textmill("init", tmp_path / "other").returncode == 0 and (tmp_path / "other/mixtures/demo.yaml").exists()


def test_a_file_of_the_users_own_goes_before_the_shipped_one(tmp_path):
    (tmp_path / "settings.yaml").write_text("nonsense: 1\n")
    ran = textmill("extract", cwd=tmp_path)
    assert ran.returncode == 1 and "extract: settings.yaml: unknown key 'nonsense'" in ran.stderr


@pytest.mark.parametrize(("module", "arguments", "said"), [
    ("pipelines", ["pack", "--data", "none"], "pack: there is nothing in none/"),
    ("pipelines.ledger", ["where", "x", "--data", "none"], "where: there is nothing in none/documents yet"),
    ("pipelines.report", ["--data", "none"], "report: there is no dataset in none"),
    ("pipelines.duplicates", ["--data", "none"], "duplicates: there is nothing in none/documents yet"),
    ("pipelines.dedup_only", ["none.jsonl", "--to", "out.jsonl"], "dedup-only: there is no file none.jsonl"),
    ("model", ["sample", "--run", "none"], "sample: there is no checkpoint in none; train first, or name another folder with --run"),
    ("tokenizer", ["train", "none.txt", "--to", "none"], "train-tokenizer: none.txt: there is no such file; check the path"),
])
def test_what_was_run_as_a_module_in_a_clone_still_runs(module, arguments, said):
    ran = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 1 and ran.stderr.startswith(said) and ran.stderr.count("\n") == 1


def wait_until_ours(pid: int) -> None:
    """Python takes Ctrl-C for itself when it starts, and our first line gives it back to the system."""
    deadline = time.monotonic() + 2
    for wanted in (True, False):
        while time.monotonic() < deadline:
            status = Path(f"/proc/{pid}/status").read_text()
            if bool(int(re.search(r"SigCgt:\s*(\w+)", status)[1], 16) & 1 << (signal.SIGINT - 1)) == wanted:
                break
            time.sleep(0.001)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("arguments", [["extract", "--workers", "1"], ["pack", "--workers", "1"], ["plan", "--stored", "1TB"]])
def test_ctrl_c_in_the_first_seconds_is_no_traceback(arguments, tmp_path):
    """While modules are imported, too, of which C code makes errors of another kind. Python's own start is Python's."""
    put_sample(tmp_path / "data")
    ends = set()
    for n in range(36):
        if n >= 12 and 130 in ends:
            break                           # a busy machine may miss the moment between the imports and the end of a short word
        process = started(arguments, tmp_path)
        wait_until_ours(process.pid)
        time.sleep(0.07 * n if n < 12 else 0.03 * (n - 11) + 0.2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        ends.add(process.returncode)
        assert "Error" not in err and "Traceback" not in err, err
        assert process.returncode != 130 or re.search(r"^\w+: stopped; what is finished is kept", err, re.MULTILINE), err
    assert 130 in ends and ends <= {0, 130, -signal.SIGINT}
