"""`expertmesh chat`: talk to a model that is served somewhere, on a terminal or through a pipe."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from protos.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster.chat.chat_client import ChatClient
    from cluster.chat.conversation import Conversation
    from cluster.chat.screen import Screen
    from cluster.chat.wire import Json

_DEFAULT_URL = "http://127.0.0.1:8000"
EFFORTS = ("low", "medium", "high")

_DESCRIPTION = """\
Talk to a model that `expertmesh serve` serves, or anything else with the OpenAI API. On a terminal it is a
conversation, with reasoning dimmed; what comes through a pipe is one question, and its answer is printed."""

_EPILOG = """\
examples:
  expertmesh chat                                           the model on this machine
  expertmesh chat --url http://10.0.0.5:8000 --effort high
  echo 'Why is the sky blue?' | expertmesh chat             prints the answer, and nothing else
  expertmesh chat 'Why is the sky blue?'                    one question, one answer
  expertmesh chat --tools tools.json                        you answer for the tools

/help shows what can be said in a conversation; Ctrl-C cancels an answer, Ctrl-D ends.
Environment: NO_COLOR, where it is set, has nothing coloured."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "chat",
        help="talk to a model that is served",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("question", nargs="?", metavar="QUESTION", help="one question, then the end")
    parser.add_argument("--url", default=_DEFAULT_URL, metavar="URL", help="of the gateway (%(default)s)")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="who signed the gateway's certificate")
    parser.add_argument("--model", metavar="NAME", help="(the first that the gateway serves)")
    parser.add_argument("--system", metavar="TEXT", help="what the model is told before everything")
    parser.add_argument("--effort", choices=EFFORTS, default="medium", help="(%(default)s)")
    parser.add_argument("--tools", type=Path, metavar="FILE", help="JSON: a list, as the OpenAI API has it")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="of an answer, with its reasoning")
    parser.add_argument("--temperature", type=float, metavar="T", help="0 is greedy (1)")
    parser.add_argument("--seed", type=int, metavar="N", help="the same seed: the same answer")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from cluster.chat.chat_client import ChatClient, Place
    from cluster.chat.screen import Screen
    from cluster.environment import may_color

    client = ChatClient(Place.parse(arguments.url), arguments.ca)
    conversation = _conversation(arguments, client)
    is_talk = arguments.question is None and sys.stdin.isatty()
    is_plain = not (sys.stdout.isatty() and (is_talk or arguments.question is not None))
    screen = Screen(sys.stdout, is_plain=is_plain, has_color=may_color(), aside=sys.stderr)
    if is_talk:
        _talk(client, conversation, screen)
    else:
        _answer_once(client, conversation, screen, arguments.question)


def _talk(client: "ChatClient", conversation: "Conversation", screen: "Screen") -> None:
    import readline

    from cluster.chat.session import Session

    readline.set_auto_history(True)  # and input() can be edited, now that it is imported
    screen.note(f"{conversation.model}; /help shows what can be said, Ctrl-D ends\n")
    Session(client, conversation, screen, input).run()


def _answer_once(
    client: "ChatClient", conversation: "Conversation", screen: "Screen", question: str | None
) -> None:
    from cluster.chat.turn import take_turn

    text = (sys.stdin.read() if question is None else question).strip()
    if not text:
        raise ConfigError("there is no question; write one behind `expertmesh chat`, or into its pipe")
    conversation.say(text)
    take_turn(client, conversation, screen)


def _conversation(arguments: argparse.Namespace, client: "ChatClient") -> "Conversation":
    from cluster.chat.conversation import Conversation, Effort

    wishes = {
        "max_completion_tokens": arguments.max_tokens,
        "temperature": arguments.temperature,
        "seed": arguments.seed,
    }
    return Conversation(
        arguments.model or _first_model(client),
        arguments.system,
        Effort(arguments.effort),
        {name: value for name, value in wishes.items() if value is not None},
        () if arguments.tools is None else _tools(arguments.tools),
    )


def _first_model(client: "ChatClient") -> str:
    names = client.models()
    if not names:
        raise ConfigError("the gateway names no model; say which with --model")
    return names[0]


def _tools(file: Path) -> "Sequence[Json]":
    try:
        tools = json.loads(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"--tools {file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"--tools {file} is not JSON: {error}") from error
    if not isinstance(tools, list):
        raise ConfigError(f'--tools {file} holds no list; write [{{"type": "function", "function": ...}}]')
    return tools
