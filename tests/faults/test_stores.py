"""Bundles in real stores: a web server and S3, with all that goes wrong there."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest

from tests import store_servers
from tests.store_servers import KEY, FaultyServer, answering, before, serve_directory
from tests.unit.bundle_copies import change_manifest, copy_bundle
from topfive.bundles.store import open_bundle
from topfive.errors import BundleMissing, BundleRefused, StoreDenied, StoreUnreachable
from topfive.stores import transfer
from topfive.stores.address import parse_store
from topfive.stores.contract import NoProgress, StoredVersion, StoreLimits
from topfive.stores.download import fetch_bundle
from topfive.stores.listing import list_bundles
from topfive.stores.opening import open_store, open_writable_store
from topfive.stores.upload import push_bundle

TINY = StoredVersion("tiny", "1")
PATIENCE = StoreLimits(connect_s=1, stall_s=0.5, listing_s=5, min_bytes_per_s=1_000_000)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(transfer, "sleep", lambda _: None)


@pytest.fixture(scope="module")
def web_root(tmp_path_factory, tiny_bundle) -> Path:
    """A directory that was pushed to, which a web server serves."""
    root = tmp_path_factory.mktemp("web")
    push_bundle(open_writable_store(parse_store(str(root))), tiny_bundle, NoProgress())
    return root


@pytest.fixture
def web(web_root):
    """A web server with the tiny bundle, whose answers can go wrong."""
    with serve_directory(web_root) as server:
        yield server


@pytest.fixture(scope="module")
def moto(tiny_bundle):
    """S3 with the tiny bundle in the bucket `models`, below `team`."""
    with store_servers.run_moto() as url, pytest.MonkeyPatch.context() as patch:
        for name, value in (KEY | {"AWS_DEFAULT_REGION": "us-east-1"}).items():
            patch.setenv(name, value)
        patch.setenv("AWS_ENDPOINT_URL", url)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.delenv("AWS_PROFILE", raising=False)
        store_servers.make_bucket(url, "models")
        push_bundle(open_writable_store(parse_store("s3://models/team")), tiny_bundle, NoProgress())
        yield url


@pytest.fixture
def s3(moto, monkeypatch):
    """The way to S3, on which answers can go wrong."""
    with before(moto) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server


def address_of(server: FaultyServer, kind: str) -> str:
    """Tell the store's address: the web server's own, or a bucket that lies behind it."""
    return server.url if kind == "web" else "s3://models/team"


@pytest.fixture(params=["web", "s3"])
def broken(request, moto):
    """A store of each kind whose answers can go wrong, with its address."""
    server = request.getfixturevalue(request.param)
    return server, parse_store(address_of(server, request.param))


def fetch(address, models_dir: Path, limits: StoreLimits = PATIENCE) -> Path:
    """Fetch the tiny bundle."""
    return fetch_bundle(open_store(address, limits), TINY, models_dir, NoProgress())


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `topfive models` as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "topfive", "models", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | variables,
    )


def nothing_left(models_dir: Path) -> bool:
    """Tell whether no part of any bundle lies in a models directory."""
    return not [path for path in models_dir.rglob("*") if path.name != ".fetch.lock"]


def test_a_model_goes_to_s3_and_comes_back(moto, tiny_folder, tmp_path):
    """What a user types: push to a bucket, fetch from it by name, version and digest."""
    store = "s3://models/by-hand"
    first = run("push", str(tiny_folder), store)
    assert (first.returncode, first.stdout) == (0, f"{store}/tiny/1\n")
    digest = first.stderr.rpartition("sha256:")[2].strip()
    newer = copy_bundle(tiny_folder, tmp_path / "newer", version="1.10.0")
    assert run("push", str(newer), store).returncode == 0
    again = run("push", str(newer), TOPFIVE_MODEL_STORE=store)
    assert (again.returncode, "there already" in again.stderr) == (0, True)
    models_dir = tmp_path / "models"
    given = {"TOPFIVE_MODELS_DIR": str(models_dir), "TOPFIVE_MODEL_STORE": store}
    for reference, version in (("tiny", "1.10.0"), ("tiny@1", "1"), (f"tiny@sha256:{digest}", "1")):
        found = run("fetch", reference, **given)
        assert found.stdout.strip().startswith(f"{models_dir}/tiny/"), found.stderr
        if "sha256" not in reference:
            assert found.stdout.strip() == f"{models_dir}/tiny/{version}"
    assert open_bundle(models_dir / "tiny" / "1").manifest == open_bundle(tiny_folder).manifest


def test_a_progress_bar_is_for_a_terminal(moto, tmp_path):
    """What is not a terminal gets no bar, and no warning of any library either."""
    found = run("fetch", "tiny", "--store", "s3://models/team", "--models-dir", str(tmp_path))
    assert (found.returncode, found.stderr) == (0, "")


def test_a_progress_bar_is_shown_at_a_terminal(web_root, tmp_path):
    """A person at a terminal sees how far it is, in bytes."""
    ours, theirs = pty.openpty()
    command = ["fetch", "tiny", "--store", str(web_root), "--models-dir", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "topfive", "models", *command],
        check=True, stdout=subprocess.PIPE, stderr=theirs, env=os.environ | {"TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    with os.fdopen(ours, "rb", 0) as terminal:
        shown = terminal.read(100_000).decode()
    assert done.stdout.decode().strip() == str(tmp_path / "tiny" / "1")
    assert "tiny 1" in shown
    assert re.search(r"[0-9.]+/[0-9.]+ [kM]B", shown)


def test_a_store_is_listed_for_people_and_programs(web_root, tmp_path):
    """`available` prints a line for each bundle, tells what is left out, and JSON on request."""
    shutil.copytree(web_root, tmp_path / "store")
    (tmp_path / "store" / "tiny" / "2").mkdir()
    (tmp_path / "store" / "tiny" / "2" / "bundle.json").write_text("{")
    found = run("available", str(tmp_path / "store"))
    name, digest, *_ = found.stdout.split()
    assert (found.returncode, name) == (0, "tiny@1")
    assert found.stderr.startswith("Left out: ")
    told = json.loads(run("available", "--json", str(tmp_path / "store")).stdout)
    assert (told["name"], told["version"], told["num_classes"]) == ("tiny", "1", 10)
    assert digest == f"sha256:{told['digest'][:12]}"


def test_a_fetch_says_what_there_is(moto):
    """Who asks for what is not there learns what is."""
    found = run("fetch", "tiny@9", "--store", "s3://models/team", "--report")
    assert found.returncode == 1
    told = json.loads(found.stdout)
    assert told["kind"] == "BundleMissing"
    assert told["message"] == "There is no tiny@9 in s3://models/team. Its versions: 1."


def test_a_bundle_comes_from_a_web_server(web, tmp_path, tiny_folder):
    """A pushed directory, served over HTTP, is a store as it is."""
    fetch(parse_store(web.url), tmp_path)
    assert open_bundle(tmp_path / "tiny" / "1").manifest == open_bundle(tiny_folder).manifest


@pytest.mark.parametrize(
    "fault", [store_servers.cut_off, store_servers.corrupt, store_servers.stall]
)
def test_a_fault_that_passes_is_got_over(broken, tmp_path, fault):
    """A file that is cut off, damaged on its way or stands still is fetched again."""
    server, address = broken
    server.break_path("model.bin", fault, times=1)
    folder = fetch(address, tmp_path)
    assert open_bundle(folder).manifest.name == "tiny"
    assert server.faults["model.bin"][1] == 0


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (store_servers.cut_off, StoreUnreachable, r"model\.bin"),
        # S3's library finds it by the checksum that S3 keeps.
        (store_servers.corrupt, (BundleRefused, StoreUnreachable), r"model\.bin .*(sha256|stored)"),
        (store_servers.stall, StoreUnreachable, r"did not answer in time"),
        (store_servers.trickle, StoreUnreachable, r"bytes a second|in time"),
        (answering(503), StoreUnreachable, r"model\.bin cannot be used now"),
        (answering(404), BundleRefused, r"model\.bin is not there"),
        (answering(403), StoreDenied, r"refuses access"),
    ],
)
def test_a_fault_that_stays_is_told(broken, tmp_path, fault, kind, words):
    """What goes wrong each time is told in plain words, and leaves nothing behind."""
    server, address = broken
    server.break_path("model.bin", fault)
    with pytest.raises(kind, match=words):
        fetch(address, tmp_path)
    assert nothing_left(tmp_path)


def test_bytes_without_end_are_cut(web, tmp_path):
    """A file, a manifest and a list that never end take no more than their limits."""
    address, limits = parse_store(web.url), StoreLimits(max_bundle_bytes=5_000_000)
    web.break_path("model.bin", store_servers.endless, times=1)
    with pytest.raises(BundleRefused, match=r"larger than the [0-9,]+ bytes"):
        fetch(address, tmp_path, limits)
    web.break_path("bundle.json", store_servers.endless, times=1)
    with pytest.raises(BundleRefused, match="has over 1,048,576 bytes"):
        fetch(address, tmp_path)
    web.break_path("index.json", store_servers.endless, times=1)
    with pytest.raises(StoreUnreachable, match="does not list bundles"):
        open_store(address, PATIENCE).list_versions()
    assert nothing_left(tmp_path)


def test_a_size_that_lies_fills_no_disk(web, tmp_path):
    """What declares to be huge is refused by its declaration."""

    def boast(handler, answer, ending):
        store_servers.send_head(handler, answer, 1 << 50)
        handler.close_connection = True

    web.break_path("model.bin", boast)
    with pytest.raises(BundleRefused, match="larger than the"):
        fetch(parse_store(web.url), tmp_path)


@pytest.mark.parametrize(
    "text",
    ['{"bundles": "tiny/1"}', "[]", "{", '{"bundles": 1}', "null", "<html>", "[" * 100_000],
)
def test_a_list_that_is_none_is_told(tmp_path, text):
    """What is no index.json is told as such; it never looks like an empty store."""
    (tmp_path / "index.json").write_text(text)
    with serve_directory(tmp_path) as server:
        files = open_store(parse_store(server.url), PATIENCE)
        if text == '{"bundles": "tiny/1"}':
            assert files.list_versions() == []
            return
        with pytest.raises(StoreUnreachable, match="does not list bundles"):
            files.list_versions()


def test_names_in_a_list_lead_nowhere(web_root, tmp_path):
    """Of an index.json only what a bundle can be called is asked for."""
    listed = ["../../etc/passwd", "tiny/1", "tiny/..", "/tiny/1", "http://x/y", "tiny/1/model.bin",
              "TINY/1", 7, None, "tiny/2?x", "tiny/%2e%2e"]  # fmt: skip
    (tmp_path / "index.json").write_text(json.dumps({"bundles": listed}))
    with serve_directory(tmp_path) as server:
        assert open_store(parse_store(server.url), PATIENCE).list_versions() == [TINY]


def test_a_login_stays_with_its_server(web, tmp_path):
    """A login and a signed query go to the store alone: neither to others nor into words."""
    with serve_directory(tmp_path) as other:
        target = f"{other.url}/elsewhere"
        web.break_path("tiny/1/bundle.json", answering(302, Location=target), times=1)
        address = parse_store(web.url.replace("://", "://me:hidden%21@") + "?sig=hidden")
        files = open_store(address, PATIENCE)
        assert files.list_versions() == [TINY]
        with pytest.raises(StoreDenied) as refused:
            files.read_small("tiny/1/bundle.json", 1000)
        (_, path, headers), sent = other.seen[-1], web.seen[-1]
    assert (path, "Authorization" in headers) == ("/elsewhere", False)
    assert sent[1] == "/tiny/1/bundle.json?sig=hidden"
    assert sent[2]["Authorization"] == "Basic " + b64encode(b"me:hidden!").decode()
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x"])
def test_redirects_stay_on_the_web(web, target):
    """A redirect to a file of this machine is not followed."""
    web.break_path("index.json", answering(302, Location=target))
    with pytest.raises(StoreUnreachable, match="it answers 302"):
        open_store(parse_store(web.url), PATIENCE).list_versions()


def test_a_store_that_is_down_is_told(monkeypatch, tmp_path):
    """Where nothing listens, the reason is one sentence without a library's text."""
    down = f"http://127.0.0.1:{store_servers.free_port()}"
    with pytest.raises(StoreUnreachable, match="nothing answers there"):
        open_store(parse_store(down), PATIENCE).list_versions()
    for name, value in (KEY | {"AWS_ENDPOINT_URL": down}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        StoreUnreachable, match="s3://models cannot be used now: nothing answers there"
    ):
        open_store(parse_store("s3://models"), PATIENCE).list_versions()


def test_wrong_credentials_are_told(moto, monkeypatch, tmp_path):
    """Keys that S3 does not know, and none at all, are told apart from a store that is down."""
    store_servers.ask_for_rights(moto, is_wanted=True)
    try:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAHIDDENHIDDEN1234")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-hidden")
        found = run("fetch", "tiny", "--store", "s3://models/team", "--models-dir", str(tmp_path))
    finally:
        store_servers.ask_for_rights(moto, is_wanted=False)
    assert found.returncode == 1
    assert "refuses access" in found.stderr
    assert "hidden" not in (found.stdout + found.stderr).lower()
    for name in KEY:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StoreDenied, match="refuses access"):
        open_store(parse_store("s3://models/team"), PATIENCE).list_versions()


def test_a_bucket_that_is_missing_is_told(moto):
    """A bucket by a wrong name is no empty store."""
    with pytest.raises(StoreDenied, match="nothing at s3://no-such-bucket"):
        open_store(parse_store("s3://no-such-bucket"), PATIENCE).list_versions()


def test_a_half_push_to_s3_is_not_seen(moto, tiny_folder, tmp_path):
    """Files without a manifest are no bundle, and the next push completes them."""
    files = open_writable_store(parse_store("s3://models/half"), PATIENCE)
    store_servers.put_object(moto, "models/half/tiny/1/model.bin", b"half")
    assert list_bundles(files).manifests == ()
    assert push_bundle(files, open_bundle(tiny_folder), NoProgress())
    assert [one.version for one in list_bundles(files).manifests] == ["1"]
    fetch_bundle(files, TINY, tmp_path, NoProgress())


def test_what_was_pushed_to_s3_is_never_changed(moto, tiny_folder, tmp_path):
    """Another bundle of the same version is refused, also by S3 itself where two push at once."""
    files = open_writable_store(parse_store("s3://models/team"), PATIENCE)
    other = copy_bundle(tiny_folder, tmp_path / "other", created="2030")
    with pytest.raises(BundleRefused, match="another bundle of tiny@1"):
        push_bundle(files, open_bundle(other), NoProgress())
    with pytest.raises(FileExistsError):
        files.write_bundle(TINY, tiny_folder, ["bundle.json"], NoProgress())


def test_what_lies_damaged_in_s3_is_refused(moto, tiny_bundle, tmp_path):
    """An object that was replaced comes whole, and has not the hash of the manifest."""
    files = open_writable_store(parse_store("s3://models/damaged"), PATIENCE)
    push_bundle(files, tiny_bundle, NoProgress())
    store_servers.put_object(moto, "models/damaged/tiny/1/model.bin", b"other")
    with pytest.raises(BundleRefused, match=r"model\.bin is not the file.*sha256"):
        fetch_bundle(files, TINY, tmp_path, NoProgress())
    assert nothing_left(tmp_path)


def test_a_missing_key_is_named(moto, tiny_bundle, tmp_path):
    """A bundle in S3 that lacks a file is refused before anything is fetched."""
    files = open_writable_store(parse_store("s3://models/lacking"), PATIENCE)
    push_bundle(files, tiny_bundle, NoProgress())
    store_servers.delete_object(moto, "models/lacking/tiny/1/model.xml")
    with pytest.raises(BundleRefused, match=r"lacks model\.xml"):
        fetch_bundle(files, TINY, tmp_path, NoProgress())


def test_keys_with_odd_names_are_no_bundles(moto, tiny_folder, tmp_path):
    """Keys that climb, and a manifest that is empty or of another bundle, hide no other."""
    root = "models/odd"
    text = (tiny_folder / "bundle.json").read_bytes()
    for key in (
        "..%2F..%2Fevil%2Fbundle.json",
        "Tiny/1/bundle.json",
        "tiny/2/bundle.json",
        "loose",
    ):
        store_servers.put_object(moto, f"{root}/{key}", text)
    store_servers.put_object(moto, f"{root}/tiny/3/bundle.json", b"")
    store_servers.put_object(moto, f"{root}/tiny/1/bundle.json", text)
    listing = list_bundles(open_store(parse_store(f"s3://{root}"), PATIENCE))
    assert [one.version for one in listing.manifests] == ["1"]
    assert len(listing.refused) == 2


def test_a_listing_without_end_is_cut(s3):
    """A server that always has one more page is asked for so long and no longer."""
    page = (
        "<ListBucketResult><Name>models</Name><IsTruncated>true</IsTruncated><KeyCount>1</KeyCount>"
        "<NextContinuationToken>more</NextContinuationToken>"
        "<CommonPrefixes><Prefix>team/tiny/</Prefix></CommonPrefixes></ListBucketResult>"
    )

    def next_page(handler, _answer, ending):
        found = store_servers.Answer(200, page.encode(), {"Content-Type": "application/xml"})
        store_servers.send(handler, found, ending)

    s3.break_path("list-type=2", next_page, times=1_000_000)
    limits = StoreLimits(connect_s=1, stall_s=1, listing_s=1)
    with pytest.raises(StoreUnreachable, match="in time"):
        open_store(parse_store("s3://models/team"), limits).list_versions()


def test_a_manifest_that_changes_is_seen(web_root, tmp_path, tiny_folder):
    """The list is read anew each time: nothing of a store is remembered."""
    copy_bundle(tiny_folder, tmp_path / "tiny" / "1")
    files = open_store(parse_store(str(tmp_path)), PATIENCE)
    assert list_bundles(files).manifests[0].created != "2030"
    change_manifest(tmp_path / "tiny" / "1", lambda manifest: manifest.update(created="2030"))
    assert list_bundles(files).manifests[0].created == "2030"


def test_nothing_there_is_told_as_missing(moto):
    """A store without any bundle says so."""
    from topfive.bundles.versions import ModelReference
    from topfive.stores.choice import choose_stored

    with pytest.raises(BundleMissing, match="There is no birds in s3://models/team"):
        choose_stored(
            open_store(parse_store("s3://models/team"), PATIENCE), ModelReference("birds")
        )
