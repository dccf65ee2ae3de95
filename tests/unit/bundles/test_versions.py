"""How versions are written, compared and told apart."""

from pathlib import Path

import pytest

from topfive.bundles.manifest import ComparisonSection
from topfive.bundles.versions import (
    KnownBundle,
    ModelReference,
    bundle_digest,
    parse_reference,
    pick_version,
    quantized_version,
)


@pytest.fixture
def known(tiny_bundle):
    """Makes bundles that are called by other versions, of other ages and contents on request."""

    def make(version: str, created: str = "2026-01-01", content: str = "a") -> KnownBundle:
        files = tiny_bundle.manifest.files | {"labels.txt": content * 64}
        changes = {"version": version, "created": created, "files": files}
        return KnownBundle(Path(version), tiny_bundle.manifest.model_copy(update=changes))

    return make


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ("flowers", "flowers", None),
        ("flowers@1.2.0", "flowers", "1.2.0"),
        ("flowers@latest", "flowers", "latest"),
        ("mobilenet_v2@imagenet1k-v2", "mobilenet_v2", "imagenet1k-v2"),
        (f"flowers@sha256:{12 * 'a'}", "flowers", f"sha256:{12 * 'a'}"),
    ],
)
def test_a_reference_is_read_and_written_alike(text, name, version):
    """`name` and `name@version` mean what they say, and are written so again."""
    assert parse_reference(text) == ModelReference(name, version)
    assert str(parse_reference(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "@1", "flowers@", "../x", "a/b", "flowers@../1", "Flowers", "a@b@c", "a@sha256:12",
     "a@sha256:" + 12 * "g", "a\n", "a@1\n", 65 * "a"],
)  # fmt: skip
def test_what_is_no_reference_is_refused(text):
    """No path, no empty part and no short digest passes for a name or a version."""
    with pytest.raises(ValueError, match="letters"):
        parse_reference(text)


@pytest.mark.parametrize(
    ("versions", "latest"),
    [
        (["1.9.0", "1.10.0", "1.2.0"], "1.10.0"),
        (["1", "1.2", "0.9.9"], "1.2"),
        (["2.0.0-rc1", "2.0.0"], "2.0.0"),
        (["2.0.0-rc1", "1.9.0"], "2.0.0-rc1"),
        (["sha256-aaaaaaaaaaaa", "1.0.0"], "1.0.0"),
    ],
)
def test_the_latest_is_the_highest_semantic_version(known, versions, latest):
    """Semantic versions are compared by their numbers, and are above all others."""
    for order in (versions, versions[::-1]):
        for asked in (None, "latest"):
            assert pick_version([known(one) for one in order], asked).ref.version == latest


def test_of_other_versions_the_newest_is_the_latest(known):
    """Where no version is semantic, the time counts at which a bundle was made."""
    bundles = [known("sha256-b", "2026-01-02"), known("sha256-c", "2026-01-01")]
    assert pick_version(bundles, None).ref.version == "sha256-b"
    assert pick_version([], None) is None


@pytest.mark.parametrize(
    ("version", "taken", "made"),
    [
        ("1.2.0", [], "1.2.1"),
        ("1.2.0", ["1.2.1", "1.2.2", "1.3.0"], "1.2.3"),
        ("1", ["1"], "1.0.1"),
        ("imagenet1k-v2", [], "imagenet1k-v2-int8"),
        ("sha256-aaaaaaaaaaaa", ["sha256-aaaaaaaaaaaa-int8"], "sha256-aaaaaaaaaaaa-int8"),
    ],
)
def test_what_is_quantized_is_the_next_patch(version, taken, made):
    """The next one that is free; another kind of version says itself that it is in int8."""
    assert quantized_version(version, taken) == made


def test_another_recipe_is_another_digest(known):
    """Bundles of the same files that resize pictures otherwise are told apart by their digests."""
    manifest = known("1").manifest
    larger = manifest.input.model_copy(update={"resize": manifest.input.resize + 1})
    assert bundle_digest(manifest) != bundle_digest(manifest.model_copy(update={"input": larger}))


def test_a_digest_names_content(known):
    """Any 12 or more of its first digits mean a bundle; a version called so comes first."""
    one, other = known("1", content="a"), known("2", content="b")
    assert one.digest != other.digest
    assert one.digest == bundle_digest(known("9", content="a").manifest)
    assert pick_version([one, other], f"sha256:{one.digest}") is one
    assert pick_version([one, other], f"sha256:{other.digest[:12]}") is other
    assert pick_version([one, other], f"sha256:{12 * '0'}") is None
    assert pick_version([one, other], one.digest[:12]) is None
    assert pick_version([one, other], "3") is None


def test_what_was_not_found_better_is_never_the_latest(known):
    """It is meant where its version is named, or there is no other."""
    before, after = known("1.0.0"), known("1.1.0")
    comparison = ComparisonSection(
        baseline="tiny@1.0.0", digest="a" * 64, photos=9, former_photos=9, former_here=9,
        top1_before=0.5, top1_after=0.5, p_value=1, is_better=False,
    )  # fmt: skip
    held_back = KnownBundle(
        after.folder, after.manifest.model_copy(update={"comparison": comparison})
    )
    assert pick_version([before, held_back], None) is before
    assert pick_version([known("a"), held_back], "latest").ref.version == "a"
    assert pick_version([before, held_back], "1.1.0") is held_back
    assert pick_version([held_back], None) is held_back
    better = after.manifest.model_copy(
        update={"comparison": comparison.model_copy(update={"is_better": True})}
    )
    assert pick_version([before, KnownBundle(after.folder, better)], None).ref.version == "1.1.0"
