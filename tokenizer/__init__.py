"""Byte-level BPE tokenizers: training, loading, encoding and decoding. Independent of Beam and of the model."""
