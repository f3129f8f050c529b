"""From raw files to documents; `stage` is where it begins. What reads a page imports neither Beam nor Arrow."""
