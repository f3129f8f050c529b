"""Classify: how a classifier of texts is trained, calibrated and judged, honestly."""
