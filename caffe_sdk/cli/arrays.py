"""Arrays from and to files: NumPy's .npy and MATLAB's .mat."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from caffe_sdk.errors import ArgumentError, CorruptFileError
from caffe_sdk.memory import Array
from caffe_sdk.schema.files import atomic_write, read_bytes

VARIABLE = "data"  # what the array is called in a .mat file written here


def parse_pairs(pairs: list[str] | None, flag: str) -> dict[str, str]:
    """``NAME=FILE`` flags as a dictionary."""
    for pair in pairs or []:
        if "=" not in pair or not all(pair.split("=", 1)):
            raise ArgumentError(f"-{flag}", f"'{pair}' is not NAME=FILE", f"write for example -{flag} data=digits.npy")
    return dict(pair.split("=", 1) for pair in pairs or [])


def read_array(path: str) -> Array:
    """The array of a .npy file, or of a .mat file with one variable, whose axes MATLAB has the other way round."""
    kind = _kind(path)
    data = io.BytesIO(read_bytes(path))
    try:
        if kind == ".npy":
            return np.asarray(np.load(data, allow_pickle=False))
        import scipy.io

        variables = [value for name, value in scipy.io.loadmat(data).items() if not name.startswith("__")]
    except Exception as error:  # noqa: BLE001 - these readers raise whatever a damaged file leads them to
        raise CorruptFileError(path, f"is no readable {kind} file ({error})", "write it again") from None
    if len(variables) != 1 or not isinstance(variables[0], np.ndarray) or variables[0].dtype.kind not in "fiu":
        raise ArgumentError(path, f"holds {len(variables)} variables", "save one numeric array in it")
    return np.asarray(variables[0].T)


def write_array(path: str, array: Array) -> None:
    """Write an array, whole or not at all: .npy, or .mat with the axes as MATLAB has them."""
    kind = _kind(path)
    with atomic_write(path) as file:
        if kind == ".npy":
            np.save(file, array)
        else:
            import scipy.io

            scipy.io.savemat(file, {VARIABLE: array.T})


def _kind(path: str) -> str:
    kind = Path(path).suffix
    if kind not in (".npy", ".mat"):
        raise ArgumentError(path, f"'{kind}' is no format for arrays", "use .npy or .mat")
    return kind
