from benchmarks.engine_soak import Load


def test_minutes_of_random_load_lose_nothing() -> None:
    load = Load(seed=3)
    load.run(180)
    load.finish()
    assert load.num_admitted > 400
    assert load.core.statistics.num_preemptions > 0
    assert load.core.statistics.num_cached_tokens > 0
    assert load.num_ended == load.num_admitted
    assert load.num_ended_twice == 0
    assert load.core.pool.num_free == load.core.pool.num_pages
