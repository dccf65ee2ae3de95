"""The model of a run: opened as for serving, and held against what the run began with."""

from topfive.bulk.results.manifest import RunModel
from topfive.classify.classifier import Classifier
from topfive.engines import EngineOptions
from topfive.errors import BulkRefused, BundleMissing
from topfive.images.limits import ImageLimits
from topfive.machine.probe import probe_machine
from topfive.provider.provide import provide_bundle
from topfive.registry.desired import ModelOptions
from topfive.registry.loader import LoadOptions, obtain_bundle, open_classifier, require_located


def open_model(options: ModelOptions, engine: EngineOptions, limits: ImageLimits) -> Classifier:
    """Load the model that is meant; it is fetched first where only a store has it.

    Raises an OperatorError if it is not there, or does not agree with its reference here.
    """
    may_fetch = options.may_be_stored
    try:
        folder = obtain_bundle(options, provide_bundle) if may_fetch else require_located(options)
    except BundleMissing as error:
        raise BundleMissing(
            f"{error} Make it with `topfive pull {options.model}`, or name another after --model: "
            "digits is inside."
        ) from error
    return open_classifier(folder, LoadOptions(engine, limits, probe_machine().cpu_flags))


def describe_model(classifier: Classifier) -> RunModel:
    """Tell which model it is, and in what it computes."""
    ref, engine = classifier.ref, classifier.engine
    return RunModel(ref.name, ref.version, classifier.digest, engine.name, engine.precision)


def open_same_model(options: ModelOptions, wanted: RunModel, limits: ImageLimits) -> Classifier:
    """Load the model that a run uses; raises BulkRefused if it is another here."""
    engine = EngineOptions(wanted.engine, wanted.precision)
    classifier = open_model(options, engine, limits)
    found = describe_model(classifier)
    if found != wanted:
        classifier.close()
        raise BulkRefused(
            f"The model is not the same as where the run was started: here it is {_show(found)}, "
            f"there {_show(wanted)}. Answers would differ. Have the same bundle on each node, "
            "and choose with --engine and --precision what all of them can compute."
        )
    return classifier


def _show(model: RunModel) -> str:
    named = f"{model.name} {model.version} ({model.digest[:12]})"
    return f"{named} by {model.engine} in {model.precision}"
