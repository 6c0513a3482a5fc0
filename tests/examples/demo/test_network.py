"""The network that is trained and the product's forward pass of what it is exported as: the same logits."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch

from examples.demo.batches import make_batch
from examples.demo.curriculum import examples
from examples.demo.export import export
from examples.demo.network import TrainedNetwork
from examples.demo.recipe import DEMO_CONFIG
from examples.demo.rendering import ExampleRenderer
from examples.demo.split import Split
from kernels.rope import rotate
from model.config import ModelConfig
from model.gpt_oss import rotary_table_of
from tests.examples.demo.conftest import VOCAB_SIZE
from tests.model.runner import FULL, SLIDING, Runner, load_float32

CONFIG = ModelConfig(
    vocab_size=VOCAB_SIZE,
    hidden_size=64,
    intermediate_size=96,
    head_dim=16,
    num_query_heads=6,
    num_kv_heads=2,
    num_experts=7,
    experts_per_token=3,
    layer_kinds=(SLIDING, FULL, SLIDING),
    sliding_window=20,
    max_positions=512,
    swiglu_limit=1.0,
)


def stirred(config: ModelConfig, products: torch.dtype) -> TrainedNetwork:
    """Weights that differ everywhere, also where training begins with ones; all fit into bfloat16."""
    network = TrainedNetwork(config, seed=2, products=products)
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.2)
            parameter.copy_(parameter.bfloat16())
    return network


def test_logits_are_those_of_the_exported_checkpoint(renderer: ExampleRenderer, tmp_path: Path) -> None:
    network = stirred(CONFIG, torch.float32)
    export(network, tmp_path)
    config, weights = load_float32(tmp_path)
    assert config == CONFIG
    rendered = [*map(renderer.render, islice(examples(8, Split.TRAINING), 6))]
    batch = make_batch(rendered, num_groups=3)
    with torch.no_grad():
        logits = network(batch).logits
    ordered = sorted(rendered, key=len)
    first = 0
    for each in ordered:
        tokens = (*each.prompt, *each.reply)[:-1]
        expected = Runner(config, weights).run(tokens, [len(tokens)])[-len(each.reply) :]
        found = logits[first : first + len(each.reply)]
        first += len(each.reply)
        # float32 in two orders of addition through three layers, on logits of size about 30.
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-3)
        assert expected.abs().max() > 5
    assert first == len(logits)


def test_products_in_bfloat16_are_near(renderer: ExampleRenderer) -> None:
    batch = make_batch([*map(renderer.render, islice(examples(8, Split.TRAINING), 4))], num_groups=2)
    with torch.no_grad():
        exact = stirred(CONFIG, torch.float32)(batch).logits
        rounded = stirred(CONFIG, torch.bfloat16)(batch).logits
    similarity = torch.cosine_similarity(exact, rounded)
    # Rounding may send a token to another expert now and then; the same direction remains.
    assert similarity.median() > 0.99
    assert not torch.equal(exact, rounded)


def test_conversations_do_not_see_each_other(renderer: ExampleRenderer) -> None:
    rendered = [*map(renderer.render, islice(examples(9, Split.TRAINING), 5))]
    network = TrainedNetwork(replace(CONFIG, swiglu_limit=7.0), seed=2, products=torch.float32)
    with torch.no_grad():
        together = network(make_batch(rendered, num_groups=1)).logits
        alone = [network(make_batch([each], num_groups=1)).logits for each in sorted(rendered, key=len)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-4)  # float32 in other shapes


def test_heads_of_the_first_layer_begin_by_looking_back() -> None:
    """Whatever the tokens are: the first by one place, the next by two, and so on."""
    network = TrainedNetwork(DEMO_CONFIG, seed=5, products=torch.float32)
    config, layer = DEMO_CONFIG, network.trained_layers[0]
    length, num_heads = 50, config.num_query_heads // config.num_kv_heads
    x = torch.randn(length, config.hidden_size, generator=torch.Generator().manual_seed(1))
    heads = torch.nn.functional.linear(x, layer.qkv, layer.qkv_bias).view(length, -1, config.head_dim)
    rotated = rotate(heads, rotary_table_of(config), torch.arange(length))
    query, key = rotated[:, :num_heads], rotated[:, config.num_query_heads]
    scores = torch.einsum("qhd,kd->hqk", query, key) * config.head_dim**-0.5
    scores.masked_fill_(torch.ones(length, length).triu(1).bool(), -torch.inf)
    seen = scores.argmax(dim=-1)[:, num_heads:]
    for places, of_head in enumerate(seen, start=1):
        assert torch.equal(of_head, torch.arange(num_heads, length) - places)
