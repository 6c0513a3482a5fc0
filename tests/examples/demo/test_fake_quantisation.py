import torch

from examples.demo.fake_quantisation import as_mxfp4, rounded_to_mxfp4
from kernels.mxfp4 import dequantize, quantize


def test_it_is_what_a_checkpoint_holds() -> None:
    """To the last bit: for numbers of all sizes, for ties between two codes, and for a block of zeros."""
    generator = torch.Generator().manual_seed(1)
    sizes = torch.exp2(torch.randint(-20, 20, (3, 7, 3, 1), generator=generator).float())
    scattered = (torch.randn(3, 7, 3, 32, generator=generator) * sizes).flatten(-2)
    ties = torch.tensor([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0, 6.0]).repeat(3, 7, 12)
    for weight in (scattered, ties, -ties, torch.zeros(3, 7, 96)):
        assert torch.equal(rounded_to_mxfp4(weight), dequantize(quantize(weight), torch.float32))


def test_gradients_pass_as_they_are() -> None:
    weight = torch.randn(5, 64, requires_grad=True)
    wanted = torch.randn(5, 64)
    (as_mxfp4(weight, torch.float32) * wanted).sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    assert torch.equal(weight.grad, wanted)
