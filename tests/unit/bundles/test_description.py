"""What a person sees of a bundle."""

from topfive.bundles.description import describe_bundle


def test_the_first_classes_are_named_and_the_others_counted(tiny_bundle):
    """Of ten classes five are named."""
    described = describe_bundle(tiny_bundle)
    assert described.first_classes == "class 0, class 1, class 2, class 3, class 4 and 5 more"
    assert described.repeated_classes == ""
