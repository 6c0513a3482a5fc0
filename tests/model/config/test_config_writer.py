from dataclasses import replace
from pathlib import Path

import pytest
import transformers

from model.config import GPT_OSS_20B, GPT_OSS_120B, LayerKind, ModelConfig, RopeConfig
from model.config.config_file import load_config
from model.config.config_writer import hugging_face_document, original_document, write_config
from protos.errors import ConfigError
from tests.model.tiny_model import TINY

ODD = replace(
    TINY,
    layer_kinds=(LayerKind.FULL, LayerKind.FULL, LayerKind.SLIDING),
    sliding_window=5,
    max_positions=777,
    rms_norm_eps=1e-6,
    swiglu_limit=6.5,
    rope=RopeConfig(
        theta=9000.0, factor=16.0, original_positions=2048, beta_fast=30.0, beta_slow=2.0, truncate=True
    ),
)


@pytest.mark.parametrize("config", [GPT_OSS_20B, GPT_OSS_120B, TINY, ODD])
@pytest.mark.parametrize("rope_parameters", [False, True])
def test_hugging_face_says_every_configuration(
    tmp_path: Path, config: ModelConfig, rope_parameters: bool
) -> None:
    write_config(tmp_path, hugging_face_document(config, rope_parameters=rope_parameters))
    assert load_config(tmp_path) == config


@pytest.mark.parametrize("config", [GPT_OSS_20B, GPT_OSS_120B, TINY])
def test_the_original_layout_says_released_configurations(tmp_path: Path, config: ModelConfig) -> None:
    write_config(tmp_path, original_document(config))
    assert load_config(tmp_path) == config


@pytest.mark.parametrize("change", ["layer_kinds", "max_positions", "rms_norm_eps"])
def test_the_original_layout_refuses_what_it_cannot_say(change: str) -> None:
    config = replace(TINY, **{change: getattr(ODD, change)})
    with pytest.raises(ConfigError, match="cannot say"):
        original_document(config)


@pytest.mark.parametrize("rope_parameters", [False, True])
def test_transformers_understands_it(tmp_path: Path, rope_parameters: bool) -> None:
    write_config(tmp_path, hugging_face_document(ODD, rope_parameters=rope_parameters))
    read = transformers.AutoConfig.from_pretrained(tmp_path)
    assert type(read) is transformers.GptOssConfig
    assert read.layer_types == [kind.value for kind in ODD.layer_kinds]
    assert (read.hidden_size, read.intermediate_size, read.num_local_experts) == (96, 160, 7)
    assert (read.rms_norm_eps, read.swiglu_limit, read.sliding_window) == (1e-6, 6.5, 5)
    rope = read.rope_parameters
    assert (rope["rope_theta"], rope["factor"], rope["truncate"]) == (9000.0, 16.0, True)
    assert (rope["beta_fast"], rope["beta_slow"]) == (30.0, 2.0)
    assert rope["original_max_position_embeddings"] == 2048
