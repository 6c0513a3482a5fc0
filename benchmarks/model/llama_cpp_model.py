"""llama.cpp as a contender, through the bindings of llama-cpp-python and its own batch interface.

One `llama_decode` takes the next tokens of every sequence. Every step fits one of its micro-batches; all else
is as llama.cpp has it by default: flash attention where it can, weights arranged for this processor.
"""

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path

import llama_cpp as llama
import numpy as np
import torch
from torch import Tensor

from benchmarks.model.workload import Room

NAME = "llama.cpp"


def load_llama_cpp(file: Path, room: Room, num_threads: int, vocab_size: int) -> Mapping[str, "LlamaCpp"]:
    return {NAME: LlamaCpp(file, room, num_threads, vocab_size)}


class LlamaCpp:
    """A `Contender`."""

    def __init__(self, file: Path, room: Room, num_threads: int, vocab_size: int) -> None:
        self._quiet = llama.llama_log_callback(_say_nothing)  # kept, since llama.cpp keeps only its address
        llama.llama_log_set(self._quiet, ctypes.c_void_p(0))
        llama.llama_backend_init()
        model = llama.llama_model_load_from_file(str(file).encode(), llama.llama_model_default_params())
        assert model is not None, f"llama.cpp cannot load {file}"
        parameters = llama.llama_context_default_params()
        parameters.n_ctx = room.num_sequences * room.num_positions
        parameters.n_batch = parameters.n_ubatch = room.num_step_tokens
        parameters.n_seq_max = room.num_sequences
        parameters.n_threads = parameters.n_threads_batch = num_threads
        self._context = llama.llama_init_from_model(model, parameters)
        assert self._context is not None, f"llama.cpp can make no context for {room}"
        self._batch = llama.llama_batch_init(parameters.n_batch, 0, 1)
        self._vocab_size = vocab_size
        self._position = 0

    def begin(self) -> None:
        llama.llama_memory_clear(llama.llama_get_memory(self._context), True)
        self._position = 0

    def step(self, shares: Sequence[Sequence[int]]) -> Sequence[int]:
        self._fill(shares, every_logit=False)
        likeliest: list[int] = self._decode(len(shares)).argmax(axis=1).tolist()
        return likeliest

    def logits(self, token_ids: Sequence[int]) -> Tensor:
        self.begin()
        self._fill([token_ids], every_logit=True)
        return torch.from_numpy(self._decode(len(token_ids)).copy())

    def _fill(self, shares: Sequence[Sequence[int]], *, every_logit: bool) -> None:
        batch, row = self._batch, 0
        for sequence, share in enumerate(shares):
            for offset, token_id in enumerate(share):
                batch.token[row] = token_id
                batch.pos[row] = self._position + offset
                batch.n_seq_id[row] = 1
                batch.seq_id[row][0] = sequence
                batch.logits[row] = every_logit or offset == len(share) - 1
                row += 1
        batch.n_tokens = row
        self._position += len(shares[0])

    def _decode(self, num_outputs: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
        """-> [outputs, vocab], in llama.cpp's own memory."""
        status = llama.llama_decode(self._context, self._batch)
        assert status == 0, f"llama_decode says {status}"
        return np.ctypeslib.as_array(
            llama.llama_get_logits(self._context), shape=(num_outputs, self._vocab_size)
        )


def _say_nothing(_level: int, _text: bytes, _data: object) -> None:
    """What llama.cpp tells of its loading."""
