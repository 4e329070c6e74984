"""Files written whole, locks against other processes, digests, and the directory of a run."""

from bnnpost.storage.bound import (
    CONTENTS,
    DRAWS,
    FILE,
    PREDICTIONS,
    RECORD,
    RESULTS,
    RUN,
    RUN_ID,
    STATUS,
    Misplaced,
    file_digest,
    is_as_noted,
    noted,
    read_noted,
    read_record,
    run_here,
)
from bnnpost.storage.digest import (
    DIGEST,
    dataset_digest,
    digest,
    read_archive,
    write_archive,
)
from bnnpost.storage.directory import Directory, DirectoryInUse, OtherRun, Say
from bnnpost.storage.files import remove_temporaries, whole, write_text
from bnnpost.storage.locks import Lock, LockHeld
from bnnpost.storage.memory import available_memory, gigabytes, require_free
from bnnpost.storage.netcdf import read_dataset, read_tree, write_netcdf
from bnnpost.storage.numpy_files import array_names, header, read_array, read_arrays
from bnnpost.storage.reading import as_path, is_damage, read_bytes, read_json, read_text
from bnnpost.storage.versions import processor, versions

__all__ = [
    "CONTENTS",
    "DIGEST",
    "DRAWS",
    "FILE",
    "PREDICTIONS",
    "RECORD",
    "RESULTS",
    "RUN",
    "RUN_ID",
    "STATUS",
    "Directory",
    "DirectoryInUse",
    "Lock",
    "LockHeld",
    "Misplaced",
    "OtherRun",
    "Say",
    "array_names",
    "as_path",
    "available_memory",
    "dataset_digest",
    "digest",
    "file_digest",
    "gigabytes",
    "header",
    "is_as_noted",
    "is_damage",
    "noted",
    "processor",
    "read_archive",
    "read_array",
    "read_arrays",
    "read_bytes",
    "read_dataset",
    "read_json",
    "read_noted",
    "read_record",
    "read_text",
    "read_tree",
    "remove_temporaries",
    "require_free",
    "run_here",
    "versions",
    "whole",
    "write_archive",
    "write_netcdf",
    "write_text",
]
