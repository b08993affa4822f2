"""The C# client, compiled and run without a .NET SDK.

    python tests/clients/csharp/dotnet.py                             compiles what is older than its sources
    python tests/clients/csharp/dotnet.py Example ARGUMENTS...        runs a program: Example or Conformance

.NET's runtime (9) and its compiler (Roslyn 4.8, C# 12) are taken out of npm packages that bring them along;
Google.Protobuf is compiled of Debian's source; stubs are those of protoc and grpc_csharp_plugin. `make clients` puts
all of it into .venv/csharp. Only Grpc.Core.Api and Grpc.Net.Client are nowhere to be had: two files here stand in.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[3]
CLIENT = ROOT / "bindings" / "grpc" / "csharp"
PROTO = ROOT / "proto" / "caffe_sdk" / "v1" / "caffe_sdk.proto"
PLACE = ROOT / ".venv" / "csharp"
"""What `make clients` got (runtime, roslyn, protobuf, grpc_csharp_plugin), and what is made of it."""
DOTNET = PLACE / "dotnet"
BUILT = PLACE / "built"
USINGS = ("", ".Collections.Generic", ".IO", ".Linq", ".Net.Http", ".Threading", ".Threading.Tasks")
"""What <ImplicitUsings> stands for, behind "System"."""
SCOPED = ("buffer, ref ParserInternalState", "buffer, scoped ref ParserInternalState")
"""What C# wants since version 11 in one place of Google.Protobuf 3.21."""


@dataclasses.dataclass(frozen=True)
class Assembly:
    """A file of .NET, and what it is made of."""

    name: str
    sources: list[Path]
    """C#, and the .proto of the stubs, if any."""
    references: tuple[str, ...] = ()
    ours: bool = True
    """Whether it has the settings of the client's project, and warnings are mistakes."""
    main: str = ""
    """The class of a program's Main."""

    @property
    def target(self) -> Path:
        """Where it is."""
        return BUILT / f"{self.name}.dll"

    def is_new(self) -> bool:
        """Whether nothing changed since it was made."""
        others = [BUILT / f"{name}.dll" for name in self.references]
        newest = max(path.stat().st_mtime for path in (*self.sources, *others, Path(__file__)))
        return self.target.exists() and self.target.stat().st_mtime >= newest

    def texts(self) -> dict[str, str]:
        """All of its C#, by the files' names."""
        texts = {str(path): path.read_text("utf-8-sig") for path in self.sources if path.suffix == ".cs"}
        if PROTO in self.sources:
            texts |= _stubs()
        if self.ours:
            return texts | {"usings": "".join(f"global using System{name};" for name in USINGS)}
        return {name: text.replace(*SCOPED) for name, text in texts.items()}


def build() -> None:
    """Compile what is older than its sources: Google.Protobuf, the stand-ins, the client with its programs."""
    project = ElementTree.parse(CLIENT / "CaffeSdk.Client.csproj").getroot()
    protobuf = (PLACE / "protobuf" / "csharp" / "src" / "Google.Protobuf").rglob("*.cs")
    assemblies = (
        Assembly("Google.Protobuf", sorted(protobuf), ours=False),
        Assembly("Grpc", sorted(Path(__file__).parent.glob("*.cs"))),
        Assembly(
            "CaffeSdk.Client",
            [*sorted(CLIENT.glob("*.cs")), PROTO],
            ("Google.Protobuf", "Grpc"),
            main=project.findtext("PropertyGroup/StartupObject") or "",
        ),
    )
    BUILT.mkdir(exist_ok=True)
    for assembly in assemblies:
        if not assembly.is_new():
            _compile(assembly)


def run(program: str, arguments: list[str]) -> int:
    """What a program's Main gives: 0 where all is well."""
    _start()
    from System import Array, String
    from System.Reflection import Assembly as Loaded

    client = Loaded.LoadFrom(str(BUILT / "CaffeSdk.Client.dll"))
    ended = client.GetType(f"CaffeSdk.{program}").GetMethod("Main").Invoke(None, [Array[String](arguments)])
    ended.Wait()
    result = getattr(ended, "Result", None)
    return result if isinstance(result, int) else 0


def _stubs() -> dict[str, str]:
    """Messages and clients as protoc and its plugin make them."""
    plugin = f"--plugin=protoc-gen-grpc={PLACE / 'grpc_csharp_plugin'}"
    options = ["-I", str(ROOT / "proto"), f"--csharp_out={BUILT}", f"--grpc_out=no_server:{BUILT}", plugin]
    subprocess.run(["protoc", *options, str(PROTO)], check=True)
    return {path.name: path.read_text() for path in BUILT.glob("*.cs")}


def _compile(assembly: Assembly) -> None:
    _start()
    from Microsoft.CodeAnalysis import MetadataReference, NullableContextOptions, OutputKind, ReportDiagnostic
    from Microsoft.CodeAnalysis import SyntaxTree as Tree
    from Microsoft.CodeAnalysis.CSharp import CSharpCompilation, CSharpCompilationOptions, CSharpParseOptions
    from Microsoft.CodeAnalysis.CSharp import CSharpSyntaxTree as Parser
    from System import Array
    from System.IO import File

    kind = OutputKind.ConsoleApplication if assembly.main else OutputKind.DynamicallyLinkedLibrary
    options = CSharpCompilationOptions(kind).WithMainTypeName(assembly.main or None)
    if assembly.ours:
        options = options.WithNullableContextOptions(NullableContextOptions.Enable)
        options = options.WithGeneralDiagnosticOption(ReportDiagnostic.Error)
    else:
        options = options.WithAllowUnsafe(True)
    symbols = [] if assembly.ours else ["NET5_0", "GOOGLE_PROTOBUF_SUPPORT_FAST_STRING"]
    parsing = CSharpParseOptions.Default.WithPreprocessorSymbols(Array[str](symbols))
    trees = [Parser.ParseText(text, parsing, name) for name, text in assembly.texts().items()]
    others = [*DOTNET.glob("shared/*/*/System.*.dll"), *(BUILT / f"{name}.dll" for name in assembly.references)]
    references = [MetadataReference.CreateFromFile(str(path)) for path in others]
    compilation = CSharpCompilation.Create(
        assembly.name, Array[Tree](trees), Array[MetadataReference](references), options
    )
    unfinished = assembly.target.with_suffix(".new")
    stream = File.Create(str(unfinished))
    result = compilation.Emit(stream)
    stream.Dispose()
    if not result.Success:
        sys.exit("\n".join(str(each.ToString()) for each in result.Diagnostics if str(each.Severity) == "Error"))
    unfinished.replace(assembly.target)


def _start() -> None:
    """Have .NET in this process, and the compiler at hand."""
    if "clr" in sys.modules:
        return
    import clr_loader
    import pythonnet

    configuration = DOTNET / "runtimeconfig.json"
    if not configuration.exists():
        _lay_out(configuration)
    pythonnet.set_runtime(clr_loader.get_coreclr(runtime_config=str(configuration), dotnet_root=str(DOTNET)))
    import clr

    for name in ("Microsoft.CodeAnalysis", "Microsoft.CodeAnalysis.CSharp"):
        clr.AddReference(str(PLACE / "roslyn" / "dist" / "generator" / f"{name}.dll"))


def _lay_out(configuration: Path) -> None:
    """Make a program's own copy of .NET, files in one folder, an installation as hosts expect it."""
    own = PLACE / "runtime" / "dist"
    described = json.loads((own / "azmcp.deps.json").read_text())
    target = described["runtimeTarget"]["name"]
    packs = described["targets"][target]
    name = next(name for name in packs if name.startswith("runtimepack.Microsoft.NETCore.App."))
    version = name.partition("/")[2]
    shared = DOTNET / "shared" / "Microsoft.NETCore.App" / version
    host = DOTNET / "host" / "fxr" / version
    for folder in (shared, host):
        folder.mkdir(parents=True, exist_ok=True)
    for file in (*packs[name]["runtime"], *packs[name]["native"]):
        shutil.copy(own / file, (host if file == "libhostfxr.so" else shared) / file)
    library = {"type": "package", "serviceable": True, "sha512": ""}
    made = {"runtimeTarget": {"name": target}, "targets": {target: {name: packs[name]}}, "libraries": {name: library}}
    (shared / "Microsoft.NETCore.App.deps.json").write_text(json.dumps(made))
    framework = {"name": "Microsoft.NETCore.App", "version": version}
    configuration.write_text(json.dumps({"runtimeOptions": {"framework": framework}}))
    shutil.rmtree(PLACE / "runtime")


if __name__ == "__main__":
    build()
    status = run(sys.argv[1], sys.argv[2:]) if sys.argv[1:] else 0
    sys.stdout.flush()
    os._exit(status)  # .NET's threads are not waited for
