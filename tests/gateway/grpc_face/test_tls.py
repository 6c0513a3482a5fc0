"""Mutual TLS: who has no certificate of the authority is not heard."""

import shutil
import subprocess
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


async def test_both_sides_show_a_certificate(tokenizer: Tokenizer, tls: TlsFiles) -> None:
    model = ServedModel("paper", tokenizer, CONTEXT_LIMIT, CREATED)
    inference = Inference(ScriptedLink(tokenizer), model, CallBook())
    face = GrpcFace(inference, PolicyStore(lambda: CREATED), "127.0.0.1", tls=tls)
    await face.start()
    nameless = grpc.ssl_channel_credentials(tls.authority.read_bytes())
    try:
        for credentials, is_heard in ((client_credentials(tls), True), (nameless, False)):
            async with grpc.aio.secure_channel(face.address, credentials) as channel:
                call = inference_pb2_grpc.InferenceServiceStub(channel).ListModels(
                    pb.ListModelsRequest(), timeout=20
                )
                if is_heard:
                    assert len((await call).models) == 1
                    continue
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await call
                assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    finally:
        await face.aclose(0.0)
