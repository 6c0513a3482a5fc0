"""What a gpt-oss model is, and the config.json that says so. Needs no torch."""

from model.config.model_config import (
    GPT_OSS_20B,
    GPT_OSS_120B,
    MAX_POSITIONS,
    MXFP4_BLOCK,
    LayerKind,
    ModelConfig,
    RopeConfig,
    alternating_layers,
)

__all__ = [
    "GPT_OSS_20B",
    "GPT_OSS_120B",
    "MAX_POSITIONS",
    "MXFP4_BLOCK",
    "LayerKind",
    "ModelConfig",
    "RopeConfig",
    "alternating_layers",
]
