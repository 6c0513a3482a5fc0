"""Which input lines have their result already: eight bytes a line, so that millions fit.

Not here: the file that says so (`output_file`).
"""

from array import array

from protos.errors import ConfigError
from workers.batch.input_file import InputFile, InputLine

_DIGEST_TYPE = "Q"


class DoneLines:
    """Remembers the digest of the input line behind each result."""

    def __init__(self) -> None:
        self._digests = array(_DIGEST_TYPE)  # of line i + 1 at i; 0: no result
        self.num_done = 0
        self.num_failed = 0  # of those, the ones whose result is an error

    def __contains__(self, line: InputLine) -> bool:
        return line.number <= len(self._digests) and self._digests[line.number - 1] != 0

    def add(self, number: int, digest: int, *, failed: bool) -> bool:
        """-> False when the line has a result already."""
        if number > len(self._digests):
            self._digests.extend(bytes(number - len(self._digests)))
        if self._digests[number - 1]:
            return False
        self._digests[number - 1] = digest
        self.num_done += 1
        self.num_failed += failed
        return True

    def check(self, input_file: InputFile, output_name: str) -> int:
        """Make sure that each result is of the line that stands there now; -> how many lines there are."""
        num_lines, last, num_met = 0, 0, 0
        for line in input_file:
            num_lines, last = num_lines + 1, line.number
            if line not in self:
                continue
            num_met += 1
            if self._digests[line.number - 1] != line.digest:
                raise _changed(input_file, output_name, f"line {line.number} of the input is another one now")
        if num_met < self.num_done:
            what = f"it has {self.num_done - num_met} more than the input, which ends with line {last}"
            raise _changed(input_file, output_name, what)
        return num_lines


def _changed(input_file: InputFile, output_name: str, what: str) -> ConfigError:
    return ConfigError(
        f"{output_name} holds results of another input: {what}. Give {input_file.path} as it was when they "
        f"were written, take the results of lines that have changed out of {output_name}, or name another "
        f"output"
    )
