"""From web pages to packed token blocks."""

import sys

# Commands of version 0.1 in a clone, `python -m pipelines.fetch …`, by the words they are now.
WORDS = {"background": "background", "classifier": "classifier", "dedup_only": "dedup-only", "duplicates": "duplicates",
         "fetch": "fetch", "plan": "plan", "pool": "pool", "python_docs": "python-docs", "takedown": "takedown",
         "twins": "twins", "what_if": "what-if"}

if __name__ == "pipelines" and sys.argv[0] == "-m":         # what Python says while it looks for the module to run
    _, _, name = sys.orig_argv[-len(sys.argv)].rpartition("pipelines.")
    if name in WORDS:
        from textmill.cli import main

        sys.exit(main([WORDS[name], *sys.argv[1:]]))
