"""Files written whole, locks against other processes, digests, and the directory of a run."""

from bnnpost.storage.archives import parsed_archive, write_archive
from bnnpost.storage.digest import dataset_digest, digest, is_damaged
from bnnpost.storage.directory import Directory, DirectoryInUse
from bnnpost.storage.files import remove_temporaries, whole, write_text
from bnnpost.storage.locks import Lock, LockHeld
from bnnpost.storage.memory import available_memory, gigabytes
from bnnpost.storage.numpy_files import array_names, header, read_array, read_arrays
from bnnpost.storage.versions import processor, versions

__all__ = [
    "Directory",
    "DirectoryInUse",
    "Lock",
    "LockHeld",
    "array_names",
    "available_memory",
    "dataset_digest",
    "digest",
    "gigabytes",
    "header",
    "is_damaged",
    "parsed_archive",
    "processor",
    "read_array",
    "read_arrays",
    "remove_temporaries",
    "versions",
    "whole",
    "write_archive",
    "write_text",
]
