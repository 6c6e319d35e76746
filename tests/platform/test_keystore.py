"""The store of tenants' keys: whole or not there, the same everywhere, gone once destroyed."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from chroniccare.platform import keystore, masterkey_file
from chroniccare.platform.keystore import Keystore, NotInStore
from chroniccare.settings import SettingsError, load

ONE, OTHER = uuid4(), uuid4()


@pytest.fixture
def store(tmp_path: Path) -> Keystore:
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        folder.mkdir(mode=0o700)
    return Keystore(folders)


def test_what_is_wrapped_opens_for_its_tenant_alone(store: Keystore) -> None:
    wrapped = store.wrap(ONE, b"data", first=True)
    assert b"data" not in wrapped
    assert store.unwrap(ONE, wrapped) == b"data"
    with pytest.raises(NotInStore, match=f"no key of tenant {OTHER}"):
        store.unwrap(OTHER, wrapped)
    store.wrap(OTHER, b"data", first=True)
    with pytest.raises(NotInStore, match="is another one"):
        store.unwrap(OTHER, wrapped)
    with pytest.raises(NotInStore, match="is another one"):
        store.unwrap(ONE, wrapped[:5])


def test_of_many_at_once_all_use_the_same_key(store: Keystore) -> None:
    with ThreadPoolExecutor(16) as pool:
        wrapped = list(pool.map(lambda _: store.wrap(ONE, b"data", first=True), range(200)))
    assert {store.unwrap(ONE, one) for one in wrapped} == {b"data"}
    names = [[one.name for one in folder.iterdir()] for folder in store.directories]
    assert names == [[f"{ONE}.key"]] * 2
    modes = {stat.S_IMODE(next(folder.iterdir()).stat().st_mode) for folder in store.directories}
    assert modes == {0o600}


def test_one_directory_is_enough_to_read_and_all_are_needed_to_write(store: Keystore) -> None:
    wrapped = store.wrap(ONE, b"data", first=True)
    first, second = store.directories
    (first / f"{ONE}.key").unlink()
    assert store.unwrap(ONE, wrapped) == b"data"
    assert (
        store.unwrap(ONE, store.wrap(ONE, b"more", first=True)) == b"more"
    )  # and the first has it again
    (second / f"{ONE}.key").write_bytes(os.urandom(32))
    with pytest.raises(NotInStore, match="copy it from there"):
        store.wrap(ONE, b"data", first=True)
    second.rename(second.with_name("away"))
    with pytest.raises(FileNotFoundError):
        store.wrap(OTHER, b"data", first=True)
    with pytest.raises(FileNotFoundError):
        store.destroy(ONE)


def test_what_is_destroyed_is_gone_from_everywhere_and_may_be_again(store: Keystore) -> None:
    wrapped = store.wrap(ONE, b"data", first=True)
    kept = store.wrap(OTHER, b"data", first=True)
    for _ in range(2):
        store.destroy(ONE)
        with pytest.raises(NotInStore):
            store.unwrap(ONE, wrapped)
        with pytest.raises(NotInStore, match="it was erased"):
            store.wrap(ONE, b"data")
    assert store.unwrap(OTHER, kept) == b"data"


def test_a_key_that_a_killed_process_left_under_another_name_is_destroyed_too(
    store: Keystore,
) -> None:
    store.wrap(ONE, b"data", first=True)
    store.wrap(OTHER, b"data", first=True)
    for folder in store.directories:
        (folder / f".{ONE}.key.00ff00ff00ff00ff").hardlink_to(folder / f"{ONE}.key")
    store.destroy(ONE)
    names = [[one.name for one in folder.iterdir()] for folder in store.directories]
    assert names == [[f"{OTHER}.key"]] * 2


def test_what_others_may_read_is_refused(store: Keystore) -> None:
    wrapped = store.wrap(ONE, b"data", first=True)
    first, second = store.directories
    (first / f"{ONE}.key").chmod(0o640)
    with pytest.raises(NotInStore, match="other accounts may read"):
        store.unwrap(ONE, wrapped)
    told = {"CHRONICCARE_TENANT_KEY_DIRS": f"{first}, {second}"}
    assert keystore.opened(load(told)) == store
    second.chmod(0o750)
    with pytest.raises(SettingsError, match="others may look into"):
        keystore.opened(load(told))
    second.rename(second.with_name("away"))
    with pytest.raises(SettingsError, match="is no directory"):
        keystore.opened(load(told))
    assert keystore.opened(load({})) is None


async def test_a_store_needs_master_keys_besides(store: Keystore) -> None:
    told = {"CHRONICCARE_TENANT_KEY_DIRS": str(store.directories[0])}
    with pytest.raises(SettingsError, match="needs master keys"):
        await masterkey_file.read(load(told))
