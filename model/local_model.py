"""A model in this process, in either mode of arithmetic; its experts are here, or elsewhere."""

from dataclasses import dataclass, replace

import torch

from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings
from model.compact_weights import compact_weights
from model.config import ModelConfig
from model.cpu_kernels import prepare_cpu_kernels
from model.determinism import deterministic_row_tile
from model.experts import Experts, LocalExperts
from model.gpt_oss import GptOss
from model.gpu_experts import arrange_experts
from model.kv_cache import KvCache
from model.weights import ModelWeights


@dataclass(frozen=True, slots=True)
class LocalModel:
    """What single mode runs, and attention workers; the oracle for whatever spreads work over processes."""

    config: ModelConfig
    weights: ModelWeights
    forward_pass: GptOss
    row_tile: int | None
    is_arranged: bool = False  # its experts are in a GPU's order: then no step waits for the GPU

    @classmethod
    def of(
        cls,
        config: ModelConfig,
        weights: ModelWeights,
        *,
        deterministic: bool = False,
        cpu_kernels: CpuKernelSettings = DEFAULT_SETTINGS,
        experts: Experts | None = None,
        arrange: bool = False,
        compact: bool = False,
    ) -> "LocalModel":
        """`experts` may be elsewhere; without them they are among the weights.

        `arrange` brings those into the order of a GPU's kernels, `compact` dense matrices into the form of a
        CPU's, which does nothing elsewhere. Either takes over their memory: do not read `weights` afterwards.

        On a CPU this builds the kernels, if that has not been done before: some seconds.
        """
        assert weights.embedding is not None, "this process has the embedding, though layers may be elsewhere"
        prepare_cpu_kernels(weights.embedding.device, cpu_kernels)
        row_tile = deterministic_row_tile(config, weights, cpu_kernels) if deterministic else None
        if compact:
            weights = compact_weights(weights, cpu_kernels)
        if experts is None:
            held = arrange_experts(weights.experts) if arrange else weights.experts
            experts = LocalExperts(held, config.swiglu_limit, row_tile, cpu_kernels)
            weights = replace(weights, experts={}) if arrange else weights
        forward_pass = GptOss(config, weights, experts, row_tile, cpu_kernels)
        return cls(config, weights, forward_pass, row_tile, arrange)

    @property
    def dtype(self) -> torch.dtype:
        """Of the activations, and so of the cache."""
        return self.weights.activations

    def allocate_cache(self, num_pages: int, page_size: int) -> KvCache:
        """In the dtype and on the device of the activations."""
        embedding = self.weights.embedding
        assert embedding is not None
        return KvCache.allocate(
            self.config,
            num_pages=num_pages,
            page_size=page_size,
            dtype=self.dtype,
            device=embedding.device,
            layers=self.forward_pass.layers,
        )
