"""Runs in directories: begun once, kept as they are computed, gone on with after any end.

A run holds what is run, a record of its settings, numbered parts of what was computed so far, and
what comes of them: `directory` and `part_files` for all, `store` for those of samplers. What a
sampler or a sweep puts into its parts is its own to say.
"""
