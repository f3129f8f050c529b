"""The ledger: a page's whole story, the pages of a block, the blocks of a page. Read from the stored datasets alone."""
