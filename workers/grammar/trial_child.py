"""The process in which grammars are tried first: `python -m workers.grammar.trial_child`, started by `trial`.

A grammar of a kilobyte can cost the compiler minutes, or all memory; here it costs a process that can be
killed. One JSON document a line: first the names of the special tokens, then a grammar each; the answers are
"ready", then what the compiler says against each ("" for nothing). It knows bytes and special tokens only.
"""

import json
import resource
import sys

from workers.grammar.matching import build_vocabulary, start_matcher

_MAX_MEMORY = 2 << 30
_MAX_CPU_S = 20
"""Far above the patience of `trial`, which kills; this is for a child whose parent was killed."""


def main() -> None:
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
    names = json.loads(sys.stdin.readline())
    tokens = [bytes([byte]) for byte in range(256)] + [name.encode() for name in names]
    vocabulary = build_vocabulary(tokens, range(256, len(tokens)), lambda text: list(text.encode()))
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        _allow_cpu_time()
        print(json.dumps(start_matcher(vocabulary, json.loads(line)).get_error()), flush=True)


def _allow_cpu_time() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + _MAX_CPU_S, hard))


if __name__ == "__main__":
    main()
