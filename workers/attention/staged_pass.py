"""The forward pass of a model whose layers are cut into stages: the first here, the others elsewhere.

Embedding, unembedding and sampling are here. Not here: the cut itself (`cluster.plan`), streams
(`remote_stage`). Called by the engine's thread.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from model.gpt_oss import GptOss
from model.kv_cache import KvCache
from model.step_batch import StepBatch
from protos.errors import ConfigError
from workers.attention.remote_stage import RemoteStage
from workers.cache.cached_pages import CacheLayout
from workers.engine.settings import EngineSettings

_BYTES_OF_VALUE, _BYTES_OF_NUMBER, _BYTES_OF_HEADER = 4, 8, 4096


class StagedPass:
    """A `ForwardPass`; `open` comes first."""

    def __init__(self, first: GptOss, stages: Sequence[RemoteStage]) -> None:
        self._first = first
        self._stages = stages
        self._settings: EngineSettings | None = None

    def most_pages(self, settings: EngineSettings, layout: CacheLayout) -> int:
        """That every stage has room for. Refuses stages that are not one after the other."""
        self._settings = settings
        next_layer = len(self._first.layers)
        pages = []
        for stage in self._stages:
            said = stage.describe(settings, layout)
            if said.first_layer != next_layer:
                raise ConfigError(
                    f"stage {said.worker} begins at layer {said.first_layer}; layer {next_layer} is to come"
                )
            next_layer += said.num_layers
            pages.append(said.num_pages)
        if next_layer != self._first.config.num_layers:
            raise ConfigError(
                f"the stages end at layer {next_layer} of {self._first.config.num_layers}; one is missing"
            )
        return min(pages)

    def open(self, num_pages: int, page_size: int, row_tile: int | None) -> None:
        assert self._settings is not None, "most_pages comes first"
        most_bytes = self._largest_step(self._settings, num_pages, page_size)
        for stage in self._stages:
            stage.check_frame(most_bytes)
            stage.open(num_pages, page_size, row_tile)

    def _largest_step(self, settings: EngineSettings, num_pages: int, page_size: int) -> int:
        """Bytes of a step of as many tokens as there may be, of sequences that are as long as they may be."""
        config = self._first.config
        pages = min(num_pages, -(-config.max_positions // page_size))
        of_tokens = settings.tokens_per_step * (config.hidden_size * _BYTES_OF_VALUE + 4 * _BYTES_OF_NUMBER)
        return of_tokens + settings.max_running * (2 * pages + 4) * _BYTES_OF_NUMBER + _BYTES_OF_HEADER

    @torch.inference_mode()
    def forward(self, batch: StepBatch, cache: KvCache) -> Tensor:
        """-> logits of the tokens that want them, [outputs, vocab] float32."""
        first = self._first
        hidden = first.embed(batch)  # [tokens, hidden]
        of_every_row = replace(batch, logit_rows=torch.arange(len(hidden), device=hidden.device))
        hidden = first.run_layers(hidden, first.layers, of_every_row, cache)
        for stage in self._stages[:-1]:
            hidden = stage.run(hidden, of_every_row)
        return first.unembed(self._stages[-1].run(hidden, batch))  # [outputs, vocab]

    def close(self) -> None:
        for stage in self._stages:
            stage.close()
