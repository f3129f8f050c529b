"""Post-training: from a text continuer to an assistant. Each method is a loss, its batches and its validation on a Run."""
