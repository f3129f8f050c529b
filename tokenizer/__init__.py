"""Byte-level BPE: train one, load one, turn text into ids and back. Knows nothing of Beam or of the model."""
