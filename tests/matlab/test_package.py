"""What is packed: Octave installs, loads and forgets it; MATLAB's folder has what MATLAB asks for; lint of the code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import caffe_sdk
from tests.matlab import octave
from tools import matlab_package

CLIENT = octave.ROOT / "bindings" / "matlab"
ALONE = f"rmpath('{CLIENT}'); "  # so that only the installed package can be found


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return matlab_package.pack_octave(tmp_path_factory.mktemp("archive"))


def test_octave_installs_loads_and_unloads(archive: Path, tmp_path: Path) -> None:
    script = f"""{ALONE}
      pkg('prefix', '{tmp_path}/prefix', '{tmp_path}/arch'); pkg('local_list', '{tmp_path}/list');
      pkg('global_list', '{tmp_path}/of_all');  % root installs for everybody, other tests too
      pkg('install', '{archive}'); pkg('load', 'caffe');
      printf('@version %s\\n', caffe.version());
      printf('@h5create %s\\n', which('h5create'));
      printf('@help %s\\n', strtrim(evalc('help caffe.Net')));
      caffe.set_mode_cpu(); net = caffe.Net(test_net_file(), 'test'); net.forward_prefilled(); clear net
      pkg('describe', '-verbose', 'caffe');
      pkg('unload', 'caffe');
      printf('@after %d %d\\n', exist('h5create'), isempty(strfind(path(), 'caffe-')));
      pkg('uninstall', 'caffe');
      printf('@left %d\\n', exist('{tmp_path}/prefix/caffe-{caffe_sdk.__version__}', 'dir'));
    """
    said = octave.run(script, tmp_path)
    assert f"@version {caffe_sdk.__version__}\n" in said
    assert f"@h5create {tmp_path}/prefix/caffe-{caffe_sdk.__version__}/octave/h5create.m" in said
    assert re.search(r"@help .*\n+ *CAFFE\.NET  A network", said)
    assert "Status:\n\tLoaded" in said
    assert "Training\n\tcaffe.Solver\n" in said
    assert "@after 0 1\n" in said
    assert "@left 0\n" in said
    assert "error" not in said.partition("@version")[2]
    assert octave.bridge_is_gone(tmp_path)


def test_matlab_folder(tmp_path: Path) -> None:
    folder = matlab_package.pack_matlab(tmp_path)
    package = json.loads((folder / "resources" / "mpackage.json").read_text())
    assert package["version"] == caffe_sdk.__version__
    assert all((folder / each["path"]).is_dir() for each in package["folders"])
    assert (folder / "+caffe" / "Net.m").read_bytes() == (CLIENT / "+caffe" / "Net.m").read_bytes()
    assert not (folder / "octave").exists()  # would hide what MATLAB itself has
    packager = (folder / "package_toolbox.m").read_text()
    assert f"'{caffe_sdk.__version__}'" in packager
    assert package["id"] in packager


def test_contents_are_as_the_functions_say(archive: Path) -> None:
    """What is packed lists every function; the file in the checkout may be behind, but nothing in it is wrong."""
    listed = (CLIENT / "+caffe" / "Contents.m").read_text(encoding="utf-8").splitlines()
    current = matlab_package.contents().splitlines()
    assert [line for line in listed if line not in current] == [], "run tools/matlab_package.py contents"
    with tarfile.open(archive) as tar:
        packed = tar.extractfile(f"{matlab_package.NAME}/inst/+caffe/Contents.m")
        assert packed is not None
        assert packed.read().decode().splitlines() == current


def test_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["matlab_package.py", "octave", str(tmp_path)])
    matlab_package.main()
    assert Path(capsys.readouterr().out.strip()).stat().st_size > 10000


def test_signatures_are_those_of_the_functions() -> None:
    signatures = json.loads((CLIENT / "functionSignatures.json").read_text())
    assert signatures.pop("_schemaVersion") == "1.0.0"
    for name, signature in signatures.items():
        text = _source(name).read_text(encoding="utf-8")
        declared = re.search(rf"function (?:[^=\n]*= )?{name.rpartition('.')[2]}\(([^)]*)\)", text)
        assert declared is not None, name
        places = [each["name"] for each in signature["inputs"] if each["kind"] != "namevalue"]
        if declared[1] != "varargin":
            assert places == declared[1].removesuffix(", varargin").split(", "), name
        options = [each["name"] for each in signature["inputs"] if each["kind"] == "namevalue"]
        assert [option for option in options if f"'{option}'" not in text] == [], name


def _source(name: str) -> Path:
    """The file of a function, of a class or of a class's method."""
    parts = name.split(".")
    if parts[0] != "caffe":
        (found,) = CLIENT.rglob(f"{name}.m")
        return found
    return CLIENT / "+caffe" / f"{parts[1]}.m"


def test_lint_for_matlab_2019b() -> None:
    command = [str(Path(sys.executable).with_name("mh_lint")), "--matlab", "2019b", "--brief", "--single"]
    folders = [str(CLIENT), str(octave.ROOT / "tests" / "matlab"), str(octave.ROOT / "tests" / "bench")]
    result = subprocess.run([*command, *folders], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    *found, summary = result.stdout.splitlines()
    assert re.search(r"\d\d+ file\(s\) analysed", summary)
    assert [line for line in found if "[builtin_shadow]" not in line] == []  # variables such as 'more' hurt nobody


HELP = ["caffe.Net", "caffe.Solver", "caffe.Blob", "caffe.Layer", "caffe.io", "caffe.get_net", "caffe.run_tests"]


def test_help(tmp_path: Path) -> None:
    script = "".join(f"printf('@ {name}\\n%s\\n', evalc('help {name}')); " for name in HELP)
    parts = octave.run(script, tmp_path).split("@ ")[1:]
    for name, said in zip(HELP, parts, strict=True):
        assert re.search(rf"^ *(CAFFE\.)?{name.rpartition('.')[2].upper()}  \S", said, re.MULTILINE), said
