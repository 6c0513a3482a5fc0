from model.page_pool import PagePool
from workers.cache.page_digests import PageDigests
from workers.cache.prefix_index import Hit, PrefixIndex

TOKENS = list(range(20))
DIGESTS = PageDigests(b"salt", page_size=4).first(5, TOKENS)


def filled(pool: PagePool) -> tuple[PrefixIndex, list[int]]:
    """Five pages of a prefix, in use."""
    index = PrefixIndex(pool)
    pages = pool.take(5)
    for digest, page in zip(DIGESTS, pages, strict=True):
        index.add(digest, page)
    return index, pages


def test_a_hit_ends_where_a_tail_is() -> None:
    pool = PagePool(12)
    index, pages = filled(pool)
    assert index.longest(DIGESTS) == Hit()
    tail = pool.take(2)
    index.add_tail(DIGESTS[2], tail)
    assert index.longest(DIGESTS) == Hit(tuple(pages[:3]), tuple(tail))
    assert index.longest(DIGESTS[:2]) == Hit()
    longer = pool.take(2)
    index.add_tail(DIGESTS[4], longer)
    assert index.longest(DIGESTS) == Hit(tuple(pages), tuple(longer))
    assert index.longest(DIGESTS[:4]) == Hit(tuple(pages[:3]), tuple(tail))


def test_a_page_in_the_middle_that_is_reused_ends_the_prefix_there() -> None:
    pool = PagePool(7)
    index, pages = filled(pool)
    early, late = pool.take(2)
    index.add_tail(DIGESTS[0], [early])
    index.add_tail(DIGESTS[4], [late])
    pool.give_back([pages[1]])
    assert pool.take(1) == [pages[1]]
    assert index.longest(DIGESTS) == Hit((pages[0],), (early,))
    assert len(index) == 4


def test_a_tail_goes_with_its_page() -> None:
    pool = PagePool(7)
    index, pages = filled(pool)
    tail = pool.take(2)
    index.add_tail(DIGESTS[4], tail)
    pool.give_back([pages[4], *tail])
    assert pool.num_kept == 3
    assert pool.take(1) == [pages[4]]
    assert pool.num_kept == 0
    assert set(pool.blank_pages) == set(tail)
    assert index.tail_of(DIGESTS[4]) == ()


def test_a_tail_that_lost_a_page_is_none() -> None:
    pool = PagePool(7)
    index, _ = filled(pool)
    tail = pool.take(2)
    index.add_tail(DIGESTS[3], tail)
    pool.give_back(tail)
    pool.take(1)
    assert index.longest(DIGESTS) == Hit()
    assert len(pool.blank_pages) == 1  # the tail's other page is wanted by nobody
    assert len(index) == 5


def test_tails_may_share_pages() -> None:
    pool = PagePool(8)
    index, pages = filled(pool)
    a, b, c = pool.take(3)
    index.add_tail(DIGESTS[1], [a, b])
    index.add_tail(DIGESTS[2], [b, c])
    pool.give_back([a, b, c])
    index.drop(pages[1])
    assert set(pool.blank_pages) == {a}
    assert index.tail_of(DIGESTS[2]) == (b, c)


def test_of_two_pages_with_the_same_content_the_first_stays() -> None:
    pool = PagePool(7)
    index, pages = filled(pool)
    (twin,) = pool.take(1)
    index.add(DIGESTS[0], twin)
    pool.give_back([twin])
    assert twin in pool.blank_pages
    index.add_tail(DIGESTS[0], [pages[3]])
    assert index.longest(DIGESTS[:1]).full == (pages[0],)


def test_digests_tell_prefixes_and_salts_apart() -> None:
    other = [*TOKENS[:3], 99, *TOKENS[4:]]
    same_page_elsewhere = PageDigests(b"salt", 4).first(5, other)
    assert not set(same_page_elsewhere) & set(DIGESTS)
    assert not set(PageDigests(b"salz", 4).first(5, TOKENS)) & set(DIGESTS)
    assert PageDigests(b"salt", 4).first(3, [*TOKENS[:12], 7, 7]) == DIGESTS[:3]


def test_digests_grow_with_the_tokens() -> None:
    digests = PageDigests(b"salt", 4)
    tokens = TOKENS[:9]
    assert list(digests.first(2, tokens)) == list(DIGESTS[:2])
    tokens += TOKENS[9:]
    assert list(digests.first(5, tokens)) == list(DIGESTS)
    assert digests[4] == DIGESTS[4]


def test_a_copy_goes_its_own_way() -> None:
    first = PageDigests(b"salt", 4)
    first.first(3, TOKENS[:12])
    second = first.copy()
    other = [*TOKENS[:12], 7, 7, 7, 7]
    assert second.first(4, other)[:3] == list(DIGESTS[:3])
    assert second[3] != DIGESTS[3]
    assert first.first(5, TOKENS) == DIGESTS
