"""The first placement, before anything has been measured: every worker gets an even part of every layer.

Each layer is a circle of its experts, once round for each replica, cut into one arc per worker, with the
workers of a node side by side. An arc of at most one round holds no expert twice, so replicas are on other
workers, and on other nodes where the arcs of a node are at most one round together. And the experts of a
worker are neighbours, which it reads from the checkpoint in one go.

Not here: loads (`router.balance`). The planner and the controller call this. Pure.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby

from protos.errors import DoesNotFitError
from router.expert_host import ExpertHost
from router.placement import Placement


def spread(
    workers: Sequence[ExpertHost], *, num_layers: int, num_experts: int, replicas: int = 1, epoch: int = 0
) -> Placement:
    """Every expert on so many workers; DoesNotFitError, in words, where there is no room for that."""
    by_node = _workers_by_node(workers)
    _check(workers, by_node, num_layers * num_experts, replicas)
    most = [min(worker.num_slots, num_layers * num_experts) for worker in workers]
    node_shares = _node_shares(by_node, most, num_layers * num_experts, replicas)
    counts = [[0] * len(workers) for _ in range(num_layers)]  # [layers][workers]
    for node, node_counts in zip(
        by_node, _deal(node_shares, [num_experts * replicas] * num_layers), strict=True
    ):
        shares = _fill([most[worker] for worker in node], sum(node_counts))
        for worker, worker_counts in zip(node, _deal(shares, node_counts), strict=True):
            for layer, count in enumerate(worker_counts):
                counts[layer][worker] = count
    order = [worker for node in by_node for worker in node]
    hosts = tuple(_cut_circle(order, layer_counts, num_experts) for layer_counts in counts)
    return Placement(epoch, tuple(worker.name for worker in workers), hosts)


def _workers_by_node(workers: Sequence[ExpertHost]) -> list[list[int]]:
    order = sorted(range(len(workers)), key=lambda worker: (workers[worker].node, worker))
    usable = (worker for worker in order if workers[worker].num_slots)
    return [list(group) for _, group in groupby(usable, key=lambda worker: workers[worker].node)]


def _check(workers: Sequence[ExpertHost], by_node: list[list[int]], num_pairs: int, replicas: int) -> None:
    num_usable = sum(map(len, by_node))
    if num_usable < replicas or not num_usable:
        raise DoesNotFitError(
            f"{replicas} replicas of every expert need as many workers with room for experts, and there are "
            f"{num_usable}; add workers or ask for fewer replicas"
        )
    most_of_node = num_pairs * -(-replicas // len(by_node))
    rooms = [
        min(most_of_node, sum(min(workers[each].num_slots, num_pairs) for each in node)) for node in by_node
    ]
    if sum(rooms) < num_pairs * replicas:
        raise DoesNotFitError(
            f"{num_pairs} experts with {replicas} replicas each take {num_pairs * replicas} slots; the "
            f"{num_usable} workers on {len(by_node)} nodes have {sum(rooms)} of use, with replicas on nodes "
            f"of their own; add workers, give them more memory, or ask for fewer replicas"
        )


def _node_shares(by_node: list[list[int]], most: list[int], num_pairs: int, replicas: int) -> list[int]:
    """How many slots of each node are used: no more of a worker than need be, no more rounds than it may."""
    most_of_node = num_pairs * -(-replicas // len(by_node))

    def shares_at(level: int) -> list[int]:
        return [min(most_of_node, sum(min(most[each], level) for each in node)) for node in by_node]

    total, low, high = num_pairs * replicas, 0, num_pairs
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if sum(shares_at(middle)) < total else (low, middle)
    shares = shares_at(low)
    for node, limit in enumerate(shares_at(high)):
        shares[node] += min(limit - shares[node], total - sum(shares))
    return shares


def _fill(most: Sequence[int], total: int) -> list[int]:
    """`total` in parts as even as their limits allow."""
    parts = [0] * len(most)
    left = total
    for num_behind, index in zip(
        range(len(most), 0, -1), sorted(range(len(most)), key=lambda index: most[index]), strict=True
    ):
        parts[index] = min(most[index], -(-left // num_behind))
        left -= parts[index]
    return parts


def _deal(shares: Sequence[int], layer_counts: Sequence[int]) -> list[list[int]]:
    """Each share cut into its even parts, one a layer, so that every layer's parts make up its count.

    `layer_counts` differ by one at most. -> [shares][layers]
    """
    num_layers = len(layer_counts)
    parts = [[share // num_layers] * num_layers for share in shares]
    rest = [share % num_layers for share in shares]
    layers = _layers_of_the_rest(
        [count - sum(share // num_layers for share in shares) for count in layer_counts]
    )
    for part, (first, last) in zip(parts, _ranges(rest), strict=True):
        for layer in layers[first:last]:
            part[layer] += 1
    return parts


def _layers_of_the_rest(counts: Sequence[int]) -> list[int]:
    """Each layer so often as its count says; within fewer than all layers in a row, none comes twice."""
    least = min(counts)
    fuller = [layer for layer, count in enumerate(counts) if count > least]
    others = [layer for layer, count in enumerate(counts) if count == least]
    return (fuller + others) * least + fuller


def _ranges(lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    ends = list(accumulate(lengths))
    return zip([0, *ends], ends, strict=False)


def _cut_circle(order: Sequence[int], counts: Sequence[int], num_experts: int) -> tuple[tuple[int, ...], ...]:
    """`counts` by worker -> [experts] hosts of one layer."""
    hosts: list[list[int]] = [[] for _ in range(num_experts)]
    for worker, (first, last) in zip(order, _ranges([counts[worker] for worker in order]), strict=True):
        for position in range(first, last):
            hosts[position % num_experts].append(worker)
    return tuple(tuple(sorted(workers)) for workers in hosts)
