"""A sandbox and a product, as new for each test, and the providers' specifications where they are at hand."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from deploy.sandbox.app import http_server, listening_socket
from deploy.sandbox.config import Config
from deploy.sandbox.contracts.official import OfficialContract
from deploy.sandbox.settings import Settings
from tests.contract.sandbox.driver import PROVIDERS, SETTINGS, Door, Product, opened


@pytest.fixture(scope="session")
async def product_server() -> AsyncIterator[Product]:
    product = Product()
    listener = listening_socket("127.0.0.1", 0)
    product.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = Starlette(routes=[Route("/{path:path}", product.take, methods=["POST"])])
    server = http_server(app)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield product
    server.should_exit = True
    await serving


@pytest.fixture
def product(product_server: Product) -> Product:
    product_server.start_over()
    return product_server


@pytest.fixture
def config(tmp_path: Path, product: Product) -> Config:
    """For tests that start a sandbox of their own."""
    return Config(data_dir=tmp_path / "sandbox", settings=settings_for(product))


def settings_for(product: Product) -> Settings:
    urls = {"webhook_url": f"{product.url}/vapi", "twilio_sms_url": f"{product.url}/sms"}
    return msgspec.structs.replace(SETTINGS, **urls)


@pytest.fixture(scope="session")
async def door(tmp_path_factory: pytest.TempPathFactory, product_server: Product) -> AsyncIterator[Door]:
    config = Config(data_dir=tmp_path_factory.mktemp("sandbox"), settings=settings_for(product_server))
    async with opened(config) as door:
        yield door


@pytest.fixture
async def sandbox(door: Door, product: Product) -> Door:
    """The one sandbox of the session, as new."""
    await door.post("reset", {"settings": True, "objects": True})
    product.start_over()
    return door


@pytest.fixture(scope="session")
def official_vapi() -> OfficialContract:
    return _official("vapi/openapi.json")


@pytest.fixture(scope="session")
def official_twilio() -> OfficialContract:
    return _official("twilio/twilio_api_v2010.json")


def _official(file: str) -> OfficialContract:
    if not (PROVIDERS / file).is_file():
        pytest.skip("the provider's specification is not at hand")
    return OfficialContract.read(PROVIDERS / file)
