"""How Prometheus is told how well versions do."""

from topfive.predictions import ModelRef
from topfive.statistics.proportions import Interval
from topfive.telemetry.metrics import LiveFigures, ToldModels
from topfive.telemetry.prometheus import open_metrics

KNOWN = LiveFigures(
    ModelRef("flowers", "1"),
    412,
    {1: Interval(0.81, 0.77, 0.845), 5: Interval(0.95, 0.925, 0.967)},
    is_representative=True,
    held_out_accuracy=0.79,
    calibration_error=0.041,
    psi=0.31,
    ks=0.22,
    is_drifting=True,
)
FEW = LiveFigures(ModelRef("flowers", "2"), 3)


def scrape(*figures):
    """Give the lines about live figures that a scrape gets."""
    text, _ = open_metrics(None).render("", ToldModels(live=figures))
    wanted = ("topfive_live", "topfive_drift", "topfive_label", "topfive_held_out")
    return [line for line in text.decode().splitlines() if line.startswith(wanted)]


def test_all_that_is_known_is_told():
    """Each number with its version, accuracy with k and the ends of its interval."""
    version = 'model="flowers",version="1"'
    assert scrape(KNOWN) == [
        f'topfive_live_accuracy{{k="1",{version}}} 0.81',
        f'topfive_live_accuracy{{k="5",{version}}} 0.95',
        f'topfive_live_accuracy_low{{k="1",{version}}} 0.77',
        f'topfive_live_accuracy_low{{k="5",{version}}} 0.925',
        f'topfive_live_accuracy_high{{k="1",{version}}} 0.845',
        f'topfive_live_accuracy_high{{k="5",{version}}} 0.967',
        f"topfive_labelled_predictions{{{version}}} 412.0",
        f"topfive_labels_representative{{{version}}} 1.0",
        f"topfive_held_out_accuracy{{{version}}} 0.79",
        f"topfive_live_calibration_error{{{version}}} 0.041",
        f"topfive_drift_psi{{{version}}} 0.31",
        f"topfive_drift_ks{{{version}}} 0.22",
        f"topfive_drift_alarm{{{version}}} 1.0",
    ]


def test_what_too_few_labels_say_is_not_told():
    """Of three labels there is the count alone."""
    assert scrape(FEW) == ['topfive_labelled_predictions{model="flowers",version="2"} 3.0']


def test_without_a_history_there_is_nothing_of_it():
    """Not even a heading."""
    assert scrape() == []
    text, _ = open_metrics(None).render("", ToldModels())
    assert b"drift" not in text
