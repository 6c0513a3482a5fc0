"""transformers as a contender: GptOssForCausalLM, eager attention, the experts unpacked to bfloat16.

On a CPU it has no kernel for MXFP4, so what its user runs is the dequantised model; and its loop over experts
is faster there than its grouped matmul, which it takes by default. Its float32 twin shares
these weights and is for agreement alone: whole in float32 the experts of four layers would take 13 GB.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import DynamicCache, GptOssForCausalLM, Mxfp4Config
from transformers.utils import logging

BFLOAT16 = "transformers"
FLOAT32 = "transformers, float32"


def load_transformers(folder: Path) -> Mapping[str, "Transformers"]:
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    model = GptOssForCausalLM.from_pretrained(
        folder,
        dtype=torch.bfloat16,
        attn_implementation="eager",
        quantization_config=Mxfp4Config(dequantize=True),
        experts_implementation="eager",
    ).eval()
    return {BFLOAT16: Transformers(model), FLOAT32: WidenedTransformers(model)}


class Transformers:
    """A `Contender`."""

    def __init__(self, model: GptOssForCausalLM) -> None:
        self._model = model
        self._cache = DynamicCache(config=model.config)

    def begin(self) -> None:
        self._cache = DynamicCache(config=self._model.config)

    @torch.inference_mode()
    def step(self, shares: Sequence[Sequence[int]]) -> Sequence[int]:
        output = self._model(
            torch.tensor(shares), past_key_values=self._cache, use_cache=True, logits_to_keep=1
        )
        likeliest: list[int] = output.logits[:, -1].argmax(dim=-1).tolist()
        return likeliest

    @torch.inference_mode()
    def logits(self, token_ids: Sequence[int]) -> Tensor:
        logits: Tensor = self._model(torch.tensor([token_ids])).logits[0].float()
        return logits


class WidenedTransformers(Transformers):
    """Computes in float32: each part of the model is wide while it runs, and loses nothing going back."""

    @torch.inference_mode()
    def logits(self, token_ids: Sequence[int]) -> Tensor:
        inner = self._model.model
        with ExitStack() as stack:
            for part in (inner.embed_tokens, *inner.layers, inner.norm, self._model.lm_head):
                stack.callback(part.register_forward_pre_hook(_widen).remove)
                stack.callback(part.register_forward_hook(_narrow).remove)
            return super().logits(token_ids)


def _widen(part: nn.Module, _: object) -> None:
    part.float()


def _narrow(part: nn.Module, _: object, __: object) -> None:
    part.bfloat16()
