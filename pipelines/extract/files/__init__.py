"""Raw files: listing, ranges of them, and the records in them."""
