"""What-if: what another rule table would keep and lose, from stored signals alone."""
