"""The folder in which large arrays change hands, as .mat files of version 6 beside the frames that tell of them.

Octave reads 6 MB from such a file in 2 ms and from a socket in 50. Variables are called a0, a1, ...

========== ======== ===============================================================================================
q<n>.mat   client   arrays of request n; the bridge removes it
r.mat      bridge   arrays of the last answer; overwritten by the next, since fresh pages of memory take longer to get
                    than to fill; removed before the next when it is larger than `KEPT`
========== ======== ===============================================================================================
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path

from caffe_sdk.bridge.values import NUMERIC, Array, numeric_code
from caffe_sdk.errors import BridgeError, WriteError

ANSWER = "r.mat"
KEPT = 1 << 26

_HEADER = b"MATLAB 5.0 MAT-file, written by caffe_sdk".ljust(124) + b"\0\1IM"
_MATRIX, _FLAGS, _DIMENSIONS, _NAME = 14, 6, 5, 1  # data types of the parts of a variable
_DATA_TYPES = (9, 7, 1, 2, 3, 4, 5, 6, 12, 13, 2)  # of the numbers, in the order of `NUMERIC`
_FIRST_CLASS = 6  # mxDOUBLE_CLASS; the others follow in the order of `NUMERIC`, but for logical
_LOGICAL = 9 | 0x200  # mxUINT8_CLASS with the flag of logical arrays


class Exchange:
    """The folder of one bridge and its client."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, pieces: Sequence[Array]) -> None:
        """Write arrays to a file that nobody but the user may read. Raises WriteError, e.g. when the disk is full."""
        path = self.folder / name
        try:
            with open(path, "wb", opener=_in_place) as file:
                file.write(_HEADER)
                for index, piece in enumerate(pieces):
                    file.write(_before(f"a{index}", piece))
                    file.write(piece.data)
                    file.write(bytes(-piece.nbytes % 8))
                file.truncate()
        except OSError as error:
            path.unlink(missing_ok=True)
            raise WriteError(str(path), str(error), "free some space, or set CAFFE_BRIDGE_DIR") from error

    def read(self, name: str) -> list[Array]:
        """The arrays of a file, in row order with axes reversed; the file is gone afterwards. Raises BridgeError."""
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError

        path = self.folder / name
        try:
            variables = loadmat(path)
            return [variables[f"a{index}"].T for index in range(sum(key[:1] == "a" for key in variables))]
        except (OSError, KeyError, ValueError, TypeError, MatReadError) as error:
            raise BridgeError(str(path), f"cannot be read: {error}") from error
        finally:
            path.unlink(missing_ok=True)

    def forget(self) -> None:
        """Remove the file of the last answer if it is large; the client has read it when it asks for more."""
        path = self.folder / ANSWER
        if path.exists() and path.stat().st_size > KEPT:
            path.unlink(missing_ok=True)


def private(path: str, flags: int) -> int:
    """An opener for files of the user alone, whatever the umask; never through a link that somebody laid there."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)


def _in_place(path: str, flags: int) -> int:
    """`private`, for files whose pages are filled again."""
    return private(path, flags & ~os.O_TRUNC)


def _before(name: str, piece: Array) -> bytes:
    """What stands before the numbers of a column: tag, flags, dimensions and name of the variable, tag of the data."""
    code = numeric_code(piece.dtype)
    matlab_class = _LOGICAL if NUMERIC[code] == "?" else _FIRST_CLASS + code
    parts = struct.pack("<4I", _FLAGS, 8, matlab_class, 0)
    parts += struct.pack("<4I", _DIMENSIONS, 8, piece.size, 1)
    parts += struct.pack("<2I8s", _NAME, len(name), name.encode())
    parts += struct.pack("<2I", _DATA_TYPES[code], piece.nbytes)
    return struct.pack("<2I", _MATRIX, len(parts) + piece.nbytes + -piece.nbytes % 8) + parts
