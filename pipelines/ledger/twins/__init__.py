"""Twins: the texts of a page and of its copies side by side, with differences marked."""
