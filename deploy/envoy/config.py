"""Renders `envoy.yaml.j2`. What Envoy routes where follows from the protos; nothing is listed twice.

`python -m deploy.envoy` prints the configuration for the addresses in the environment.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from google.api import annotations_pb2
from google.protobuf import descriptor_pb2
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from callplane.options.v1 import options_pb2
from deploy.protos import DESCRIPTOR_SET_NAME, GENERATED

DESCRIPTOR_SET = GENERATED / DESCRIPTOR_SET_NAME
TEMPLATE = "envoy.yaml.j2"
WEBHOOKS_PER_MINUTE = 1000
MEBIBYTE = 1024 * 1024
# Methods whose names begin so change nothing: they may be asked again.
IDEMPOTENT_VERBS = ("Get", "List")
WATCHING_VERB = "Watch"
PACKAGE = re.compile(r"^callplane\.(calls|campaigns|notify|gateway)\.v\d+$")


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        host, _, port = text.rpartition(":")
        return cls(host, int(port))

    @property
    def is_ip(self) -> bool:
        return re.fullmatch(r"[0-9.]+|[0-9a-f:]+", self.host) is not None


@dataclass(frozen=True, slots=True)
class PublicService:
    """A gRPC service with at least one method for customers. `cluster` is the service that serves it."""

    name: str
    cluster: str
    streaming_methods: tuple[str, ...]
    # Streams of answers that go on until there is nothing more to tell.
    watching_methods: tuple[str, ...]
    has_rest: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontDoor:
    """`services` are the gRPC addresses by name, `traces` is where spans go (None: nowhere), for
    `traced_percent` of the requests that come without a decision about it.
    `webhooks_per_minute` limits each source address; 0 means no limit. `trusted_hops` is how many proxies of
    our own stand before Envoy: so many addresses at the end of `X-Forwarded-For` are theirs to tell, and the
    caller's is the first of these. Anything before that, anybody may have written.
    """

    listen: Address
    admin: Address
    services: Mapping[str, Address]
    gateway_http: Address
    gateway_authz: Address
    traces: Address | None = None
    traced_percent: float = 100.0
    webhooks_per_minute: int = WEBHOOKS_PER_MINUTE
    trusted_hops: int = 0
    descriptor_set: Path = DESCRIPTOR_SET

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> FrontDoor:
        names = ("calls", "campaigns", "notify", "gateway")
        return cls(
            listen=Address.parse(environ.get("ENVOY_LISTEN") or "0.0.0.0:8080"),
            admin=Address.parse(environ.get("ENVOY_ADMIN_LISTEN") or "127.0.0.1:9901"),
            services={name: Address.parse(environ[f"{name.upper()}_ADDRESS"]) for name in names},
            gateway_http=Address.parse(environ["GATEWAY_HTTP_ADDRESS"]),
            gateway_authz=Address.parse(environ["GATEWAY_AUTHZ_ADDRESS"]),
            traces=traces_address(environ),
            traced_percent=traced_percent(environ),
            webhooks_per_minute=webhooks_per_minute(environ),
            trusted_hops=int(environ.get("ENVOY_TRUSTED_HOPS") or 0),
            descriptor_set=Path(environ.get("ENVOY_DESCRIPTOR_SET") or DESCRIPTOR_SET),
        )


def webhooks_per_minute(environ: Mapping[str, str]) -> int:
    """0 with RATE_LIMIT_ENABLED=0, else what WEBHOOKS_PER_MINUTE says."""
    if environ.get("RATE_LIMIT_ENABLED") == "0":
        return 0
    return int(environ.get("WEBHOOKS_PER_MINUTE") or WEBHOOKS_PER_MINUTE)


def traces_address(environ: Mapping[str, str]) -> Address | None:
    """Where OTEL_EXPORTER_OTLP_* says spans go, if Envoy can send there: gRPC without TLS."""
    endpoint = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    protocol = environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    off = (
        environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
        or environ.get("OTEL_TRACES_EXPORTER") == "none"
        or environ.get("OTEL_TRACES_SAMPLER") == "always_off"
    )
    if not endpoint or off or protocol not in (None, "", "grpc"):
        return None
    parts = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}")
    if parts.scheme == "https" or not parts.hostname:
        return None
    return Address(parts.hostname, parts.port or 4317)


def traced_percent(environ: Mapping[str, str]) -> float:
    """The share of requests that OTEL_TRACES_SAMPLER wants traced where nobody before has decided."""
    sampler = environ.get("OTEL_TRACES_SAMPLER", "")
    if sampler.endswith("always_off"):
        return 0.0
    if sampler.endswith("traceidratio"):
        return 100 * float(environ.get("OTEL_TRACES_SAMPLER_ARG") or 1)
    return 100.0


def binary() -> Path:
    """Envoy itself, from the wheel."""
    spec = importlib.util.find_spec("envoy")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("Envoy is not installed; run `make setup`")
    return Path(next(iter(spec.submodule_search_locations))) / "_bin" / "envoy"


def public_services(descriptor_set: Path = DESCRIPTOR_SET) -> list[PublicService]:
    """Services of the four packages that customers may call: those with a method that is not `internal`."""
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set.read_bytes())
    found = []
    for file in files.file:
        package = PACKAGE.match(file.package)
        for service in file.service if package else ():
            public = [method for method in service.method if required_scope(method) != "internal"]
            if package and public:
                found.append(_public_service(f"{file.package}.{service.name}", package[1], public))
    return found


def _public_service(
    name: str, cluster: str, methods: list[descriptor_pb2.MethodDescriptorProto]
) -> PublicService:
    return PublicService(
        name=name,
        cluster=cluster,
        streaming_methods=tuple(method.name for method in methods if method.client_streaming),
        watching_methods=tuple(method.name for method in methods if method.name.startswith(WATCHING_VERB)),
        has_rest=any(method.options.HasExtension(annotations_pb2.http) for method in methods),
    )


def required_scope(method: descriptor_pb2.MethodDescriptorProto) -> str:
    return method.options.Extensions[options_pb2.required_scope]


def render(door: FrontDoor) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - YAML, not HTML
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(
        door=door,
        services=public_services(door.descriptor_set),
        idempotent_verbs=IDEMPOTENT_VERBS,
        api_body_bytes_max=MEBIBYTE,
        # The largest message that a service sends; the default of 1 MiB turned larger answers into 500.
        api_answer_bytes_max=32 * MEBIBYTE,
        webhook_body_bytes_max=8 * MEBIBYTE,
        # The file may have 10 MiB; the rest is the frame of the multipart form.
        import_body_bytes_max=10 * MEBIBYTE + 64 * 1024,
    )
