"""Files are read, and nothing else that lies in their place; whose fault an error is."""

import os
import socket

import numpy as np
import pytest
import xarray as xr

import bnnpost
from bnnpost.runs.directory import Directory
from bnnpost.storage import (
    as_path,
    is_damage,
    read_bytes,
    read_dataset,
    read_json,
    read_text,
    read_tree,
    whole,
)
from bnnpost.storage.files import NotAFile


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


PLACED = {
    "a named pipe": os.mkfifo,
    "a directory": os.mkdir,
    "a socket": make_socket,
    "a device": lambda path: os.symlink("/dev/zero", path),
}


@pytest.mark.parametrize("read", [read_bytes, read_text, read_json, read_dataset, read_tree])
@pytest.mark.parametrize("what", PLACED)
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, what, read):
    PLACED[what](tmp_path / "a")
    with pytest.raises(NotAFile, match=f"a is {what}: expected a file"):
        read(tmp_path / "a")
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "absent")


def test_a_log_and_draws_that_are_pipes(tmp_path):
    os.mkfifo(tmp_path / "log.txt")
    with pytest.raises(NotAFile, match="a named pipe"):
        Directory(tmp_path).log("hello")
    os.mkfifo(tmp_path / "draws.nc")
    with pytest.raises(ValueError, match=r"draws\.nc is a named pipe"):
        bnnpost.load(tmp_path / "draws.nc")


def test_a_file_takes_the_place_of_a_pipe_and_of_no_directory(tmp_path):
    os.mkfifo(tmp_path / "a")
    with whole(tmp_path / "a") as temporary:
        temporary.write_text("written")
    assert (tmp_path / "a").read_text() == "written"
    (tmp_path / "b").mkdir()
    with (
        pytest.raises(IsADirectoryError, match="b is a directory: expected a file"),
        whole(tmp_path / "b"),
    ):
        raise AssertionError("begun")


@pytest.mark.parametrize("text", ["[1]", "{", "[" * 100_000, '{"a": "\\ud8', "\x00"])
def test_json_that_is_not_keys_and_values(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=r"a\.json cannot be read: "):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("given", [5, 1.5, None, b"bytes", ["a"]])
def test_what_is_no_path(given):
    for use in (as_path, Directory, bnnpost.load):
        with pytest.raises(TypeError, match="expected a path, as a text or a"):
            use(given)


def test_a_path_with_a_null_character():
    for use in (as_path, Directory, bnnpost.load):
        with pytest.raises(ValueError, match=r"without a null character, got 'a\\x00b'"):
            use("a\0b")


def interrupted():
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt as error:
        try:
            raise ValueError("cannot close the file")
        except ValueError as other:
            other.__context__ = error
            return other


def test_whose_fault_an_error_is():
    for error in (ValueError("bad"), KeyError("x"), OSError("truncated file")):
        assert is_damage(error), error
    for error in (interrupted(), MemoryError(), ImportError("h5py"), OSError(24, "too many files")):
        assert not is_damage(error), error


def test_an_error_that_is_not_the_files_passes(tmp_path, monkeypatch):
    xr.Dataset({"a": ("n", np.zeros(2))}).to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    assert read_dataset(tmp_path / "a.nc")["a"].size == 2

    def gives_up(*given, **more):
        raise interrupted()

    monkeypatch.setattr(xr, "open_dataset", gives_up)
    with pytest.raises(ValueError, match="cannot close the file"):
        read_dataset(tmp_path / "a.nc")
