"""Verdicts on samplers: draws against an exact reference, and calibration on simulated data."""
