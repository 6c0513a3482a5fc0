"""A request for each method that could well be answered, for tests that spoil it."""

from collections.abc import Mapping

from google.protobuf.message import Message

from protos.gen.v1 import inference_pb2 as pb

SHORT = pb.GenerationOptions(max_tokens=12)
CHAT = pb.ChatRequest(
    messages=[
        pb.Message(instruction=pb.InstructionMessage(text="Be kind.")),
        pb.Message(user=pb.UserMessage(text="Is it raining?")),
        pb.Message(
            assistant=pb.AssistantMessage(
                reasoning="Where?", tool_calls=[pb.ToolCall(call_id="c", name="weather", arguments="{}")]
            )
        ),
        pb.Message(tool=pb.ToolMessage(call_id="c", output="It pours.")),
    ],
    tools=[pb.Tool(name="weather", parameters='{"type":"object"}')],
    options=SHORT,
)
GENERATE = pb.GenerateRequest(text="Once", options=SHORT, echo=True, resumable=True)
POLICY = pb.PolicyReference(id="pets")

GOOD_REQUESTS: Mapping[str, Message] = {
    "Generate": GENERATE,
    "GenerateUnary": pb.GenerateUnaryRequest(request=GENERATE),
    "Chat": CHAT,
    "ChatUnary": pb.ChatUnaryRequest(request=CHAT),
    "Resume": pb.ResumeRequest(request_id="a"),
    "Cancel": pb.CancelRequest(request_id="a"),
    "Classify": pb.ClassifyRequest(
        policy_text="Cats.", contents=["a", "b"], labels=["c", "d"], reasoning_budget=3
    ),
    "PutPolicy": pb.PutPolicyRequest(id="pets", text="Cats.", labels=["c", "d"]),
    "GetPolicy": pb.GetPolicyRequest(policy=POLICY),
    "ListPolicies": pb.ListPoliciesRequest(),
    "DeletePolicy": pb.DeletePolicyRequest(policy=POLICY),
    "Tokenize": pb.TokenizeRequest(text="Once"),
    "CountTokens": pb.CountTokensRequest(chat=CHAT),
    "ListModels": pb.ListModelsRequest(),
}
