"""Rows of HDF5 files: in order, shuffled, from any position, streamed or whole, and errors that name the file."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io

from caffe_sdk.data import hdf5
from caffe_sdk.data.hdf5 import HDF5Rows, hdf5_batches
from caffe_sdk.data.prefetch import Batch
from caffe_sdk.errors import ArgumentError, CorruptFileError, DataError, FileError, MissingFileError

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Files of so many rows each, and the list of them: row i of all has i and -i in `data`, i in `label`."""

    def made(*rows: int, **options: Any) -> Path:
        start = 0
        for number, count in enumerate(rows):
            values = np.arange(start, start + count)
            with h5py.File(tmp_path / f"{number}.h5", "w") as file:
                file.create_dataset("data", data=np.stack([values, -values], axis=1).astype("f8"), **options)
                file["label"] = values.astype("i4")
            start += count
        listed = tmp_path / "list.txt"
        listed.write_text("".join(f"{tmp_path}/{number}.h5\n" for number in range(len(rows))))
        return listed

    return made


def labels(rows: HDF5Rows, batches: int = 1) -> list[int]:
    batch, found = Batch(), []
    for _ in range(batches):
        rows.fill(batch)
        data, label = batch.arrays
        np.testing.assert_array_equal(data, np.stack([label, -label], axis=1))
        assert data.dtype == np.float32
        found += label.astype(int).tolist()
    assert batch.position == rows.position
    return found


def test_rows_of_all_files_and_again_from_the_first(make: Make) -> None:
    rows = HDF5Rows(make(3, 0, 2), ["data", "label"], 4)
    assert rows.shapes == [(4, 2), (4,)]
    assert labels(rows, 4) == [*range(5)] * 3 + [0]
    rows.close()
    assert labels(rows) == [1, 2, 3, 4]


def test_a_batch_larger_than_everything(make: Make) -> None:
    assert labels(HDF5Rows(make(2, 1), ["data", "label"], 8)) == [0, 1, 2] * 2 + [0, 1]


@pytest.mark.parametrize("whole", [0, 2**28])
def test_shuffled_passes_differ_and_have_every_row(make: Make, monkeypatch: pytest.MonkeyPatch, whole: int) -> None:
    monkeypatch.setattr(hdf5, "WHOLE", whole)
    rows = HDF5Rows(make(5, 7, 6, compression="gzip"), ["data", "label"], 4, shuffle=True, seed=3)
    found = np.reshape(labels(rows, 9), (2, 18))
    assert [sorted(one) for one in found.tolist()] == [[*range(18)]] * 2
    assert found[0].tolist() != found[1].tolist()
    other = HDF5Rows(rows.name, ["data", "label"], 4, shuffle=True, seed=4)
    assert labels(other, 9) != found.reshape(-1).tolist()


def test_shuffle_keeps_files_together_and_moves_them(make: Make) -> None:
    rows = HDF5Rows(make(*[3] * 6), ["data", "label"], 18, shuffle=True, seed=1)
    passes = np.array([labels(rows) for _ in range(3)]).reshape(3, 6, 3) // 3
    assert (passes == passes[..., :1]).all()  # the rows of a file follow each other
    assert len({tuple(one) for one in passes[..., 0].tolist()}) == 3


@pytest.mark.parametrize("shuffle", [False, True])
def test_taken_up_at_any_position(make: Make, shuffle: bool) -> None:
    listed = make(5, 4)
    everything = labels(HDF5Rows(listed, ["data", "label"], 3, shuffle=shuffle, seed=9), 20)
    for position in (0, 3, 9, 27, 51):
        rows = HDF5Rows(listed, ["data", "label"], 3, shuffle=shuffle, seed=9)
        rows.seek(position)
        assert labels(rows, 2) == everything[position : position + 6]


@pytest.mark.parametrize("shuffle", [False, True])
def test_ranks_share_the_rows(make: Make, shuffle: bool) -> None:
    listed = make(5, 4)
    alone = labels(HDF5Rows(listed, ["data", "label"], 6, shuffle=shuffle), 3)
    shared = [labels(HDF5Rows(listed, ["data", "label"], 3, shuffle=shuffle, rank=r, ranks=2), 3) for r in (0, 1)]
    assert [shared[i % 2][i // 2] for i in range(18)] == alone


def test_batches_are_made_ahead(make: Make) -> None:
    with hdf5_batches(make(4), ["label"], 3) as batches:
        assert batches.shapes == [(3,)]
        assert [batches.next()[0].tolist() for _ in range(2)] == [[0, 1, 2], [3, 0, 1]]
        assert batches.position == 6


def test_arguments(make: Make) -> None:
    with pytest.raises(ArgumentError, match="rank 2 of 2"):
        HDF5Rows(make(4), ["label"], 2, rank=2, ranks=2)
    with pytest.raises(ArgumentError, match="position -1"):
        HDF5Rows(make(4), ["label"], 2).seek(-1)


def test_list_and_files_that_are_not_there(tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    with pytest.raises(MissingFileError, match=f"Could not open file {listed}"):
        HDF5Rows(listed, ["data"], 1)
    listed.write_text("\n")
    with pytest.raises(DataError, match="lists no files"):
        HDF5Rows(listed, ["data"], 1)
    listed.write_text(f"{tmp_path}/none.h5")
    with pytest.raises(MissingFileError, match=rf"Could not open file {tmp_path}/none.h5, which {listed} lists"):
        HDF5Rows(listed, ["data"], 1)
    (tmp_path / "none.h5").write_text("text")
    with pytest.raises(FileError, match="as HDF5"):
        HDF5Rows(listed, ["data"], 1)


@pytest.mark.parametrize(
    ("datasets", "words"),
    [
        ({"data": np.zeros((3, 2))}, "has no dataset 'label'; tops are named after datasets; there are: data"),
        ({"data": np.zeros((3, 2)), "label": np.zeros(2)}, "'data' has 3 rows, 'label' 2"),
        ({"data": np.zeros((0, 2)), "label": np.zeros(0)}, "the files hold no rows"),
        ({"data": np.zeros(3, "S4"), "label": np.zeros(3)}, r"dataset 'data' has shape \(3,\) and type \|S4"),
        ({"data": np.float32(1), "label": np.zeros(3)}, r"dataset 'data' has shape \(\)"),
    ],
)
def test_datasets_that_cannot_be_used(tmp_path: Path, datasets: dict[str, Any], words: str) -> None:
    with h5py.File(tmp_path / "0.h5", "w") as file:
        for name, values in datasets.items():
            file[name] = values
    (tmp_path / "list.txt").write_text(f"{tmp_path}/0.h5")
    with pytest.raises(DataError, match=words):
        HDF5Rows(tmp_path / "list.txt", ["data", "label"], 1)


def test_files_that_are_not_alike(make: Make, tmp_path: Path) -> None:
    listed = make(2, 2)
    with h5py.File(tmp_path / "1.h5", "a") as file:
        del file["data"]
        file["data"] = np.zeros((2, 3))
    with pytest.raises(DataError, match=r"1.h5: rows of 'data' have shape \(3,\), those of .*0.h5 \(2,\)"):
        HDF5Rows(listed, ["data", "label"], 1)


def test_a_file_that_is_damaged(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5, "WHOLE", 0)
    listed = make(2000, chunks=(100, 2), compression="gzip", fletcher32=True)
    path = tmp_path / "0.h5"
    image = bytearray(path.read_bytes())
    with h5py.File(path) as file:
        chunk = file["data"].id.get_chunk_info(3)
    image[chunk.byte_offset + 10 : chunk.byte_offset + 30] = bytes(20)
    path.write_bytes(image)
    rows = HDF5Rows(listed, ["data"], 200)
    batch = Batch()
    rows.fill(batch)
    with pytest.raises(CorruptFileError, match=rf"^{path}: does not read"):
        rows.fill(batch)


def test_a_file_beyond_two_gigabytes_is_not_read_whole(tmp_path: Path) -> None:
    """700 million rows, all but the last ones a hole in the file."""
    count = 700_000_000
    with h5py.File(tmp_path / "large.h5", "w") as file:
        dataset = file.create_dataset("data", (count,), "f4", fillvalue=None)
        dataset[-3:] = [1, 2, 3]
    assert (tmp_path / "large.h5").stat().st_size > 2**31
    (tmp_path / "list.txt").write_text(str(tmp_path / "large.h5"))
    rows = HDF5Rows(tmp_path / "list.txt", ["data"], 5)
    rows.seek(count - 3)
    tracemalloc.start()
    batch = Batch()
    rows.fill(batch)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert batch.arrays[0].tolist() == [1, 2, 3, 0, 0]
    assert peak < 10_000_000
    rows.close()


# -- files of arrays ---------------------------------------------------------------------------------------------------


def listed(folder: Path, *names: str) -> Path:
    (folder / "list.txt").write_text("\n".join(str(folder / name) for name in names))
    return folder / "list.txt"


def test_arrays_of_numpy_and_matlab(tmp_path: Path) -> None:
    """Rows 0 to 9 in files of every kind; MATLAB shows the examples last."""
    values = np.arange(10)
    data = np.stack([values, -values], axis=1).astype("f8")
    np.savez(tmp_path / "a.npz", data=data[:3], label=values[:3])
    scipy.io.savemat(tmp_path / "b.mat", {"data": data[3:5].T, "label": values[None, 3:5]})
    with h5py.File(tmp_path / "c.mat", "w", userblock_size=512) as file:  # as MATLAB's -v7.3
        file["data"], file["label"] = data[5:8], values[5:8]
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["data"], file["label"] = data[8:], values[8:]
    rows = HDF5Rows(listed(tmp_path, "a.npz", "c.mat", "d.h5"), ["data", "label"], 8)
    assert labels(rows) == [0, 1, 2, 5, 6, 7, 8, 9]
    rows.close()
    with hdf5_batches(listed(tmp_path, "b.mat"), ["data", "label"], 2) as batches:
        first, second = batches.next()
        np.testing.assert_array_equal(first, data[3:5])
        np.testing.assert_array_equal(second, values[3:5, None])


def test_one_array_has_any_name_and_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5, "WHOLE", 0)
    values = np.arange(12, dtype="f4").reshape(6, 2)
    np.save(tmp_path / "x.npy", values)
    with hdf5_batches(listed(tmp_path, "x.npy"), ["anything"], 4, shuffle=True) as batches:
        found = np.concatenate([batches.next()[0].copy() for _ in range(3)])
    assert sorted(found[:6].tolist()) == sorted(found[6:].tolist()) == values.tolist()


@pytest.mark.parametrize("name", ["x.npz", "x.npy", "x.mat"])
def test_arrays_that_do_not_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"nonsense")
    with pytest.raises(CorruptFileError, match=r"is no readable \.\w+ file"):
        HDF5Rows(listed(tmp_path, name), ["data"], 1)
    np.savez(tmp_path / "y.npz", other=np.zeros(2), words=np.array(["a", "b"]))
    with pytest.raises(DataError, match=r"has no dataset 'data'.*other, words"):
        HDF5Rows(listed(tmp_path, "y.npz"), ["data"], 1)
    with pytest.raises(DataError, match="give numbers"):
        HDF5Rows(listed(tmp_path, "y.npz"), ["words"], 1)
