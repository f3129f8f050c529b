"""Deduplication of files of rows, on their own: no data folder, no rules, the same rows without the copies."""
