"""What the protos promise: lint, no breaking change, scopes and comments everywhere, rules that work."""

from __future__ import annotations

import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import protovalidate
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

from callplane.calls.v2 import calls_pb2
from callplane.options.v1 import options_pb2
from deploy.protos import BASELINE, DESCRIPTOR_SET_NAME, GENERATED, SOURCES, generate, proto_files

DESCRIPTOR_SET = GENERATED / DESCRIPTOR_SET_NAME
SERVICE, METHOD = 6, 2


def buf(*arguments: str, cache: Path) -> subprocess.CompletedProcess[str]:
    command = [f"{sysconfig.get_path('scripts')}/buf", *arguments, "--path", "callplane"]
    command += ["--config", str(SOURCES / "buf.yaml")]
    environ = {"BUF_CACHE_DIR": str(cache), "HOME": str(cache)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environ, timeout=60)


def our_files() -> Iterator[descriptor_pb2.FileDescriptorProto]:
    files = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTOR_SET.read_bytes())
    return (file for file in files.file if file.package.startswith("callplane."))


def our_methods() -> Iterator[tuple[str, descriptor_pb2.MethodDescriptorProto, str]]:
    """(full name, method, comment) of every RPC."""
    for file in our_files():
        comments = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
        for number, service in enumerate(file.service):
            for index, method in enumerate(service.method):
                comment = comments.get((SERVICE, number, METHOD, index), "")
                yield f"{file.package}.{service.name}.{method.name}", method, comment


def test_lint_finds_nothing(tmp_path: Path) -> None:
    done = buf("lint", str(DESCRIPTOR_SET), cache=tmp_path)

    assert (0, "") == (done.returncode, done.stdout + done.stderr)


def test_nothing_released_is_broken(tmp_path: Path) -> None:
    done = buf("breaking", str(DESCRIPTOR_SET), "--against", str(BASELINE), cache=tmp_path)

    assert (0, "") == (done.returncode, done.stdout + done.stderr)


def test_the_breaking_check_sees_a_removed_field(tmp_path: Path) -> None:
    files = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTOR_SET.read_bytes())
    messages = {f"{file.package}.{m.name}": m for file in files.file for m in file.message_type}
    del messages["callplane.calls.v2.Call"].field[0]
    broken = tmp_path / "broken.binpb"
    broken.write_bytes(files.SerializeToString())

    done = buf("breaking", str(broken), "--against", str(DESCRIPTOR_SET), cache=tmp_path)

    assert 0 != done.returncode
    assert '"1" with name "id" on message "Call" was deleted' in done.stdout


def test_every_rpc_declares_its_scope() -> None:
    """A method without one would be refused for everybody."""
    scope = options_pb2.required_scope
    without = [name for name, method, _ in our_methods() if not method.options.Extensions[scope]]

    assert [] == without


def test_no_internal_rpc_has_a_rest_path() -> None:
    exposed = [
        name
        for name, method, _ in our_methods()
        if method.options.Extensions[options_pb2.required_scope] == "internal"
        and method.options.HasExtension(annotations_pb2.http)
    ]

    assert [] == exposed


def test_every_request_message_belongs_to_one_method() -> None:
    """Answers may be shared resources; a shared request could not grow."""
    inputs = [method.input_type for _, method, _ in our_methods()]

    assert [] == sorted({name for name in inputs if inputs.count(name) > 1})


def test_services_and_messages_are_documented() -> None:
    silent = []
    for file in our_files():
        comments = {tuple(place.path) for place in file.source_code_info.location if place.leading_comments}
        services = [(s.name, (SERVICE, number)) for number, s in enumerate(file.service)]
        silent += [f"{file.package}.{name}" for name, path in services if path not in comments]

    assert [] == silent


def test_rules_are_enforced_on_generated_messages() -> None:
    """The rules and the messages come from two protobuf runtimes; this is the place where they meet."""
    violations = protovalidate.collect_violations(calls_pb2.GetCallRequest(id="not a uuid"))

    assert ["string.uuid"] == [violation.proto.rule_id for violation in violations]
    assert [] == protovalidate.collect_violations(
        calls_pb2.GetCallRequest(id="0190b0a4-5c6e-7d0f-9c52-3c6b9c9c9c9c")
    )


def test_the_descriptor_set_knows_the_types_of_error_details() -> None:
    files = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTOR_SET.read_bytes())
    names = {file.name for file in files.file}

    assert {"google/rpc/error_details.proto", "buf/validate/validate.proto"} <= names


def test_generating_without_sources_gives_an_empty_set(tmp_path: Path) -> None:
    generate(tmp_path, tmp_path / "gen")

    assert b"" == (tmp_path / "gen" / DESCRIPTOR_SET_NAME).read_bytes()
    assert [] == proto_files(tmp_path)


def test_generating_again_changes_nothing_and_stale_files_go(tmp_path: Path) -> None:
    package = tmp_path / "callplane" / "tried" / "v1"
    package.mkdir(parents=True)
    (package / "tried.proto").write_text('syntax = "proto3"; package callplane.tried.v1; message Tried {}')
    output = tmp_path / "gen"
    generate(tmp_path, output)
    stale = output / "callplane" / "tried" / "v1" / "gone_pb2.py"

    assert 0 == generate(tmp_path, output)
    stale.touch()
    assert 1 == generate(tmp_path, output)
    assert not stale.exists()
    assert (output / "callplane" / "tried" / "v1" / "tried_pb2.pyi").exists()
