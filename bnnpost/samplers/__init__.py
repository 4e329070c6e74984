"""Samplers: exact rejection, importance estimates over all proposals, prior draws."""
