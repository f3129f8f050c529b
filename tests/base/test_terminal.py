"""What is printed to be read: all of it, or as much as the reader wants."""

import os
import subprocess
import sys

from tests.command_line import ROOT

PRINTS = "from textmill.base.terminal import show; show(str(n) for n in range(100_000))"


def test_every_line_is_printed():
    ran = subprocess.run([sys.executable, "-c", PRINTS], capture_output=True, text=True, cwd=ROOT)
    assert ran.stdout.split() == [str(n) for n in range(100_000)] and ran.returncode == 0


def test_a_reader_that_leaves_early_is_no_error():
    process = subprocess.Popen([sys.executable, "-c", PRINTS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout.readline() == "0\n"
    process.stdout.close()
    assert (process.wait(60), process.stderr.read()) == (0, "")


def test_a_character_that_the_output_has_no_bytes_for_is_shown_as_its_escape():
    code = "from textmill.base.terminal import show; show(['a \\u6c34 \\udcff'])"
    for encoding, shown in (("ascii", rb"a \u6c34 \udcff"), ("utf-8", b"a \xe6\xb0\xb4 \\udcff")):
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, env=os.environ | {"PYTHONIOENCODING": encoding})
        assert (ran.returncode, ran.stdout.rstrip()) == (0, shown), ran.stderr
