from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffe_sdk.app.paths import ANYWHERE, CODE_FIELDS, PATH_FIELDS, Inside
from caffe_sdk.app.session import Session
from caffe_sdk.errors import FileError, LayerError, MissingFileError
from caffe_sdk.schema import messages, prototxt
from caffe_sdk.schema.messages import NetParameter, SolverParameter
from caffe_sdk.solver import Finished
from tests.app.texts import NET, SOLVER

HARMLESS = {
    *("FillerParameter.type", "LayerParameter.type", "SolverParameter.type", "V0LayerParameter.type"),
    *("LayerParameter.name", "NetParameter.name", "ParamSpec.name", "V0LayerParameter.name", "V1LayerParameter.name"),
    *("LayerParameter.bottom", "LayerParameter.top", "V1LayerParameter.bottom", "V1LayerParameter.top"),
    *("NetParameter.input", "NetState.stage", "NetStateRule.stage", "NetStateRule.not_stage", "V1LayerParameter.param"),
    *("SolverParameter.lr_policy", "SolverParameter.regularization_type"),
    *("WindowDataParameter.crop_mode", "V0LayerParameter.det_crop_mode"),
    *("PythonParameter.layer", "PythonParameter.param_str"),  # nothing without a module
    "SolverState.learned_net",  # of a file that a server wrote
}
"""String fields that name no file."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "net.prototxt").write_text(NET)
    (folder / "solver.prototxt").write_text(SOLVER)
    return folder


def test_every_string_field_is_known_to_name_a_file_or_not() -> None:
    strings = {
        f"{message.name}.{field.name}"
        for message in messages.DESCRIPTOR.message_types_by_name.values()
        for field in message.fields
        if field.type == field.TYPE_STRING
    }
    assert strings == PATH_FIELDS | CODE_FIELDS | HARMLESS


def test_anywhere_takes_paths_as_they_are() -> None:
    net = prototxt.parse('layer { name: "d" data_param { source: "../data" } }', NetParameter)
    ANYWHERE.check(net)
    assert net.layer[0].data_param.source == "../data"
    assert ANYWHERE.resolve("/etc/passwd") == "/etc/passwd"


def test_paths_count_from_the_folder(folder: Path) -> None:
    paths = Inside(str(folder))
    assert paths.resolve("net.prototxt") == str(folder / "net.prototxt")
    assert paths.resolve("not/../there") == str(folder / "there")
    assert paths.resolve(str(folder / "net.prototxt")) == str(folder / "net.prototxt")


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a/../../secret", "link", "link/inside", "", "\0"])
def test_paths_that_lead_outside_are_refused(folder: Path, path: str) -> None:
    (folder / "link").symlink_to(folder.parent)
    paths = Inside(str(folder))
    if path:
        with pytest.raises(FileError, match="Could not open file"):
            paths.resolve(path)
    else:
        assert paths.resolve(path) == str(folder)


def test_a_circle_of_links_is_refused(folder: Path) -> None:
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    with pytest.raises(FileError):
        Session(Inside(str(folder))).create_net("a")


@pytest.mark.parametrize(
    "text",
    [
        'layer { name: "d" type: "Data" top: "d" data_param { source: "%s" batch_size: 1 } }',
        'layer { name: "d" type: "Data" top: "d" data_param { mean_file: "%s" } }',
        'layer { name: "d" type: "Data" top: "d" transform_param { mean_file: "%s" } }',
        'layer { name: "d" type: "HDF5Output" bottom: "a" bottom: "b" hdf5_output_param { file_name: "%s" } }',
        'layers { name: "d" type: IMAGE_DATA top: "d" image_data_param { root_folder: "%s" } }',
        'layers { layer { name: "d" type: "data" source: "%s" } top: "d" }',
    ],
)
@pytest.mark.parametrize("path", ["../secret", "/etc/passwd"])
def test_paths_inside_descriptions_are_refused(folder: Path, text: str, path: str) -> None:
    for session in (Session(Inside(str(folder))), Session(Inside(None))):
        with pytest.raises(FileError, match=f"Could not open file {path}"):
            session.create_net(text=text % path)


@pytest.mark.parametrize(
    "field",
    [
        'net: "%s"',
        'train_net: "%s"',
        'train_net_param {} test_net: "a" test_net: "%s"',
        'net_param {} weights: "a,%s"',
        'net_param {} snapshot_prefix: "%s"',
        'train_net_param { layer { data_param { source: "%s" } } }',
    ],
)
def test_paths_inside_solvers_are_refused(folder: Path, field: str) -> None:
    (folder / "a").write_text(NET)
    with pytest.raises(FileError, match=r"Could not open file \.\./secret: it is outside the models folder"):
        Session(Inside(str(folder))).create_solver(text=field % "../secret")


def test_paths_in_a_solvers_net_files_are_refused_too(folder: Path) -> None:
    (folder / "bad.prototxt").write_text('layer { name: "d" type: "Data" data_param { source: "/etc" } }')
    with pytest.raises(FileError, match="Could not open file /etc"):
        Session(Inside(str(folder))).create_solver(text='net: "bad.prototxt"')


def test_layers_that_run_code_are_refused(folder: Path) -> None:
    text = 'layer { name: "p" type: "Python" top: "p" python_param { module: "os" layer: "system" } }'
    with pytest.raises(LayerError, match="layer 'p': runs code of its own, which this server does not allow"):
        Session(Inside(str(folder))).create_net(text=text)


def test_without_a_folder_nothing_is_opened(folder: Path) -> None:
    session = Session(Inside(None))
    net = session.create_net(text=NET)
    for call in (
        lambda: session.create_net("net.prototxt"),
        lambda: session.create_solver(str(folder / "solver.prototxt")),
        lambda: session.copy_from(net, "weights.caffemodel"),
        lambda: session.save_net(net, "weights.caffemodel"),
        lambda: session.restore(session.create_solver(text=SOLVER), "x.solverstate"),
        lambda: session.snapshot(session.create_solver(text=SOLVER)),
    ):
        with pytest.raises(FileError, match="this server opens no files for its clients; send text and bytes"):
            call()


def test_without_a_folder_solving_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    session = Session(Inside(None))
    solver = session.create_solver(text=SOLVER + "snapshot: 5")
    session.set_blob(session.solver_nets(solver).net, "data", "data", np.ones((8, 10)))
    assert list(session.solve(solver))[-1] == Finished(20, stopped=False)
    assert list(tmp_path.iterdir()) == []


def test_in_a_folder_everything_is_found_and_written_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    session = Session(Inside(str(folder)))
    net = session.create_net("net.prototxt")
    session.save_net(net, "net.caffemodel")
    session.create_net("net.prototxt", weights="net.caffemodel")
    (folder / "by_file.prototxt").write_text(
        'net: "net.prototxt" weights: "net.caffemodel" max_iter: 0 base_lr: 1 lr_policy: "fixed"'
    )
    solver = session.create_solver("by_file.prototxt")
    np.testing.assert_array_equal(
        session.get_blob(session.solver_nets(solver).net, ("conv", 0)), session.get_blob(net, ("conv", 0))
    )
    assert session.snapshot(solver) == str(folder / "by_file_iter_0.solverstate")
    by_text = session.create_solver(text=SOLVER)
    assert session.snapshot(by_text) == str(folder / "snapshot_iter_0.solverstate")
    session.restore(by_text, "snapshot_iter_0.solverstate")
    with pytest.raises(MissingFileError, match="Could not open file"):
        session.create_net("missing.prototxt")


def test_the_order_of_test_nets_stays(folder: Path) -> None:
    (folder / "small.prototxt").write_text(NET)
    text = """
      net: "small.prototxt" test_net: "small.prototxt" test_net_param { name: "first" }
      test_iter: 1 test_iter: 1 test_iter: 1 test_interval: 1 base_lr: 1 lr_policy: "fixed"
    """
    session = Session(Inside(str(folder)))
    nets = session.solver_nets(session.create_solver(text=text))
    assert [session.describe_net(net).name for net in nets.test_nets] == ["first", "small", "small"]


def test_a_solver_keeps_what_it_says_of_snapshots(folder: Path) -> None:
    param = prototxt.parse('snapshot: 3 snapshot_prefix: "deep"', SolverParameter)
    Inside(str(folder)).check(param)
    assert (param.snapshot, param.snapshot_prefix) == (3, str(folder / "deep"))


TRICKS = [
    "../outside",
    "a/../../outside",
    "/etc/passwd",
    "link",
    "link/passwd",
    "loop",
    "a\0b",
    "\0",
    "./..//../etc/passwd",
    "..",
    "/",
    "//etc/passwd",
    "/proc/self/root/etc/passwd",
]


@pytest.mark.parametrize("path", TRICKS)
def test_tricks_do_not_lead_outside(folder: Path, path: str) -> None:
    """By dots, absolute paths, links, circles of links, null bytes, names too long for the system."""
    (folder / "link").symlink_to("/etc")
    (folder / "loop").symlink_to("loop")
    for resolve in (Inside(str(folder)).resolve, Inside(None).resolve):
        with pytest.raises(FileError, match="Could not open file") as caught:
            resolve(path)
        assert "secret" not in str(caught.value)


LOOKS = ["․․/outside", "..\u2215..\u2215etc", "．．／etc", "%2e%2e/etc", "..\\..\\etc", "~/x", "\u202e/x"]


@pytest.mark.parametrize("name", LOOKS)
def test_letters_that_only_look_like_tricks_are_names(folder: Path, name: str) -> None:
    assert Path(Inside(str(folder)).resolve(name)).is_relative_to(folder)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('type: "ImageData" image_data_param { source: "evil.caffemodel" }', "it is no list of files"),
        ('type: "HDF5Data" hdf5_data_param { source: "evil.H5" }', "it is no list of files"),
        ('type: "WindowData" window_data_param { source: "evil.solverstate" }', "it is no list of files"),
        ('type: "HDF5Output" hdf5_output_param { file_name: "list.txt" }', "its name does not say what it is"),
    ],
)
def test_what_clients_write_is_no_list_of_paths(folder: Path, text: str, words: str) -> None:
    net = prototxt.parse(f'layer {{ name: "x" {text} }}', NetParameter)
    with pytest.raises(FileError, match=words):
        Inside(str(folder)).check(net)
    session = Session(Inside(str(folder)))
    with pytest.raises(FileError, match="its name does not say what it is"):
        session.save_net(session.create_net(text=NET), "list.txt")


def test_modules_that_are_allowed(folder: Path) -> None:
    net = prototxt.parse('layer { name: "p" python_param { module: "mine" layer: "L" } }', NetParameter)
    Inside(str(folder), ["mine"]).check(net)
    with pytest.raises(LayerError, match="runs code of its own"):
        Inside(str(folder), ["mine.other", "min"]).check(net)


def test_a_solverstate_leads_nowhere_outside(folder: Path, tmp_path: Path) -> None:
    """Weights outside the folder that a solverstate names are not opened."""
    outside = Session()
    solver = outside.create_solver(text=SOLVER + f'snapshot_prefix: "{tmp_path}/out"')
    state = Path(outside.snapshot(solver))
    (folder / state.name).write_bytes(state.read_bytes())
    inside = Session(Inside(str(folder)))
    with pytest.raises(FileError, match="it is outside the models folder"):
        inside.restore(inside.create_solver(text=SOLVER), state.name)
