"""Judging: comparisons by a judge (RLAIF), criticism and revision, and the phases of a model put to the same tests."""
