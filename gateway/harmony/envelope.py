"""The grammar of a whole answer: legal headers, declared tools alone, arguments and answers by their schemas.

Under it the model cannot write what the parser would have to mend. It begins where a prompt ends, behind
`<|start|>assistant`. An answer makes one call at most: `<|call|>` ends it. Not here: compiling
(`workers.grammar.compiler`, in the engine). One rule stands on one line, so that an error's line says whose
it is.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.harmony.call_rule import CallRule
from gateway.harmony.callable_tool import CallableTool, callable_tools
from gateway.harmony.nesting import check_nesting
from gateway.harmony.settings import BuiltInTool, Channel, FunctionTool
from protos.errors import InvalidGrammarError
from workers.grammar.grammar_text import choice_body, parse_schema, regex_body, with_bounded_blanks
from workers.grammar.spec import GrammarKind, GrammarSpec

_RESPONSE = "the response format"
_LINE = re.compile(r"\Alark(?: at line (?P<line>\d+), column \d+)?: (?:failed to compile JSON schema: )?")


@dataclass(frozen=True, slots=True)
class Envelope:
    """`line_to_place` says in a client's words what stands on a line of the grammar."""

    spec: GrammarSpec
    line_to_place: Mapping[int, str]

    def explain(self, error: InvalidGrammarError) -> InvalidGrammarError:
        """What the engine says against the grammar, said of the part that the client wrote."""
        return _explained(error, self.line_to_place)


def envelope(
    functions: Sequence[FunctionTool] = (),
    built_in_tools: frozenset[BuiltInTool] = frozenset(),
    rule: CallRule | None = None,
    response: GrammarSpec | None = None,
) -> Envelope:
    """`response` is what a final answer must be; Lark, which describes whole outputs, cannot be put into one.

    Without a rule the model may call whatever there is, or answer.
    """
    wanted = rule or CallRule.auto()
    tools = wanted.allowed(callable_tools(functions, built_in_tools))
    lines: list[str] = []
    line_to_place: dict[int, str] = {}
    for place, line in _rules(tools, wanted, response):
        lines.append(line)
        if place:
            line_to_place[len(lines)] = place
    try:
        return Envelope(GrammarSpec.lark("\n".join(lines)), line_to_place)
    except InvalidGrammarError as error:  # it is too large, or not Unicode
        raise _explained(error, line_to_place) from error


def _explained(error: InvalidGrammarError, line_to_place: Mapping[int, str]) -> InvalidGrammarError:
    said = str(error)
    found = _LINE.match(said)
    if found is None:
        return error
    place = line_to_place.get(int(found["line"] or 0), "the tools and the response format together")
    return InvalidGrammarError(f"{place}: {said[found.end() :]}")


def _rules(
    tools: Sequence[CallableTool], rule: CallRule, response: GrammarSpec | None
) -> Iterator[tuple[str, str]]:
    """Each with its place. What the user may see before a call is only for those who may call."""
    asides = "analysis | preamble" if tools else "analysis"
    endings = [f"call_{index}" for index in range(len(tools))]
    if not rule.must_call:
        endings = ["final", *endings]
    yield "", f'start: (({asides}) <|start|> "assistant")* ({" | ".join(endings)})'
    yield "", f'analysis: <|channel|> "{Channel.ANALYSIS}" <|message|> TEXT <|end|>'
    if tools:
        yield "", f'preamble: <|channel|> "{Channel.COMMENTARY}" <|message|> TEXT <|end|>'
    if not rule.must_call:
        yield "", f'final: <|channel|> "{Channel.FINAL}" <|message|> answer <|return|>'
        yield _RESPONSE, f"answer: {_answer(response)}"
    for index, tool in enumerate(tools):
        yield "", _call(f"call_{index}", tool, f"arguments_{index}")
        yield f"the parameters of {tool.recipient!r}", f"arguments_{index}: {_arguments(tool)}"
    yield "", r"TEXT: /(.|\n)*/"


def _call(rule: str, tool: CallableTool, arguments: str) -> str:
    """A recipient stands in the role part of a header or in the channel part."""
    in_role_part = f'" to={tool.recipient}" <|channel|> "{tool.channel}"'
    in_channel_part = f'<|channel|> "{tool.channel} to={tool.recipient}"'
    kinds = " | ".join(tool.content_types)
    return f"{rule}: ({in_role_part} | {in_channel_part}) ({kinds})? <|message|> {arguments} <|call|>"


def _arguments(tool: CallableTool) -> str:
    return "TEXT" if tool.schema is None else _json(tool.schema)


def _answer(response: GrammarSpec | None) -> str:
    if response is None:
        return "TEXT"
    match response.kind:
        case GrammarKind.JSON_SCHEMA:
            schema = parse_schema(response)
            check_nesting(_RESPONSE, schema)
            return _json(schema)
        case GrammarKind.JSON_OBJECT:
            return _json({"type": "object"})
        case GrammarKind.REGEX:
            return regex_body(response.text)
        case GrammarKind.CHOICE:
            return choice_body(response.choices)
        case GrammarKind.LARK:
            raise InvalidGrammarError(
                f"{_RESPONSE} is a Lark grammar, which describes a whole output, not the final answer of a "
                f"chat; "
                f"send a JSON schema, a regular expression or choices"
            )


def _json(schema: Mapping[str, object]) -> str:
    return f"%json {json.dumps(with_bounded_blanks(schema))}"
