"""A page followed from top to bottom: its commands run, its programs run, and what they print is compared.

Not here: what is a block (`blocks`), a command (`commands`), as shown (`printed`).
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from tests.docs.blocks import Block, PageError
from tests.docs.commands import Command, commands_of
from tests.docs.page_shell import Done
from tests.docs.printed import is_as_shown
from tests.docs.stand_ins import ELSEWHERE, stand_in_of, without_comment

STATUS_COMMAND = "echo $?"
"""Behind a command that fails, as it should: the page shows the status."""


class Shell(Protocol):
    def run(self, command: str) -> Done: ...


@dataclass(frozen=True, slots=True)
class PageRun:
    shell: Shell
    folder: Path
    """In which the shell is; files that are blocks of the page lie there."""

    def follow(self, blocks: list[Block]) -> None:
        """Raises PageError at the first block that does not hold."""
        for block in blocks:
            if block.file is not None:
                file = self.folder / block.file
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block.text)
            if block.kind == "python":
                self._run_program(block)
            commands = commands_of(block)
            for number, command in enumerate(commands, start=1):
                following = commands[number : number + 1]
                self._run_command(command, may_fail=any(each.text == STATUS_COMMAND for each in following))

    def _run_program(self, block: Block) -> None:
        file = block.file or f"program-of-line-{block.line}.py"
        (self.folder / file).write_text(block.text)
        done = self.shell.run(f".venv/bin/python {file}")
        if done.status != 0:
            raise PageError(f"{block.place}: the program ended with status {done.status}:\n{done.printed}")

    def _run(self, command: str) -> Done:
        """As if the folders that are elsewhere were where the page has them."""
        for place in ELSEWHERE:
            command = re.sub(rf"(?<![\w./]){place}(?=[/\s]|$)", f"{self.folder}{place}", command)
        done = self.shell.run(command)
        return replace(done, printed=done.printed.replace(f"{self.folder}/", "/"))

    def _run_command(self, command: Command, *, may_fail: bool) -> None:
        text = without_comment(command.text)
        stand_in = stand_in_of(text)
        if stand_in is not None and stand_in.instead is None:
            return
        ran = text if stand_in is None else re.sub(stand_in.command, stand_in.instead or "", text)
        done = self._run(ran)
        if done.status != 0 and not may_fail:
            raise PageError(f"{command.place}: `{ran}` ended with status {done.status}:\n{done.printed}")
        if command.text == STATUS_COMMAND:
            if done.printed.strip() != (command.shown or "").strip():
                raise PageError(f"{command.place}: the status before was {done.printed.strip()}")
        elif command.shown is not None and not is_as_shown(command.shown, done.printed):
            raise PageError(
                f"{command.place}: `{ran}` printed\n{done.printed}\nand the page shows\n{command.shown}"
            )
