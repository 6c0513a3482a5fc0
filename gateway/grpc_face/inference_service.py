"""InferenceService: each method reads the wire, asks the gateway, and writes the wire.

It only translates. Not here: the border that receives requests and turns errors into a status (`methods`).
"""

from contextlib import aclosing

from google.protobuf.message import Message

from gateway.calls.call import Call, CallKind
from gateway.calls.call_book import AnyCall
from gateway.calls.whole import read_whole
from gateway.chat.chat_events import ChatEvent
from gateway.chat.chat_result import ChatResult
from gateway.classify.classifier import Classifier
from gateway.classify.policy_store import PolicyStore
from gateway.grpc_face.classify_codec import (
    classified_to_message,
    classify_request_from_message,
    policy_of,
    policy_to_message,
    reference_from_message,
    stored_to_message,
)
from gateway.grpc_face.event_codec import events_to_messages
from gateway.grpc_face.request_codec import chat_request_from_message, text_request_from_message
from gateway.grpc_face.result_codec import chat_result_to_message, text_result_to_message
from gateway.grpc_face.rpc import Rpc
from gateway.grpc_face.settings import GrpcFaceSettings
from gateway.inference import Inference
from gateway.text.text_result import TextResult
from protos.errors import InvalidRequestError
from protos.gen.v1 import inference_pb2 as pb
from workers.engine.events import Event

SERVICE = pb.DESCRIPTOR.services_by_name["InferenceService"]

_StreamMessage = type[pb.GenerateResponse] | type[pb.ChatResponse] | type[pb.ResumeResponse]


class InferenceServicer:
    """Of one event loop."""

    def __init__(self, inference: Inference, policies: PolicyStore, settings: GrpcFaceSettings) -> None:
        self._inference = inference
        self._policies = policies
        self._classifier = Classifier(inference)
        self._settings = settings

    async def Generate(self, request: pb.GenerateRequest, rpc: Rpc) -> None:
        call = await self._generate(request, rpc, request, is_resumable=request.resumable)
        await _stream(call, rpc, pb.GenerateResponse)

    async def GenerateUnary(self, request: pb.GenerateUnaryRequest, rpc: Rpc) -> pb.GenerateUnaryResponse:
        call = await self._generate(request.request, rpc, request, is_resumable=False)
        result = TextResult(_num_choices(request.request.options))
        await read_whole(call, result.take)
        return text_result_to_message(result, call.call_id)

    async def Chat(self, request: pb.ChatRequest, rpc: Rpc) -> None:
        call = await self._chat(request, rpc, request, is_resumable=request.resumable)
        await _stream(call, rpc, pb.ChatResponse)

    async def ChatUnary(self, request: pb.ChatUnaryRequest, rpc: Rpc) -> pb.ChatUnaryResponse:
        call = await self._chat(request.request, rpc, request, is_resumable=False)
        result = ChatResult(_num_choices(request.request.options))
        await read_whole(call, result.take)
        return chat_result_to_message(result, call.call_id)

    async def Resume(self, request: pb.ResumeRequest, rpc: Rpc) -> None:
        call = self._inference.find(request.request_id, CallKind.TEXT, CallKind.CHAT)
        after = request.after_sequence if request.HasField("after_sequence") else -1
        await _stream(call, rpc, pb.ResumeResponse, after)

    async def Cancel(self, request: pb.CancelRequest, rpc: Rpc) -> pb.CancelResponse:
        self._inference.cancel(request.request_id)
        return pb.CancelResponse()

    async def Classify(self, request: pb.ClassifyRequest, rpc: Rpc) -> pb.ClassifyResponse:
        rpc.refuse_idempotency_key()
        self._check_model(request)
        policy = policy_of(request, self._policies)
        wanted = classify_request_from_message(request, policy, rpc.timeout_s)
        classified = await self._classifier.classify(wanted, rpc.request_id)
        return classified_to_message(classified, wanted, policy, with_rationale=request.rationale)

    async def PutPolicy(self, request: pb.PutPolicyRequest, rpc: Rpc) -> pb.PutPolicyResponse:
        policy = self._policies.put(request.id, request.text, tuple(request.labels))
        return pb.PutPolicyResponse(policy=policy_to_message(policy))

    async def GetPolicy(self, request: pb.GetPolicyRequest, rpc: Rpc) -> pb.GetPolicyResponse:
        policy = self._policies.get(reference_from_message(request.policy))
        return pb.GetPolicyResponse(policy=policy_to_message(policy))

    async def ListPolicies(self, request: pb.ListPoliciesRequest, rpc: Rpc) -> pb.ListPoliciesResponse:
        return stored_to_message(self._policies.all_versions())

    async def DeletePolicy(self, request: pb.DeletePolicyRequest, rpc: Rpc) -> pb.DeletePolicyResponse:
        self._policies.delete(reference_from_message(request.policy))
        return pb.DeletePolicyResponse()

    async def Tokenize(self, request: pb.TokenizeRequest, rpc: Rpc) -> pb.TokenizeResponse:
        self._check_model(request)
        return pb.TokenizeResponse(token_ids=await self._inference.tokenize(request.text))

    async def CountTokens(self, request: pb.CountTokensRequest, rpc: Rpc) -> pb.CountTokensResponse:
        match request.WhichOneof("counted"):
            case "text":
                number = len(await self._inference.tokenize(request.text))
            case "chat":
                self._check_model(request.chat)
                chat = chat_request_from_message(request.chat, None, self._settings)
                number = await self._inference.count_tokens(chat)
            case _:
                raise InvalidRequestError("there is nothing to count; send a text or a chat").about("counted")
        return pb.CountTokensResponse(num_tokens=number)

    async def ListModels(self, request: pb.ListModelsRequest, rpc: Rpc) -> pb.ListModelsResponse:
        model = self._inference.model
        served = pb.Model(
            name=model.name,
            aliases=model.aliases,
            context_limit=model.context_limit,
            vocab_size=model.tokenizer.vocab_size,
            created_s=model.created,
        )
        return pb.ListModelsResponse(models=[served])

    async def _generate(
        self, message: pb.GenerateRequest, rpc: Rpc, asked: Message, *, is_resumable: bool
    ) -> Call[Event]:
        """`asked` is what an idempotency key stands for."""
        self._check_model(message)
        request = text_request_from_message(message, rpc.timeout_s)
        return await self._inference.text(request, rpc.call_request(asked, is_resumable=is_resumable))

    async def _chat(
        self, message: pb.ChatRequest, rpc: Rpc, asked: Message, *, is_resumable: bool
    ) -> Call[ChatEvent]:
        self._check_model(message)
        request = chat_request_from_message(message, rpc.timeout_s, self._settings)
        return await self._inference.chat(request, rpc.call_request(asked, is_resumable=is_resumable))

    def _check_model(
        self, message: pb.GenerateRequest | pb.ChatRequest | pb.ClassifyRequest | pb.TokenizeRequest
    ) -> None:
        if message.HasField("model"):
            self._inference.model.check_name(message.model)


async def _stream(call: AnyCall, rpc: Rpc, kind: _StreamMessage, after: int = -1) -> None:
    """A message a batch. Whoever leaves closes the batches, and with them a call that nobody can resume."""
    async with aclosing(call.batches(after)) as batches:
        async for batch in batches:
            events = events_to_messages(batch.events)
            await rpc.write(kind(request_id=call.call_id, sequence=batch.last, events=events), call.call_id)


def _num_choices(options: pb.GenerationOptions) -> int:
    return options.num_choices if options.HasField("num_choices") else 1
