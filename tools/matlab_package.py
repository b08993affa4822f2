#!/usr/bin/env python3
"""Pack the MATLAB client: a folder that MATLAB makes a toolbox of, and an archive that Octave's `pkg install` takes.

tools/matlab_package.py matlab FOLDER   FOLDER/caffe-VERSION; in MATLAB, cd there and run package_toolbox for the .mltbx
tools/matlab_package.py octave FOLDER   FOLDER/caffe-VERSION.tar.gz
tools/matlab_package.py contents        write bindings/matlab/+caffe/Contents.m from the functions' first help lines
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from caffe_sdk import __version__  # noqa: E402 - the package need not be installed

CLIENT = ROOT / "bindings" / "matlab"
NAME = f"caffe-{__version__}"
SUMMARY = "Caffe in MATLAB and Octave, with nothing to compile"
ABOUT = "The +caffe of MatCaffe, and more. It talks to Python: pip install caffe-sdk."
TOOLBOX_ID = "3f0d6f8e-6f5c-4a53-9a54-2f1d1c0c7b1e"  # by which MATLAB knows versions of one toolbox
GROUPS = {
    "Nets": ["Net", "Blob", "Layer", "get_net"],
    "Training": ["Solver", "get_solver"],
    "Images": ["io"],
    "Where to compute": ["set_mode_cpu", "set_mode_gpu", "set_device", "connect"],
    "The process behind it": ["reset_all", "version", "run_tests"],
}
REST = "Beyond MatCaffe"


def files() -> list[Path]:
    """The client's files as Git knows them: nothing that lies about."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=CLIENT, check=True, capture_output=True).stdout
    return [Path(name) for name in listed.decode().split("\0") if name and (CLIENT / name).exists()]


def contents() -> str:
    """Contents.m: the public functions in groups, each with its first help line."""
    lines = {
        path.stem: _first_line(path) for path in sorted((CLIENT / "+caffe").glob("*.m")) if path.stem != "Contents"
    }
    grouped = {name for names in GROUPS.values() for name in names}
    groups = GROUPS | {REST: [name for name in lines if name not in grouped]}
    text = f"%CONTENTS  {SUMMARY}.\n%\n"
    for group, names in groups.items():
        text += (
            f"% {group}\n"
            + "".join(f"%   caffe.{name:<16} - {lines[name]}\n" for name in names if name in lines)
            + "%\n"
        )
    return text + "% See also caffe.Net, caffe.Solver.\n"


def _first_line(path: Path) -> str:
    head = "\n".join(path.read_text(encoding="utf-8").splitlines()[:2])
    found = re.search(r"%\S+  (.*)", head)
    assert found is not None, f"{path}: the first help line is missing"
    return found[1].rstrip(".:")


def pack_matlab(folder: Path) -> Path:
    """The toolbox's folder, with what MATLAB's package manager (R2024b) and its toolbox packager ask for."""
    toolbox = folder / NAME
    for path in files():
        if path.parts[0] != "octave":  # functions that MATLAB has
            _copy(CLIENT / path, toolbox / path)
    _write(toolbox / "+caffe" / "Contents.m", contents())
    _copy(ROOT / "LICENSE", toolbox / "LICENSE")
    _write(toolbox / "resources" / "mpackage.json", json.dumps(_mpackage(), indent=2) + "\n")
    _write(toolbox / "package_toolbox.m", PACKAGE_TOOLBOX)
    return toolbox


def _mpackage() -> dict[str, object]:
    return {
        "schemaVersion": "1.1.0",
        "name": "caffe",
        "displayName": "Caffe",
        "version": __version__,
        "id": TOOLBOX_ID,
        "summary": SUMMARY,
        "description": ABOUT,
        "provider": {"name": "The caffe-sdk authors"},
        "folders": [{"path": "."}, {"path": "demo"}, {"path": "hdf5creation"}],
        "dependencies": [],
        "releaseCompatibility": ">=R2019b",
    }


PACKAGE_TOOLBOX = f"""function package_toolbox()
%PACKAGE_TOOLBOX  Make caffe.mltbx of this folder (R2023a or later).
here = fileparts(mfilename('fullpath'));
options = matlab.addons.toolbox.ToolboxOptions(here, '{TOOLBOX_ID}');
options.ToolboxName = 'Caffe';
options.ToolboxVersion = '{__version__}';
options.Summary = '{SUMMARY}';
options.Description = '{ABOUT}';
options.AuthorName = 'The caffe-sdk authors';
options.MinimumMatlabRelease = 'R2019b';
options.ToolboxMatlabPath = {{here, fullfile(here, 'demo'), fullfile(here, 'hdf5creation')}};
options.OutputFile = fullfile(fileparts(here), 'caffe.mltbx');
matlab.addons.toolbox.packageToolbox(options);
end
"""


def pack_octave(folder: Path) -> Path:
    """The archive for `pkg install`."""
    with tempfile.TemporaryDirectory() as temporary:
        package = Path(temporary) / NAME
        for path in files():
            _copy(CLIENT / path, package / "inst" / path)
        _write(package / "inst" / "+caffe" / "Contents.m", contents())
        _copy(ROOT / "LICENSE", package / "COPYING")
        _write(package / "NEWS", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
        _write(package / "DESCRIPTION", _description())
        _write(package / "INDEX", _index())
        _write(package / "PKG_ADD", "addpath([fileparts(mfilename('fullpath')) '/octave'], '-end');\n")
        _write(
            package / "PKG_DEL",
            "caffe.internal.connection('close');\nrmpath([fileparts(mfilename('fullpath')) '/octave']);\n",
        )
        folder.mkdir(parents=True, exist_ok=True)
        archive = folder / f"{NAME}.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(package, NAME)
    return archive


def _description() -> str:
    fields = {
        "Name": "caffe",
        "Version": __version__,
        "Date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "Author": "The caffe-sdk authors",
        "Maintainer": "The caffe-sdk authors",
        "Title": SUMMARY,
        "Description": ABOUT,
        "Categories": "Caffe",
        "Depends": "octave (>= 7.0.0)",
        "License": "BSD-2-Clause",
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def _index() -> str:
    """INDEX: which functions there are, in the groups of Contents.m."""
    lines = ["caffe >> Caffe"]
    for line in contents().splitlines()[2:]:
        name = re.match(r"%   (\S+)", line)
        group = re.match(r"% (?!See)(\S.*)", line)
        lines += [f" {name[1]}"] if name else [group[1]] if group else []
    return "\n".join(lines) + "\n"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _write(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


def main() -> None:
    """Do what the command line says and name what was written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["matlab", "octave", "contents"])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "dist", help="where to (dist)")
    options = parser.parse_args()
    if options.what == "contents":
        written = CLIENT / "+caffe" / "Contents.m"
        written.write_text(contents(), encoding="utf-8")
    else:
        written = (pack_matlab if options.what == "matlab" else pack_octave)(options.folder)
    print(written)


if __name__ == "__main__":
    main()
