"""One page: from the bytes of its HTML to its text and what it says of itself, in a process of its own.

That process starts in a fifth of a second because nothing it imports knows Beam or Arrow.
"""
