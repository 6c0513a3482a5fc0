from model.sampling.parameters import SamplingParameters
from model.sampling.token_counts import TokenCounts
from workers.engine.sampler_rows import SamplerRows
from workers.engine.step_work import FREE, Draw

PENALISED = SamplingParameters(frequency_penalty=0.5, seed=1)


def draw(history: list[int], parameters: SamplingParameters = PENALISED, key: int = 7) -> Draw:
    return Draw(key, 3, parameters, history, 2, FREE)


def as_dict(counts: TokenCounts | None) -> dict[int, int]:
    assert counts is not None
    return dict(zip(counts.token_ids.tolist(), counts.output_counts.tolist(), strict=True))


def test_each_draft_is_counted_in_the_rows_behind_it_alone() -> None:
    rows = SamplerRows().of(draw([4, 5, 6, 6]), (6, 9))
    assert [row.position for row in rows] == [4, 5, 6]
    assert {row.choice for row in rows} == {3}
    assert [as_dict(row.counts) for row in rows] == [
        {4: 0, 5: 0, 6: 2},
        {4: 0, 5: 0, 6: 3},
        {4: 0, 5: 0, 6: 3, 9: 1},
    ]


def test_counts_follow_the_history_from_step_to_step() -> None:
    rows = SamplerRows()
    history = [4, 5]
    for written in ([], [5], [8, 8], [4]):
        history += written
        (row,) = rows.of(draw(history), ())
        assert as_dict(row.counts) == as_dict(TokenCounts(history[:2], history[2:]))


def test_a_choice_that_ended_leaves_nothing_behind() -> None:
    rows = SamplerRows()
    rows.of(draw([4, 5, 6]), ())
    rows.forget(7)
    rows.forget(8)
    (row,) = rows.of(draw([1, 2]), ())
    assert as_dict(row.counts) == {1: 0, 2: 0}


def test_without_penalties_nothing_is_counted() -> None:
    assert [row.counts for row in SamplerRows().of(draw([4, 5], SamplingParameters(seed=1)), (6,))] == [
        None,
        None,
    ]
