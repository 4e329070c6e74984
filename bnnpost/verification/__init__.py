"""Verdicts on samplers: against exact draws, and on simulated data whose truth is known."""
