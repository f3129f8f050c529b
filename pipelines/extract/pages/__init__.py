"""Page parsing: from the bytes of HTML to text and metadata, in a process of its own.

That process starts in a fifth of a second because nothing it imports knows Beam or Arrow.
"""
