"""A seeded fuzzer of every parser of the house; `python -m tests.fuzz --help` says how it is run."""
