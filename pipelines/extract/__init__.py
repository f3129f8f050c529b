"""Extraction of documents from raw files; `stage` is the entry. Page parsing imports neither Beam nor Arrow."""
