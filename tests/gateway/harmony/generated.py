"""Conversations of every kind, for hypothesis: settings, schemas, tool loops, histories, odd text."""

from hypothesis import strategies as st

from gateway.harmony.conversation import JSON_CONTENT, Content, Message, Role
from gateway.harmony.settings import (
    BuiltInTool,
    Channel,
    DeveloperSettings,
    FunctionTool,
    ReasoningEffort,
    SystemSettings,
)

SPECIAL_LOOKING = (
    "<|start|>", "<|end|>", "<|message|>", "<|channel|>final<|message|>", "<|return|>", "<|call|>",
)  # fmt: skip
_ODD_TEXTS = (" to=functions.f", "\n\n", "\r\n", "   ", "🙂", "日本", "é", "'ll", "12345")
_PIECES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from([*SPECIAL_LOOKING, *_ODD_TEXTS]),
    st.sampled_from(["The answer is ", "null", "// ", '{"a": 1}', "assistant", " json"]),
)
TEXTS = st.lists(_PIECES, max_size=5).map("".join)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,12}", fullmatch=True)
_SHORT_REALS = st.builds("{}e{}".format, st.integers(-999_999, 999_999), st.integers(-12, 16)).map(float)
"""The oracle's JSON parser rounds longer ones, and integers beyond 64 bits, by its own rules."""
_NUMBERS = st.one_of(st.integers(-(2**63), 2**64 - 1), _SHORT_REALS)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), _NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=5,
)
_ODD_SCHEMAS = st.sampled_from(
    [True, None, {}, {"type": "null"}, {"$ref": "#/x"}, {"anyOf": [{"type": "string"}]}, 3]
)
_TYPE_NAMES = ["string", "number", "integer", "boolean", "null", "object", "array"]


def _leaf_schemas() -> st.SearchStrategy[object]:
    kinds = st.one_of(st.sampled_from(_TYPE_NAMES), st.lists(st.sampled_from([*_TYPE_NAMES, 7]), max_size=3))
    members = st.lists(st.one_of(TEXTS, _NUMBERS), max_size=3)
    typed = st.fixed_dictionaries({"type": kinds}, optional={"enum": members, **_said()})
    return st.one_of(_ODD_SCHEMAS, typed)


def _said() -> dict[str, st.SearchStrategy[object]]:
    """What a schema of any kind may say of itself."""
    return {
        "title": st.one_of(TEXTS, st.just(1)),
        "description": st.one_of(TEXTS, st.just("same"), st.none()),
        "default": JSON,
        "nullable": st.booleans(),
        "examples": st.lists(st.one_of(TEXTS, _NUMBERS), max_size=3),
    }


def _outer_schemas(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    properties = st.dictionaries(st.one_of(NAMES, TEXTS), inner, max_size=4)
    objects = st.fixed_dictionaries(
        {"type": st.just("object")},
        optional={
            "properties": properties,
            "required": st.lists(NAMES, max_size=2),
            **_said(),
        },
    )
    arrays = st.fixed_dictionaries({"type": st.just("array")}, optional={"items": inner, **_said()})
    variants = st.lists(inner, max_size=3)
    one_of = st.fixed_dictionaries({"oneOf": variants}, optional={"type": st.just("string"), **_said()})
    not_a_list = {"oneOf": st.sampled_from([None, 3]), "type": st.just("string")}
    not_quite = st.fixed_dictionaries(not_a_list, optional=_said())
    return st.one_of(objects, objects, arrays, one_of, not_quite)


SCHEMAS = st.recursive(_leaf_schemas(), _outer_schemas, max_leaves=8)


@st.composite
def _required_somewhere(draw: st.DrawFn) -> dict[str, object]:
    """An object, some of whose properties are required."""
    properties = draw(st.dictionaries(NAMES, SCHEMAS, min_size=1, max_size=4))
    required = draw(st.lists(st.sampled_from(sorted(properties)), unique=True))
    return {"type": "object", "properties": properties, "required": required}


PARAMETERS = st.one_of(
    st.none(), _required_somewhere(), SCHEMAS.filter(lambda schema: isinstance(schema, dict))
)
FUNCTIONS = st.lists(
    st.builds(FunctionTool, NAMES, TEXTS, PARAMETERS), max_size=3, unique_by=lambda tool: tool.name
).map(tuple)
SYSTEM = st.builds(
    SystemSettings,
    identity=st.one_of(st.none(), TEXTS, st.just("You are a large language model.")),
    knowledge_cutoff=st.one_of(st.none(), st.just("2024-06")),
    current_date=st.one_of(st.none(), st.dates().map(str)),
    effort=st.one_of(st.none(), st.sampled_from(ReasoningEffort)),
    built_in_tools=st.frozensets(st.sampled_from(BuiltInTool)),
    channels=st.sampled_from([tuple(Channel), (), (Channel.FINAL,)]),
    channel_is_required=st.booleans(),
)
DEVELOPER = st.builds(DeveloperSettings, instructions=st.one_of(st.none(), TEXTS), functions=FUNCTIONS)
_USER = st.builds(
    Message,
    st.just(Role.USER),
    st.lists(TEXTS, min_size=1, max_size=3).map(tuple),
    st.one_of(st.none(), NAMES),
)
_ANSWERS = st.one_of(
    st.builds(Message.reasoning, TEXTS), st.builds(Message.preamble, TEXTS), st.builds(Message.final, TEXTS)
)
_CALLS = st.builds(
    Message,
    st.just(Role.ASSISTANT),
    TEXTS.map(lambda text: (text,)),
    channel=st.sampled_from([Channel.COMMENTARY.value, Channel.ANALYSIS.value]),
    recipient=st.one_of(
        NAMES.map("functions.{}".format), st.sampled_from(["browser.search", "python", "all", "user"])
    ),
    content_type=st.sampled_from([None, JSON_CONTENT, "json", "code", "<|constrain|>"]),
)
_RESULTS = st.builds(Message.result, NAMES, TEXTS)
_ODD = st.builds(
    Message,
    st.sampled_from([Role.SYSTEM, Role.DEVELOPER, Role.USER, Role.ASSISTANT]),
    st.lists(TEXTS, max_size=2).map(tuple),
    name=st.one_of(st.none(), NAMES),
    channel=st.one_of(st.none(), NAMES),
)
_TURNS = st.lists(st.one_of(_USER, _ANSWERS, _ANSWERS, _CALLS, _RESULTS, _ODD), max_size=10)


def _with_settings(first: list[Content], turns: list[Message]) -> list[Message]:
    roles = {SystemSettings: Role.SYSTEM, DeveloperSettings: Role.DEVELOPER}
    return [*(Message.of(roles[type(content)], content) for content in first), *turns]


CONVERSATIONS = st.builds(
    _with_settings,
    st.one_of(
        st.just([]),
        st.tuples(SYSTEM).map(list),
        st.tuples(DEVELOPER).map(list),
        st.tuples(SYSTEM, DEVELOPER).map(list),
    ),
    _TURNS,
)
