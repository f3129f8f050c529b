"""What lies under raw/ and how it is read: files, ranges of them, and the records in them."""
