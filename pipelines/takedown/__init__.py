"""Takedown: what takedown.txt names leaves every dataset and block, and stays out. How and why: docs/ledger.md."""
