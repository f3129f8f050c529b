"""The browser: a local page over the stored datasets. Nothing in it changes a dataset."""
