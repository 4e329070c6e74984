"""Runs in directories: begun once, kept as they are computed, gone on with after any end.

A run holds what is sampled, a record of its settings, numbered parts of what was computed so far,
and the draws. What a sampler puts into its parts, and how draws come out of them, is the sampler's
own to say.
"""

from bnnpost.runs.part_files import Arrays, PartFiles
from bnnpost.runs.store import BLOCKS, Prepared, Run, made_with, read_run_record

__all__ = ["BLOCKS", "Arrays", "PartFiles", "Prepared", "Run", "made_with", "read_run_record"]
