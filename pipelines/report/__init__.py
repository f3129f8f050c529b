"""Report: one HTML page about everything in a data folder, the same bytes from the same datasets."""
