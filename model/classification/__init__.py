"""Classification by one's own model: a linear head over its hidden states, for labelled texts."""
