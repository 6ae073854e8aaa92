"""Turns the contracts into the Python code beside them, and checks that the two still agree.

`python proto/generate.py` writes `charter/v1/*_pb2.py` and `*_pb2_grpc.py` with their `.pyi`; with `--check` it writes
nothing, names every file that would change and lints the contracts. Both work offline: protovalidate's wheel carries
the descriptors of `buf/validate/validate.proto`, though not its text.

Generated code imports `buf.validate.validate_pb2`, which no pinned package ships and which other packages install under
that very name. It is generated here as `charter.v1.buf_validate_pb2`, so that nothing of ours lies outside `charter`.
"""

import argparse
import importlib.resources
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto
from protovalidate._gen.buf.validate import validate_pb

ROOT = Path(__file__).parent
PACKAGE = Path("charter/v1")
RULES = "buf/validate/validate.proto"
PATTERNS = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi")
# Where protoc's plug-ins would have the rules imported from, and where they are.
RENAMED = {
    "from buf.validate import validate_pb2 as": "from charter.v1 import buf_validate_pb2 as",
    "'buf.validate.validate_pb2'": "'charter.v1.buf_validate_pb2'",
}


class ToolFailed(Exception):
    """protoc or buf refused the contracts; the message is what it said."""


def main(arguments: Sequence[str]) -> int:
    """Exits 0 when the code is written or, with `--check`, when there is nothing to write and nothing to mend."""
    parser = argparse.ArgumentParser(description="Generate the Python code of the gRPC contracts.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where code or contracts need work")
    check = parser.parse_args(arguments).check
    try:
        with tempfile.TemporaryDirectory() as work:
            wanted = generate(Path(work))
            complaints = lint(Path(work)) if check else ""
    except ToolFailed as error:
        print(error, file=sys.stderr)
        return 1
    differing = differences(wanted, committed())
    if not check:
        for name in differing:
            write(ROOT / PACKAGE / name, wanted.get(name))
        return 0
    for name in differing:
        print(
            f"proto/{PACKAGE}/{name} is not what the contracts generate: run `python proto/generate.py`",
            file=sys.stderr,
        )
    if complaints:
        print(complaints, file=sys.stderr)
    return 1 if differing or complaints else 0


def generate(work: Path) -> dict[str, str]:
    """Returns the code that the contracts generate, by file name; `work` is an empty folder to do it in."""
    code = work / "code"
    code.mkdir()
    messages = [f"--python_out={code}", f"--pyi_out={code}"]
    compile_contracts(work, [*messages, f"--grpc_python_out={code}", *contracts()])
    compile_contracts(work, [*messages, RULES])
    stubs = service_stubs(image(work))
    files = {path.name: path.read_text("utf-8") for path in (code / PACKAGE).iterdir() if "_pb2_grpc" not in path.name}
    files |= {name.removesuffix("i"): (code / PACKAGE / name.removesuffix("i")).read_text("utf-8") for name in stubs}
    for suffix in (".py", ".pyi"):
        files[f"buf_validate_pb2{suffix}"] = (code / RULES.replace(".proto", f"_pb2{suffix}")).read_text("utf-8")
    return stubs | {name: with_rules_renamed(text) for name, text in files.items()}


def lint(work: Path) -> str:
    """Returns what `buf lint` has to say about the contracts; empty where that is nothing."""
    (work / "image.binpb").write_bytes(image(work).SerializeToString())
    buf = Path(sys.executable).with_name("buf")
    command = [str(part) for part in (buf, "lint", work / "image.binpb", "--config", ROOT / "buf.yaml")]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return (answer.stdout + answer.stderr).strip() if answer.returncode else ""


def differences(wanted: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Returns the names of the files that are missing, stale or of no contract, in order."""
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def committed() -> dict[str, str]:
    """Returns the generated code that lies beside the contracts, by file name."""
    return {path.name: path.read_text("utf-8") for pattern in PATTERNS for path in (ROOT / PACKAGE).glob(pattern)}


def write(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
    else:
        path.write_text(text, "utf-8")


def contracts() -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / PACKAGE).glob("*.proto"))


def compile_contracts(work: Path, arguments: Sequence[str]) -> None:
    """Runs protoc in a process of its own, whose complaints can be caught."""
    rules = work / "rules.binpb"
    rules.write_bytes(rule_descriptors().SerializeToString())
    google = importlib.resources.files("grpc_tools") / "_proto"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--descriptor_set_in={rules}", f"-I{ROOT}", f"-I{google}"]
    answer = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    if answer.returncode:
        raise ToolFailed(f"protoc refused the contracts:\n{answer.stderr.strip()}")


def rule_descriptors() -> FileDescriptorSet:
    return FileDescriptorSet(file=[FileDescriptorProto.FromString(validate_pb._DESC.proto.to_binary())])


def image(work: Path) -> FileDescriptorSet:
    """Returns the contracts and all that they import, with comments."""
    path = work / "contracts.binpb"
    flags = [f"--descriptor_set_out={path}", "--include_imports", "--include_source_info"]
    compile_contracts(work, [*flags, *contracts()])
    return FileDescriptorSet.FromString(path.read_bytes())


def service_stubs(contracts: FileDescriptorSet) -> dict[str, str]:
    """Returns the types of the `_grpc` modules, by file name; protoc has no plug-in for them.

    They are typed for grpc.aio, which is all that Charter uses. A contract without a service has no such module.
    """
    modules = {
        f".{file.package}.{message.name}": f"{Path(file.name).stem}_pb2"
        for file in contracts.file
        for message in file.message_type
    }
    return {
        f"{Path(file.name).stem}_pb2_grpc.pyi": "\n".join(stub_module(file, modules))
        for file in contracts.file
        if file.service
    }


def stub_module(file: FileDescriptorProto, modules: Mapping[str, str]) -> Iterator[str]:
    calls = [call for service in file.service for call in service.method]
    types = {name for call in calls for name in (call.input_type, call.output_type)}
    if any(call.client_streaming or call.server_streaming for call in calls):
        yield "from collections.abc import AsyncIterator\n"
    yield "import grpc.aio\n"
    for module in sorted({modules[name] for name in types}):
        yield f"from charter.v1 import {module}"
    for service in file.service:
        yield f"\nclass {service.name}Stub:"
        yield "    def __init__(self, channel: grpc.aio.Channel) -> None: ..."
        for call in service.method:
            asked, answered = stub_types(call, modules)
            yield f"    {call.name}: grpc.aio.{arity(call)}MultiCallable["
            yield f"        {asked},\n        {answered},\n    ]"
        yield f"\nclass {service.name}Servicer:"
        for call in service.method:
            yield from stub_method(call, *stub_types(call, modules))
        yield f"\ndef add_{service.name}Servicer_to_server("
        yield f"    servicer: {service.name}Servicer,\n    server: grpc.aio.Server,\n) -> None: ..."
    yield ""


def stub_method(call: MethodDescriptorProto, asked: str, answered: str) -> Iterator[str]:
    """The servicer's side: a stream comes as an iterator, and is answered by an asynchronous generator."""
    coroutine = "" if call.server_streaming else "async "
    yield f"    {coroutine}def {call.name}("
    yield "        self,"
    yield (
        f"        request_iterator: AsyncIterator[{asked}]," if call.client_streaming else f"        request: {asked},"
    )
    yield "        context: grpc.aio.ServicerContext["
    yield f"            {asked},\n            {answered},\n        ],"
    yield f"    ) -> AsyncIterator[{answered}]: ..." if call.server_streaming else f"    ) -> {answered}: ..."


def arity(call: MethodDescriptorProto) -> str:
    """How gRPC names a kind of call: `UnaryUnary`, `StreamStream`."""
    return "".join("Stream" if streams else "Unary" for streams in (call.client_streaming, call.server_streaming))


def stub_types(method: MethodDescriptorProto, modules: Mapping[str, str]) -> tuple[str, str]:
    asked, answered = (f"{modules[name]}.{name.rpartition('.')[2]}" for name in (method.input_type, method.output_type))
    return asked, answered


def with_rules_renamed(text: str) -> str:
    for theirs, ours in RENAMED.items():
        text = text.replace(theirs, ours)
    if "buf.validate import" in text or "import buf." in text:
        raise ToolFailed("generated code imports buf.validate in a way that `RENAMED` does not know")
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
