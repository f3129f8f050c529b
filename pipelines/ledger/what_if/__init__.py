"""What-if: the effect of another rule table, from stored signals alone."""
