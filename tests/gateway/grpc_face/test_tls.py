"""TLS: clients know the authority, and need no certificate of their own."""

import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio
import pytest

from gateway.calls.call_book import CallBook
from gateway.classify.policy_store import PolicyStore
from gateway.grpc_face.grpc_face import GrpcFace
from gateway.inference import Inference
from gateway.served_model import ServedModel
from model.tokenizer.tokenizer import Tokenizer
from protos.gen.v1 import inference_pb2 as pb
from protos.gen.v1 import inference_pb2_grpc
from router.channel import TlsFiles, client_credentials
from tests.gateway.grpc_face.served import CONTEXT_LIMIT, CREATED
from tests.gateway.scripted_link import ScriptedLink

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    if shutil.which("openssl") is None:
        pytest.skip("certificates are made by the openssl command, which is not here")
    folder: Path = tmp_path_factory.mktemp("certificates")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl(
        folder, "req", "-x509", *KEY, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=ca"
    )
    openssl(folder, "req", *KEY, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=gateway")
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-days", "2")
    openssl(folder, "x509", "-req", "-in", "leaf.csr", *signing, "-out", "leaf.pem")
    return TlsFiles(folder / "ca.pem", folder / "leaf.pem", folder / "leaf.key")


@asynccontextmanager
async def served(tokenizer: Tokenizer, tls: TlsFiles) -> AsyncIterator[GrpcFace]:
    model = ServedModel("paper", tokenizer, CONTEXT_LIMIT, CREATED)
    inference = Inference(ScriptedLink(tokenizer), model, CallBook())
    face = GrpcFace(inference, PolicyStore(lambda: CREATED), "127.0.0.1", tls=tls)
    await face.start()
    try:
        yield face
    finally:
        await face.aclose(0.0)


async def num_models(face: GrpcFace, credentials: grpc.ChannelCredentials | None) -> int:
    if credentials is None:
        opened = grpc.aio.insecure_channel(face.address)
    else:
        opened = grpc.aio.secure_channel(face.address, credentials)
    async with opened as channel:
        stub = inference_pb2_grpc.InferenceServiceStub(channel)
        return len((await stub.ListModels(pb.ListModelsRequest(), timeout=20)).models)


async def test_a_client_needs_no_certificate_of_its_own(tokenizer: Tokenizer, tls: TlsFiles) -> None:
    async with served(tokenizer, tls) as face:
        nameless = grpc.ssl_channel_credentials(tls.authority.read_bytes())
        assert await num_models(face, nameless) == 1
        assert await num_models(face, client_credentials(tls)) == 1, "one that it has does no harm"


@pytest.mark.parametrize("credentials", [None, grpc.ssl_channel_credentials()], ids=["plain", "stranger"])
async def test_who_does_not_know_the_authority_is_not_served(
    tokenizer: Tokenizer, tls: TlsFiles, credentials: grpc.ChannelCredentials | None
) -> None:
    async with served(tokenizer, tls) as face:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await num_models(face, credentials)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
