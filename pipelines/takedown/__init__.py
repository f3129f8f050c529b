"""Takedown: removal of the documents that takedown.txt names from every dataset and block, for good. See docs/ledger.md."""
