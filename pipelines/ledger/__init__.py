"""The ledger: provenance of pages and blocks. Read from the stored datasets alone."""
