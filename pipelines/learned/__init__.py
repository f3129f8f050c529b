"""Training, calibration and evaluation of text classifiers and background tables."""
