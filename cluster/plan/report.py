"""A plan as text that a person likes to read, and as JSON with the same numbers.

Not here: any reckoning. `expertmesh plan` prints this. Pure.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from textwrap import fill

from cluster.plan.advice import Comparison
from cluster.plan.footprint import Footprint
from cluster.plan.mesh_plan import MeshPlan, Shard, ShardKind
from cluster.plan.roofline import StepTime, most_sequences, step_time
from cluster.plan.summary import made_of, what_and_where
from cluster.plan.wire import TokenTraffic
from cluster.plan.words import bytes_in_words, counted

_NOTHING = "-"
_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Report:
    """`num_sequences` and `context` are what the advice is about; the table has other batches too."""

    model: str
    plan: MeshPlan
    comparison: Comparison
    num_sequences: int
    context: int

    def to_text(self) -> str:
        parts = [self._heading(), self._shards(), self._cache(), self._steps()]
        if self.plan.experts:
            parts.append(self._wire())
        advice = f"At {counted(self.num_sequences, 'sequence')}: {self.comparison}."
        return "\n\n".join([*parts, fill(advice, _WIDTH)])

    def to_json(self) -> str:
        traffic = self._traffic()
        document: Mapping[str, object] = {
            "model": self.model,
            "weight_bytes": Footprint(self.plan.config, self.plan.dense_bytes).whole,
            "shards": [self._shard_document(shard) for shard in self.plan.shards],
            "stages": self.plan.stages,
            "context_limit": self.plan.context_limit,
            "cache_tokens": self.plan.cache_tokens,
            "context": self.context,
            "most_sequences": most_sequences(self.plan, self.context),
            "steps": [asdict(time) | {"tokens_per_s": time.tokens_per_s} for time in self._times()],
            "wire_bytes_per_token_and_layer": None if traffic is None else asdict(traffic),
            "advice": str(self.comparison),
        }
        return json.dumps(document, indent=2)

    def _heading(self) -> str:
        return f"{self.model}, {what_and_where(self.plan)}\n{made_of(self.plan)}"

    def _shards(self) -> str:
        rows = [["shard", "node", "device", "holds", "weights", "work", "cache", "tokens", "free"]]
        rows += [self._row(shard) for shard in self.plan.shards]
        return _table(rows, num_left=4)

    def _row(self, shard: Shard) -> list[str]:
        return [
            shard.name,
            shard.place.node,
            str(shard.place),
            self._holds(shard),
            bytes_in_words(shard.weight_bytes),
            bytes_in_words(shard.work_bytes),
            bytes_in_words(shard.cache_bytes) if shard.cache_bytes else _NOTHING,
            f"{shard.cache_tokens:,}" if shard.cache_tokens else _NOTHING,
            bytes_in_words(self.plan.free_bytes(shard.place)),
        ]

    def _holds(self, shard: Shard) -> str:
        match shard.kind:
            case ShardKind.WHOLE:
                return "all"
            case ShardKind.EXPERTS:
                return f"{shard.num_pairs / self.plan.config.num_layers:.3g} experts a layer"
            case _:
                ends = ", ends" if shard.layers[0] == 0 else ""
                return f"layers {shard.layers[0]}-{shard.layers[-1]}{ends}"

    def _cache(self) -> str:
        return (
            f"The cache holds {self.plan.cache_tokens:,} tokens: {most_sequences(self.plan, self.context):,} "
            f"sequences of {self.context:,}.\nA sequence can have {self.plan.context_limit:,}."
        )

    def _times(self) -> list[StepTime]:
        batch = self.num_sequences
        sizes = sorted({1, max(1, batch // 8), batch, batch * 8})
        return [step_time(self.plan, size, self.context) for size in sizes]

    def _steps(self) -> str:
        most = most_sequences(self.plan, self.context)
        rows = [["sequences", "attention", "experts", "wire", "step", "tokens/s", ""]]
        for time in self._times():
            note = "more than the cache holds" if time.num_sequences > most else ""
            if not note and time.is_waiting:
                note = "workers wait for a shared device"
            rows.append(
                [
                    f"{time.num_sequences:,}",
                    _milliseconds(time.attention_s),
                    _milliseconds(time.experts_s),
                    _milliseconds(time.wire_s),
                    _milliseconds(time.step_s),
                    f"{time.tokens_per_s:,.0f}",
                    note,
                ]
            )
        title = f"A step of decoding with {self.context:,} tokens of context, at best (roofline):"
        return f"{title}\n{_table(rows, num_left=0, notes=True)}"

    def _wire(self) -> str:
        traffic = self._traffic()
        assert traffic is not None
        total = self.plan.config.num_layers * traffic.exact
        return (
            f"In a layer a token visits {traffic.shards:.2f} of {counted(len(self.plan.experts), 'shard')}: "
            f"{traffic.dispatch / 1e3:.1f} KB there, {traffic.exact_reply / 1e3:.1f} KB back (reduced: "
            f"{traffic.reduced_reply / 1e3:.1f}),\n{total / 1e6:.2f} MB a token in all."
        )

    def _traffic(self) -> TokenTraffic | None:
        if not self.plan.experts:
            return None
        return TokenTraffic.of(self.plan.config, len(self.plan.experts))

    def _shard_document(self, shard: Shard) -> Mapping[str, object]:
        return {
            "name": shard.name,
            "kind": shard.kind,
            "node": shard.place.node,
            "device": str(shard.place),
            "layers": shard.layers,
            "experts": shard.num_pairs,
            "weight_bytes": shard.weight_bytes,
            "work_bytes": shard.work_bytes,
            "cache_bytes": shard.cache_bytes,
            "cache_tokens": shard.cache_tokens,
            "free_bytes": self.plan.free_bytes(shard.place),
        }


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.2f} ms" if seconds else _NOTHING


def _table(rows: Sequence[Sequence[str]], *, num_left: int, notes: bool = False) -> str:
    """The first columns to the left, the others to the right; notes behind them as they are."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell
            if notes and index == len(row) - 1
            else cell.ljust(width)
            if index < num_left
            else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
