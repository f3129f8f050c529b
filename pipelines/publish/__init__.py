"""Datasets as others open them: what a column means, a card, Croissant metadata, shards, and the way to a hub or a bucket."""
