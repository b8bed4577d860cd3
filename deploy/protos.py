"""Turns `protos/callplane/**/*.proto` into `protos/gen`: Python, gRPC and type stubs, one descriptor set.

`python -m deploy.protos` generates; `python -m deploy.protos baseline` freezes the descriptor set that
breaking changes are judged against. Files are replaced one by one and only when their content changed, so
that a process which is importing them at this moment never sees half a tree.
"""

from __future__ import annotations

import importlib.resources
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from pathlib import Path

from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "protos"
GENERATED = SOURCES / "gen"
DESCRIPTOR_SET_NAME = "callplane.binpb"
BASELINE = SOURCES / "baseline.binpb"
# The types that errors carry; whoever turns them into JSON looks them up in the set.
ERROR_DETAILS = ("google/rpc/error_details.proto", "google/rpc/status.proto")
VALIDATE_PROTO = "buf/validate/validate.proto"
WELL_KNOWN = (
    descriptor_pb2,
    duration_pb2,
    field_mask_pb2,
    timestamp_pb2,
    any_pb2,
    empty_pb2,
    struct_pb2,
    wrappers_pb2,
)


class GenerationFailed(Exception):
    """The proto compiler refused the sources; it has printed why."""


def proto_files(sources: Path = SOURCES) -> list[str]:
    return sorted(str(path.relative_to(sources)) for path in (sources / "callplane").rglob("*.proto"))


def validation_rules_set() -> descriptor_pb2.FileDescriptorSet:
    """`buf/validate/validate.proto` with what it imports: the protovalidate wheel has only its descriptor."""
    from protovalidate._gen.buf.validate import validate_pb

    files = descriptor_pb2.FileDescriptorSet()
    for module in WELL_KNOWN:
        module.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.add().MergeFromString(validate_pb.desc().proto.to_binary())
    return files


def generate(sources: Path = SOURCES, output: Path = GENERATED) -> int:
    """Generates everything into `output`; returns how many files changed. No sources make an empty set."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=sources, prefix=".gen-") as folder:
        fresh = Path(folder)
        rules = fresh / "rules.binpb"
        rules.write_bytes(validation_rules_set().SerializeToString())
        tree = fresh / "tree"
        tree.mkdir()
        _compile(proto_files(sources), sources=sources, rules=rules, tree=tree)
        _add_package_markers(tree)
        return _install(tree, output)


def _compile(files: list[str], *, sources: Path, rules: Path, tree: Path) -> None:
    descriptor_set = tree / DESCRIPTOR_SET_NAME
    if not files:
        descriptor_set.write_bytes(b"")
        return
    folders = (sources, sysconfig.get_path("purelib"), _well_known_folder())
    inputs = [f"--descriptor_set_in={rules}", *(f"-I{folder}" for folder in folders)]
    python = [f"--python_out={tree}", f"--mypy_out=quiet:{tree}"]
    rpc = [f"--grpc_python_out={tree}", f"--mypy_grpc_out=quiet,only_async:{tree}"]
    everything = [f"--descriptor_set_out={descriptor_set}", "--include_imports", "--include_source_info"]
    _protoc([*inputs, *python, *_plugins(), VALIDATE_PROTO])
    _protoc([*inputs, *python, *rpc, *_plugins(), *files])
    _protoc([*inputs, *everything, *files, *ERROR_DETAILS])


def _protoc(arguments: list[str]) -> None:
    from grpc_tools import protoc

    if protoc.main(["protoc", *arguments]) != 0:
        raise GenerationFailed


def _well_known_folder() -> Path:
    return Path(str(importlib.resources.files("grpc_tools"))) / "_proto"


def _plugins() -> list[str]:
    """The type stub plugins by absolute path: the virtual environment need not be active."""
    scripts = Path(sysconfig.get_path("scripts"))
    return [f"--plugin={name}={scripts / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")]


def _add_package_markers(tree: Path) -> None:
    """Regular packages, so that mypy and the import linter see one root instead of namespace portions."""
    for folder in [path for path in tree.rglob("*") if path.is_dir()]:
        (folder / "__init__.py").touch()


def _install(tree: Path, output: Path) -> int:
    fresh = {path.relative_to(tree) for path in tree.rglob("*") if path.is_file()}
    changed = 0
    for relative in sorted(fresh):
        changed += _replace_if_different(tree / relative, output / relative)
    return changed + _remove_stale(output, keep=fresh)


def _replace_if_different(source: Path, target: Path) -> int:
    if target.is_file() and target.read_bytes() == source.read_bytes():
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    return 1


def _remove_stale(output: Path, *, keep: Iterable[Path]) -> int:
    kept = {*keep, Path(".generated")}
    files = [path for path in output.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    stale = [path for path in files if path.relative_to(output) not in kept]
    for path in stale:
        path.unlink()
    return len(stale)


def freeze_baseline(
    descriptor_set: Path = GENERATED / DESCRIPTOR_SET_NAME, baseline: Path = BASELINE
) -> None:
    """Copies the descriptor set without comments and positions: only the contract is compared."""
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set.read_bytes())
    for file in files.file:
        file.ClearField("source_code_info")
    baseline.write_bytes(files.SerializeToString(deterministic=True))


def main(arguments: list[str]) -> int:
    if shutil.which("protoc-gen-mypy", path=sysconfig.get_path("scripts")) is None:
        print("protos: the tools are not installed; run `make setup`", file=sys.stderr)
        return 1
    try:
        changed = generate()
    except GenerationFailed:
        print("protos: the sources do not compile (see above)", file=sys.stderr)
        return 1
    if arguments == ["baseline"]:
        freeze_baseline()
    print(f"protos: {len(proto_files())} files, {changed} outputs changed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
