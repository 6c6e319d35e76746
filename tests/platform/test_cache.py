"""The cache against a Valkey of its own: stale values never come back, absence is survived."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import psutil
import pytest

from chroniccare.platform import cache as cache_module
from chroniccare.platform.cache import Cache, Listing, LocalBucket, Rendered, open_cache
from chroniccare.platform.redis_connection import CacheAway, Reply, connect
from tests.platform.valkey import OwnValkey, own_valkey

OLD, NEW = Rendered(1, b'"old"'), Rendered(2, b'"new"')


@pytest.fixture
def valkey() -> Iterator[OwnValkey]:
    with own_valkey() as started:
        yield started


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Cache]:
    made = Cache(url)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
async def cache(valkey: OwnValkey) -> AsyncIterator[Cache]:
    async with opened(valkey.url) as made:
        yield made


async def back(cache: Cache) -> None:
    """Wait until the cache answers again."""
    deadline = time.monotonic() + 5
    while not await cache.ping():
        assert time.monotonic() < deadline, "the cache does not come back"
        await asyncio.sleep(0.01)


async def load_old() -> Rendered:
    return OLD


async def load_new() -> Rendered:
    return NEW


async def must_not_load() -> Rendered:
    raise AssertionError("loaded although it was cached")


async def ttl(url: str, key: str) -> object:
    connection = await connect(url)
    try:
        return await connection.send("TTL", key)
    finally:
        connection.close()


async def test_a_record_is_loaded_once_and_lives_as_long_as_asked(
    cache: Cache, valkey: OwnValkey
) -> None:
    assert await cache.through("k", 300, load_old) == OLD
    assert await cache.through("k", 300, must_not_load) == OLD
    assert await ttl(valkey.url, "k") in {299, 300}


async def test_bytes_come_back_as_they_were(cache: Cache) -> None:
    data = b'{"a":"\n\r\0 \xf0\x9f\x98\x80"}'

    async def load() -> Rendered:
        return Rendered(12, data)

    await cache.through("k", 60, load)
    assert await cache.through("k", 60, must_not_load) == Rendered(12, data)


async def test_who_read_the_old_row_cannot_put_it_back(cache: Cache) -> None:
    reading, changed = asyncio.Event(), asyncio.Event()

    async def slow() -> Rendered:
        reading.set()
        await changed.wait()
        return OLD

    reader = asyncio.create_task(cache.through("k", 300, slow))
    await reading.wait()
    await cache.drop(["k"], [])  # the change commits while the reader holds the old row
    changed.set()
    assert await reader == OLD  # its own answer may be the old row, read before the change
    assert await cache.get("k") is None
    assert await cache.through("k", 300, load_new) == NEW
    # Nothing is cached over the tombstone, which goes by itself.
    assert await cache.get("k") is None


async def test_a_cached_record_is_gone_with_the_drop(cache: Cache, valkey: OwnValkey) -> None:
    await cache.through("k", 300, load_old)
    await cache.drop(["k"], [])
    assert await cache.through("k", 300, load_new) == NEW
    left = await ttl(valkey.url, "k")
    assert isinstance(left, int)
    assert 5 < left <= 10  # longer than any statement may run


async def test_a_list_is_cached_until_its_generation_changes(cache: Cache) -> None:
    loads = 0

    async def load() -> Listing:
        nonlocal loads
        loads += 1
        return Listing(["a", "b"], b"page %d" % loads)

    assert (await cache.listed("list", ["f"], 60, load)).data == b"page 1"  # makes a generation
    second = await cache.listed("list", ["f"], 60, load)
    assert second == Listing(["a", "b"], b"page 2")
    assert await cache.listed("list", ["f"], 60, load) == second
    assert (await cache.listed("list", ["g"], 60, load)).data == b"page 3"
    await cache.drop([], ["list"])
    assert (await cache.listed("list", ["f"], 60, load)).data == b"page 4"
    assert (await cache.listed("list", ["g"], 60, load)).data == b"page 5"
    assert (await cache.listed("other", ["f"], 60, load)).data == b"page 6"


async def test_a_page_read_before_a_change_is_not_found_after_it(cache: Cache) -> None:
    async def quick() -> Listing:
        return Listing([], b"new")

    await cache.listed("list", [], 60, quick)  # makes a generation
    reading, changed = asyncio.Event(), asyncio.Event()

    async def slow() -> Listing:
        reading.set()
        await changed.wait()
        return Listing([], b"old")

    reader = asyncio.create_task(cache.listed("list", [], 60, slow))
    await reading.wait()
    await cache.drop([], ["list"])
    changed.set()
    assert (await reader).data == b"old"
    assert (await cache.listed("list", [], 60, quick)).data == b"new"


async def test_many_at_once_each_get_their_own_reply(cache: Cache) -> None:
    async def one(number: int) -> None:
        async def load() -> Rendered:
            return Rendered(number, b"%d" % number)

        await cache.through(f"k{number}", 60, load)
        assert await cache.get(f"k{number}") == b"%d\n%d" % (number, number)

    await asyncio.gather(*(one(number) for number in range(500)))


async def test_a_drop_made_while_the_cache_was_away_is_made_up_for(
    cache: Cache, valkey: OwnValkey
) -> None:
    """Valkey keeps its data through a cut connection, so what changed meanwhile must be dropped."""
    await cache.through("k", 300, load_old)
    assert cache.connection is not None
    cache.connection.close()
    await asyncio.sleep(0)
    await cache.drop(["k"], ["list"])
    assert set(cache.owed) == {"k", "list"}
    assert await cache.through("k", 300, load_new) == NEW  # away: straight from the source
    await back(cache)
    assert cache.owed == {}
    assert await cache.get("k") is None
    assert await cache.through("k", 300, load_new) == NEW
    assert await ttl(valkey.url, "list") == 86_400


async def test_the_cache_comes_back_after_it_was_killed(cache: Cache, valkey: OwnValkey) -> None:
    await cache.through("k", 300, load_old)
    valkey.kill()
    assert await cache.through("k", 300, load_new) == NEW
    assert await cache.ping() is False
    await cache.drop(["k"], [])
    with pytest.raises(CacheAway):
        await cache.take("bucket", per_second=1, burst=1)
    valkey.start()
    await back(cache)
    assert cache.owed == {}
    # The script is gone with the old process.
    assert (await cache.take("bucket", per_second=1, burst=1)).allowed


async def test_with_too_many_owed_drops_it_rests_until_everything_cached_has_expired(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "_MAX_OWED", 10)
    monkeypatch.setattr(cache_module, "_LONGEST_S", 1.5)
    await cache.through("unrelated", 300, load_old)
    assert cache.connection is not None
    cache.connection.close()
    await asyncio.sleep(0)
    await cache.drop([f"k{number}" for number in range(11)], [])
    assert cache.owed == {}
    await asyncio.sleep(0.7)
    assert not await cache.ping()
    await back(cache)


async def test_a_drop_that_is_refused_closes_the_connection(
    cache: Cache, valkey: OwnValkey
) -> None:
    """A cache that takes no writes would go on answering with what it held before."""
    await cache.through("k", 300, load_old)
    connection = await connect(valkey.url)
    await connection.send("CONFIG", "SET", "maxmemory", "1")
    await cache.drop(["k"], [])
    assert await cache.get("k") is None
    assert set(cache.owed) == {"k"}
    await connection.send("CONFIG", "SET", "maxmemory", "0")
    connection.close()
    await back(cache)
    assert cache.owed == {}
    assert await cache.get("k") is None


async def test_a_cache_that_hangs_costs_half_a_second_once(cache: Cache, valkey: OwnValkey) -> None:
    await cache.through("k", 300, load_old)
    assert valkey.process is not None
    valkey.process.send_signal(signal.SIGSTOP)
    try:
        started = time.monotonic()
        answers = await asyncio.gather(*(cache.through("k", 300, load_new) for _ in range(50)))
        waited = time.monotonic() - started
        assert answers == [NEW] * 50
        assert 0.4 < waited < 1.5
        started = time.monotonic()
        await cache.through("k", 300, load_new)
        assert time.monotonic() - started < 0.1
    finally:
        valkey.process.send_signal(signal.SIGCONT)
    await back(cache)


async def raw(valkey: OwnValkey, *words: bytes | str) -> Reply:
    """Do what somebody does who reaches the cache, but not our secret."""
    connection = await connect(valkey.url)
    try:
        return await connection.send(*words)
    finally:
        connection.close()


async def test_sec_08_a_value_is_served_under_its_own_key_alone(
    cache: Cache, valkey: OwnValkey
) -> None:
    await cache.through("patient:a:1", 300, load_old)
    held = await raw(valkey, "GET", "patient:a:1")
    assert isinstance(held, bytes)
    await raw(valkey, "SET", "patient:b:1", held)
    assert await cache.through("patient:b:1", 300, load_new) == NEW
    assert await cache.through("patient:a:1", 300, must_not_load) == OLD
    # What was put there is gone, so that the right value can take its place.
    assert await raw(valkey, "GET", "patient:b:1") == b""


@pytest.mark.parametrize(
    "garbage", [b"x", b"1\n{}", bytes(16), bytes(16) + b"1\n{}", b"\xff" * 40, b"\n" * 16 + b"1\n"]
)
async def test_sec_08_garbage_is_a_miss(cache: Cache, valkey: OwnValkey, garbage: bytes) -> None:
    await raw(valkey, "SET", "patient:a:1", garbage)
    assert await cache.through("patient:a:1", 300, load_old) == OLD


async def test_sec_08_every_flipped_bit_is_a_miss(cache: Cache, valkey: OwnValkey) -> None:
    await cache.through("k", 300, load_old)
    held = await raw(valkey, "GET", "k")
    assert isinstance(held, bytes)
    for bit in range(len(held) * 8):
        altered = bytearray(held)
        altered[bit // 8] ^= 1 << bit % 8
        await raw(valkey, "SET", "k", bytes(altered))
        assert await cache.get("k") is None


async def test_sec_08_who_has_another_secret_is_not_believed(valkey: OwnValkey) -> None:
    async with opened(valkey.url) as one, opened(valkey.url) as other:
        one.secret, other.secret = b"one", b"other"
        await one.through("k", 300, load_old)
        assert await other.through("k", 300, load_new) == NEW


async def test_without_a_url_there_is_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "_cache", cache_module.cache())  # put back afterwards
    none = await open_cache("")
    assert cache_module.cache() is none
    assert await none.through("k", 60, load_old) == OLD
    assert await none.through("k", 60, load_new) == NEW
    await none.drop(["k"], ["list"])
    assert not await none.ping()
    await none.close()


async def test_a_cache_that_is_not_there_yet_is_no_error(valkey: OwnValkey) -> None:
    valkey.kill()
    async with opened(valkey.url) as cache:
        assert await cache.through("k", 60, load_old) == OLD
        valkey.start()
        await back(cache)


async def test_a_password_and_a_database_are_used(valkey: OwnValkey) -> None:
    owner = await connect(valkey.url)
    await owner.send("CONFIG", "SET", "bind", "127.0.0.1", "port", "0")
    await owner.send("ACL", "SETUSER", "clinic", "on", ">a p@ss", "~*", "+@all")
    port = None
    for candidate in range(21_000, 21_200):
        if await owner.send("CONFIG", "SET", "port", str(candidate)) == b"OK":
            port = candidate
            break
    assert port is not None
    async with opened(f"redis://clinic:a%20p%40ss@127.0.0.1:{port}/3") as cache:
        await cache.through("k", 60, load_old)
        assert await cache.get("k") is not None
    await owner.send("SELECT", "3")
    assert await owner.send("EXISTS", "k") == 1
    with pytest.raises(CacheAway):
        await connect(f"redis://clinic:wrong@127.0.0.1:{port}/3")
    owner.close()


async def test_the_bucket_and_the_local_one_do_the_same_sums(cache: Cache) -> None:
    local = LocalBucket()
    for number in range(8):
        served = await cache.take("b", per_second=0.5, burst=5)
        own = local.take("b", per_second=0.5, burst=5)
        assert served == own
        assert served.allowed is (number < 5)
        assert served.remaining == max(0, 4 - number)
        assert served.limit == 5
        assert served.wait_s == (0 if number < 4 else 2)
    for bucket in (served, own):
        assert bucket.reset_s == 10


async def test_a_bucket_is_forgotten_when_it_is_full_again(cache: Cache, valkey: OwnValkey) -> None:
    await cache.take("b", per_second=10, burst=5)
    left = await ttl(valkey.url, "b")
    assert isinstance(left, int)
    assert 0 < left <= 2


async def test_buckets_are_exact_under_concurrency(cache: Cache) -> None:
    taken = await asyncio.gather(
        *(cache.take("b", per_second=0.001, burst=100) for _ in range(300))
    )
    assert sum(one.allowed for one in taken) == 100


async def test_the_local_bucket_fills_with_time() -> None:
    local = LocalBucket()
    while local.take("b", per_second=50, burst=3).allowed:
        pass
    await asyncio.sleep(0.03)
    assert local.take("b", per_second=50, burst=3).allowed
    assert local.take("other", per_second=50, burst=3).remaining == 2


async def test_a_drop_made_while_it_reconnects_comes_before_any_read(cache: Cache) -> None:
    cache.put("k", b"1\nold", 300)
    assert await cache.get("k")
    assert cache.connection is not None
    cache.connection.close()
    await asyncio.sleep(0)
    while cache.connection is None or cache.connection.transport is None:
        await cache.drop(["k"], [])  # at whatever point of the reconnection this falls
        await asyncio.sleep(0.003)
    assert await cache.get("k") is None


async def test_a_refused_password_leaves_no_connection_behind(valkey: OwnValkey) -> None:
    before = len(psutil.Process().net_connections("unix"))
    wrong = Cache(valkey.url.replace("unix://", "unix://:wrong@"))
    await wrong.open()
    await asyncio.sleep(0.1)
    assert not await wrong.ping()
    await wrong.close()
    await asyncio.sleep(0.1)
    assert len(psutil.Process().net_connections("unix")) <= before
