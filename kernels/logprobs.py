"""Log-probabilities of tokens under the model's own distribution, softmax(logits), and the likeliest tokens.

Not the distribution that is sampled from: no penalty, bias, temperature or filter is in it.
`model.sampling` calls both functions. The sum of the softmax is in integers, see `kernels.sample`.
"""

import torch
from torch import Tensor

from kernels.sample import GREATEST_WEIGHT, rank_keys, token_ids_of, weigh


def log_probabilities(logits: Tensor, token_ids: Tensor) -> Tensor:
    """`logits` [rows, vocab] float32, `token_ids` [rows, n]; [rows, n] float64."""
    peaks = logits.amax(dim=1, keepdim=True)  # [rows, 1]
    totals = weigh(logits - peaks).sum(dim=1, keepdim=True)  # [rows, 1]; the peak itself is GREATEST_WEIGHT
    # log1p keeps every digit of a sum that is nearly the peak alone: a logprob near 0.
    log_totals = torch.log1p((totals - GREATEST_WEIGHT).double() / GREATEST_WEIGHT)  # [rows, 1]
    return logits.gather(1, token_ids).double() - peaks.double() - log_totals


def likeliest(logits: Tensor, num_tokens: int) -> Tensor:
    """[rows, num_tokens] ids, likeliest first; of equals the lowest id first (torch.topk promises none)."""
    return token_ids_of(rank_keys(logits).topk(num_tokens, dim=1).values)
