"""Specifications of the checks: their meaning, and what to do when they fail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lockstep.checks import needs
from lockstep.checks.needs import Need
from lockstep.project.declaration import PipelineAssets
from lockstep.store.results import CheckResult


@dataclass(frozen=True)
class Check:
    """One kind of check.

    Attributes:
        meaning: What it looks at, and what a failure means.
        remedy: What to do when it fails. PIPELINE, DAY, COLUMN and KEY stand for those of the
            failure, and AGAIN for the command that makes the checked asset again.
        blocking: Whether its error stops the steps that follow.
        need: What a pipeline must declare to have it; None if every pipeline has it.
    """

    name: str
    meaning: str
    remedy: str
    blocking: bool = False
    need: Need | None = None


DECODING = Check(
    "decoding",
    "The delivery can be read and has every declared column, every row fits the declared record "
    "type, and there are no undeclared columns. Rows that do not fit are quarantined with all "
    "their reasons; too many of them block, and so does a delivery that cannot be read at all.",
    "Read the reasons. If upstream changed a type or a name, have it changed back or change the "
    "record's declaration and train anew. If the delivery cannot be read, have it sent again. "
    "Then: AGAIN",
    blocking=True,
)
INPUT_SUITE = Check(
    "input_suite",
    "The raw rows meet the expectations of the input suite, and each key is there once. Rows that "
    "break a critical row-level expectation are quarantined, and rows that repeat a key are set "
    "aside; too many of either, or a critical expectation about the whole batch, block. Of all "
    "three suites, counts of rows answer what they can, with the results of Great Expectations, "
    "which answers the rest. They are stored with the attempt (`input_suite.json`, "
    "`feature_suite.json`, `output_suite.json`). Of a large batch they say which expectations are "
    "judged by all rows, and which by a sample.",
    "The details list each expectation with what was observed and a few keys. Look the rows up "
    "upstream; correct the data, or the expectation if the world changed or it cannot be "
    "evaluated. Then: AGAIN",
    blocking=True,
)
INPUT_DRIFT = Check(
    "input_drift",
    "No raw column, and none that is looked up, begins to drift: to differ from the training more, "
    "and for longer, than the training's days differ from each other. A column's distance is the "
    "largest of its figures: "
    "missing values, level and spread of numbers, shares of values, and values that training never "
    "had. The limits are calibrated at the fit, as those of all statistics; where rows have no "
    "time, blocks of rows stand for days. A lasting change is three batches at the limit, one that "
    "is twice as far, or many that are near it. It is reported once, with the day on which it "
    "began and its effect on the outputs; from then on the distance is plotted. With fewer than 20 "
    "training days nothing is judged.",
    "Watch the live quality of the model. If it falls, train on newer rows. If the column should "
    "not have changed, ask upstream; then: AGAIN",
    need=needs.FIELDS,
)
_ACCEPT = (
    "If the change is meant to stay, accept it: `lockstep score PIPELINE --day DAY --accept "
    "COLUMN`, or by the names of its findings. It stays accepted, as far as it went and as much "
    "again, until a version goes live that was trained after it."
)
SUDDEN_SHIFT = Check(
    "sudden_shift",
    "The values of each raw column, and of each that is looked up, are, over all rows, as they "
    "were in training and on the days "
    "before: how many are missing, zero, new, of another form or grid or beyond the range, their "
    "level and spread, and the number of distinct values. A changed unit, a swapped column or a "
    "lost feed shows here first. Findings and limits come from the constraints of the version: see "
    "`constraints`. The details have a row for each statistic of a finding, then the statistics "
    "nearest to their limits; the summary says what the first finding does to the outputs.",
    f"Ask upstream what changed in the named column. If it was a mistake, have it corrected, "
    f"then: AGAIN. {_ACCEPT}",
    blocking=True,
    need=needs.FIELDS,
)
CONSTRAINTS = Check(
    "constraints",
    "The raw rows, and what is looked up for them, keep the constraints that were found in the "
    "training rows at the fit: *rules* (dependencies, look-ups, equalities, orders, implications),"
    " the *history* of each entity, the *identity* of keys and contents, *panels* of entities "
    "beside each other, and *aggregates* such as the number of rows of a day. They are found in "
    "the data, never by the names of columns. A rule that no training row broke, on enough "
    "distinct entities, is strict: one row that breaks it is an error, with its key. All else is a"
    " statistic with a limit. All limits of a version, those of `sudden_shift` too, are calibrated"
    " together on held-out training days: without any change, one day of 200 warns and one of "
    "1,000 blocks. Statistics only warn during the first 14 batches that a version publishes, and "
    "say that they would block, unless they move decisions farther than on any training day; "
    "`PipelineAssets(constraints=Constraints(...))` says otherwise, for all, a family or a column."
    " Broken constraints of one cause are one finding. Each day of a file is judged by itself. "
    "`lockstep constraints PIPELINE` lists the constraints.",
    f"Look the named rows up upstream; the first column is the first suspect. Have them corrected, "
    f"then: AGAIN. {_ACCEPT}",
    blocking=True,
)
RESTATED = Check(
    "restated",
    "When a published day or file is scored again, its rows have the raw values that they had. "
    "Changed rows are listed by column, withdrawn rows by key. Upstream may correct its rows, and "
    "the last delivery is published; it only warns, since readers may hold the earlier rows. No "
    "row of a file has a key that one of the last 28 files before it published: each file is "
    "published by itself, so that whoever reads all of them finds such a row more than once, and "
    "the one with the latest `came_at` came last.",
    "Ask upstream why the named column was corrected, and tell whoever uses what was published. "
    "If it was a mistake, have the rows delivered as they were, then: AGAIN",
)
RESCORED = Check(
    "rescored",
    "Rows of a published day or file that come again with the same raw values have the same "
    "columns. By the same version, any other value is an error: something outside the record "
    "decides it. By another version, the check says which columns differ, and in how many rows.",
    "The first divergent column is named with its function, examples and a record to try. "
    "Something outside the stored version decides its value: a file, an environment variable, the "
    "time, a random number, other rows.",
    blocking=True,
)
COMPUTATION = Check(
    "computation",
    "Every column of every row could be computed. Rows on which a function fails are quarantined "
    "with the exception, and so are all rows of a unit that ends its process three times. Too many "
    "quarantined rows, with those of the steps before, block: a function that fails on most rows "
    "is broken itself, and nothing is scored.",
    "The details name the function with its line, and what it raised. Have it take such values, "
    "train anew and promote that; or have the rows corrected upstream. Then: AGAIN",
    blocking=True,
)
FEATURE_SUITE = Check(
    "feature_suite",
    "The features meet the expectations of the feature suite. Rows that break a critical row-level "
    "expectation are quarantined, in training and in scoring alike; too many quarantined rows, "
    "those of the steps before among them, or a critical expectation about the whole batch, block.",
    "The details name the feature and a few keys; `lockstep trace PIPELINE --day DAY --key KEY` "
    "shows all columns of such a row.",
    blocking=True,
    need=needs.FEATURE_SUITE,
)
OUTPUT_SUITE = Check(
    "output_suite",
    "The outputs meet the expectations of the output suite. Rows that break a critical row-level "
    "expectation are quarantined and not published; too many quarantined rows, those of the steps "
    "before among them, or a critical expectation about the whole batch, block.",
    "The details name the output and a few keys; `lockstep trace PIPELINE --day DAY --key KEY` "
    "shows all columns of such a row.",
    blocking=True,
    need=needs.OUTPUT_SUITE,
)
ROW_LOCALITY = Check(
    "row_locality",
    "Every feature depends on its own row alone. Every row of the training set and of each batch "
    "is computed once more, in another order and in parts of a few rows to a thousand, and gives "
    "the same values; a sample of the training set is also computed one row at a time. A feature "
    "that uses a batch's mean, rank or order would differ between training and serving, be it in "
    "one row of ten thousand or only where a batch is large. The outputs of a batch and of the "
    "holdout are computed again too; models are left to `reference_sample`. A feature of the "
    "training set that draws from a shared random generator is an error even where no value shows "
    "it yet.",
    "Rewrite the named feature so that it reads its own row only. What needs other rows is "
    "computed upstream, or fitted inside a model's scikit-learn pipeline. Then train anew and "
    "promote that.",
    blocking=True,
)
NO_FUTURE = Check(
    "no_future",
    "No look-up or window reads what was not known at the event time of the record. All rows of "
    "tables that became known later are left out, and every value stays the same, bit for bit: for "
    "all rows of the training set, and for a sample of each batch. A model that is trained on the "
    "future is better in training than it can ever be. What a static table holds has no time, and "
    "is not judged.",
    "The look-up or window is named, with the first record and the row that it reads too early. "
    "Have its function ask as of the record's event time, or of a time before it: "
    "`Asked(..., as_of=...)`. Then train anew and promote that.",
    blocking=True,
    need=needs.KNOWN_ROWS,
)
FIT = Check(
    "fit",
    "Each model was fitted to rows whose label is known; rows without one are counted, and left "
    "out. No estimator drew random numbers without a seed: a fit to the same rows would give "
    "another model, and a difference between two versions would say nothing about their rows. "
    "Numbers that are drawn in other processes (`n_jobs`) do not show.",
    "Give the named estimator a seed, as in `random_state=0`, and train anew. Where labels are "
    "missing that should be known, look at the outcomes.",
    need=needs.MODELS,
)
TRAINING_PARITY = Check(
    "training_parity",
    "The code that the version carries, run again with the last row first, computes the features "
    "and labels of all rows of the stored training set: the model is fitted to the very values "
    "that serving will give it. Meanwhile the code is on guard: it may open what is installed, and "
    "what the version carries: its modules, and data files in the project's packages that are "
    "read by the module's own place (`Path(__file__).with_name(...)`). Any other file, folder, "
    "database, connection or program is refused with the line that leads there, whoever opens it "
    "for the code, and an environment variable that it asks for is an error. Then nothing is "
    "fitted.",
    "Where values differ, the training set was computed by other code than this: run `lockstep "
    "train PIPELINE`, or materialize training_set and then candidate. If that does not help, a "
    "function remembers earlier rows, or something outside the code decides. Write what is read "
    "from outside into the module, put it beside it, or have it delivered as a field.",
    blocking=True,
)
ROUND_TRIP = Check(
    "round_trip",
    "The stored version, loaded in a new process, gives the golden records the very values that "
    "it gave when it was fitted. In that process the clock is 400 days ahead, strings are hashed "
    "by another seed (by seven seeds in turn where code may depend on the order of a set), time "
    "zone, locale and working directory are others, and the records come in another order: one, "
    "two, four and ever more at once, so that a function that remembers rows has seen few. Where a "
    "value differs, each of these is tried by itself, and the message names the one that matters. "
    "Where none differs, code that asked for the time, the machine, its language, the user, the "
    "process, the thread, a random number of the system or whether a file exists is an error all "
    "the same: some day the answer matters. The code is on guard as in training_parity, and has "
    "nothing at hand that another process loaded.",
    "The first divergent column is named, and on what it depends: the time, the order of a set, "
    "the time zone, a random number; or the line that asked. Have the function depend on its "
    "inputs alone.",
    blocking=True,
)
WIRE_FORMATS = Check(
    "wire_formats",
    "The golden records give the same columns whether they come as a DataFrame, JSON, JSON "
    "lines, CSV or Parquet.",
    "The column and the format are named; please report it, this is a fault of Lockstep's.",
    blocking=True,
)
COMPILED_PARITY = Check(
    "compiled_parity",
    "Models that have a compiled form, a plan on arrays that answers a single record many times "
    "faster, predict with it what scikit-learn predicts, and refuse what it refuses: on the golden "
    "records, and on rows with missing, unseen and extreme values, as far as a field may hold "
    "them. A model without one is listed with the step that has none; its estimator itself serves. "
    "So does that of a model whose compiled form differs: the version records it, and neither "
    "batches nor servers use that form. Elsewhere than where it was fitted, what serves compares "
    "them anew. For a champion, it only tells.",
    "Nothing has to be done: predictions are the estimator's own. The first divergent column is "
    "named with examples. A linear model that differs in its last digits needs a budget: "
    "`@model(..., ulps=64)`. Anything else please report.",
    need=needs.MODELS,
)
QUALITY = Check(
    "quality",
    "A fit to the older rows of the history reaches every metric's threshold on the newest ones. A "
    "threshold that no prediction could miss is a warning.",
    "Compare the runs in MLflow; look at what changed in data or columns. Do not promote it. Where "
    "a threshold demands nothing, declare one that does.",
    need=needs.QUALITY,
)
BASELINE = Check(
    "baseline",
    "On the held-out rows, the version beats a far simpler model of the same features.",
    "A simple model does as well: check that the features carry what you mean them to.",
    need=needs.QUALITY,
)
CHAMPION_COMPARISON = Check(
    "champion_comparison",
    "On the held-out rows, the version is no worse than the champion, which is fitted to the same "
    "rows for the comparison.",
    "Promote it only if you know why it is worse and want it all the same.",
    need=needs.QUALITY,
)
SLICES = Check(
    "slices",
    "No slice of the held-out rows (such as one carrier) is far worse off than the whole: by more "
    "than the limit that `slices` declares for its column, or else by a tenth of the metric.",
    "Look at the rows of the named slice; it may need features or rows of its own.",
    need=needs.SLICES,
)
EVIDENCE = Check(
    "evidence",
    "The version can be loaded. The results of the checks of history, training set and candidate "
    "are known for these very files, and none that blocks is in error. The version holds all the "
    "golden records, expectations, profiles and constraints that were counted then, and no fewer "
    "than a fit stores: 300 golden records or all rows, every column of them and every estimator's "
    "matrix, a profile of every column. Every file is the one that the fit stored, whatever digest "
    "it was given since. The files by which MLflow serves the version (`MLmodel`, "
    "`python_function.py`, `requirements.txt`, ...) are those that were registered; those on a "
    "server are compared when they are fetched. It decides whether the version goes live: an error "
    "keeps `@live` where it is.",
    "Train again: `lockstep train PIPELINE`. Where files were damaged, restore them. Tags of a "
    "version that begin with `lockstep.` are not for editing.",
    blocking=True,
)
GOLDEN_REPLAY = Check(
    "golden_replay",
    "The version can be loaded. It holds all the golden records with their columns and matrices, "
    "expectations, profiled columns and constraints that were stored with it. The golden records, "
    "replayed here and now, give the values of every column that they gave at the fit. For a "
    "champion it decides whether the version goes live: an error keeps `@live` where it is; its "
    "outputs are replayed as MLflow serves it, too, by the Lockstep that it carries. For a batch, "
    "an error blocks publishing.",
    "The first divergent column is named with its function, inputs, examples and a ready test. "
    "Compare the environment (environment_parity); roll back to a version that replays.",
    blocking=True,
)
CODE_PARITY = Check(
    "code_parity",
    "The columns' code in this checkout is the code that the version was fitted with: their "
    "functions with all that these reach, the rest of the imported modules (importing one may do "
    "something), the data files that they read; and, for a champion, the expectations. Comments, "
    "docstrings and layout make no difference. For a champion that was never live it decides "
    "whether the version goes live: a difference is an error, which keeps `@live` where it is. For "
    "one that was, and for a batch, it only tells: the version goes on with its own code, and the "
    "difference is a warning.",
    "If the change is meant: `lockstep train PIPELINE`, then `lockstep promote PIPELINE`. If not, "
    "take it back.",
)
ENVIRONMENT_PARITY = Check(
    "environment_parity",
    "Python, the libraries that any pipeline needs and those that the columns' code imports, BLAS, "
    "processor, threads, time zone (with the rules of all zones) and locale are those of the fit. "
    "So are the packages that its modules reach, directly or through others, beside Python and "
    "what Lockstep builds on: all their files, the environment variables that they ask for, and "
    "the files that their import reads. It decides whether the version goes live: another package "
    "is an error, which keeps `@live` where it is, and blocks a batch. So is another grave "
    "difference, such as another release of a library that computes, for a champion that was never "
    "live; else differences are warnings.",
    "If golden_replay passes, the difference does no harm yet; bring the environments together "
    "or train anew. If it fails, the difference is the first suspect. Of a package: install what "
    "was installed at the fit, or train and promote a version with what is installed now.",
    blocking=True,
)
STALENESS = Check(
    "staleness",
    "The newest row that the version was trained on is not too old for what it scores now. It only "
    "tells: an old version goes live with a warning.",
    "Train on newer rows.",
    need=needs.EVENT_TIME,
)
LIVE_VERSION = Check(
    "live_version",
    "The live version can be loaded and holds all that was stored with it, with the files by which "
    "MLflow serves it. It is the one that a gate let serve last, in this home or in another one of "
    "the registry, with the very files that passed it, and `@live` points to it in the registry. "
    "It did not go live before the version that scored the last partition, unless it is the same. "
    "An error keeps anything from being scored: an alias that was moved by hand, or a registry "
    "restored from an older copy, with the home's file or without it, proves nothing. A version "
    "that another home let serve, and whose golden records come out otherwise here, is a warning: "
    "this home goes on with the one that it had.",
    "Let the version that passed the gate serve again, or have the gate judge another: `lockstep "
    "promote PIPELINE VERSION`. Where files of the version were damaged, restore them. Then: AGAIN",
    blocking=True,
)
LIVE_AGE = Check(
    "live_age",
    "The newest row that the live version was trained on is no older than `max_age` when the batch "
    "is scored. A batch counts as scored by the clock; one of a calendar that has an end, on its "
    "own day.",
    "Train on newer rows.",
    need=needs.EVENT_TIME,
)
REFERENCE_SAMPLE = Check(
    "reference_sample",
    "A sample of the batch, sent through the reference path anew, gives the very values that the "
    "whole batch gave. It is computed in modules that are run anew, the last row first; and in "
    "others whose functions have computed rows that are made up. A function whose state depends on "
    "the rows before, as a table of codes that grows or a memo keyed by too little, gives other "
    "values there. Two thirds of the sample are rows that are rare in the "
    "batch: with a missing or an extreme value, with a category that few have, or next to where a "
    "decision flips.",
    "The first divergent column is named with its function, inputs, examples and a ready test. "
    "Where the function keeps state of the rows that it has seen, compute that from a constant in "
    "the module, or fit it inside a model's scikit-learn pipeline; then train anew.",
    blocking=True,
)
PREDICTION_DRIFT = Check(
    "prediction_drift",
    "The outputs are distributed as on training days, of which models predicted rows that they "
    "had not seen. Measured as `input_drift`. It warns when a lasting change begins, and of each "
    "batch that is beyond a limit, with the decisions that differ from those by the training's mix "
    "and where most of them are. That is drift, not a fault of serving.",
    "Look at input_drift for the columns that moved, and at live_quality for what it costs.",
    need=needs.OUTPUTS,
)
ROW_CONSERVATION = Check(
    "row_conservation",
    "No row is lost: rows in = scored + quarantined + duplicates, counted in the files. Where the "
    "partition is published already, its rows came again; those that did not are a warning, and "
    "are published no longer.",
    "Where rows came no more, ask upstream whether they were withdrawn; if not, have all of them "
    "delivered again, then: AGAIN. Where the counts differ, please report it: that is a fault of "
    "Lockstep's.",
    blocking=True,
)
SINKS = Check(
    "sinks",
    "Every sink that the pipeline declares holds what is published of the partition. A sink is "
    "written after the commit; one that is down holds nothing back, and the next run of the stream "
    "tries again, the partitions that are open first. Rows that a sink cannot take, which it sets "
    "aside, are a warning.",
    "Have the named sink answer, or correct its declaration. Every run of the stream tries again; "
    "at once: AGAIN",
    need=needs.SINKS,
)
ARRIVAL = Check(
    "arrival",
    "Outcomes of enough of the day's published rows (`min_known`) are known once `label_delay` is "
    "over, and those known at an earlier look are still delivered unchanged. Until then, too few "
    "are not judged, and the day is looked at again. An outcome that is delivered no longer stays "
    "known as it was; a changed one counts as it is now. Outcomes of rows that were not published "
    "are counted, and measure nothing. A delivery that cannot be read, or that has a key twice, is "
    "an error.",
    "Ask whoever delivers outcomes for the missing ones, and why the named ones changed. If they "
    "always take longer, declare a longer `label_delay`; if some never arrive, a lower "
    "`min_known`. Then look again: `lockstep outcomes PIPELINE --day DAY`.",
)
LIVE_QUALITY = Check(
    "live_quality",
    "On the rows of the last seven days whose outcome is known, every metric reaches its "
    "threshold, and none begins to be lastingly worse than in weeks of the training on rows that "
    "models had not seen; that is reported once. With fewer than eight weeks of training the "
    "threshold alone counts. A day with too few known outcomes (see `arrival`), or one that was "
    "published again since it was compared, is left out.",
    "Look at input_drift and prediction_drift of these days; train on newer rows.",
    need=needs.QUALITY,
)
CALIBRATION = Check(
    "calibration",
    "Predictions agree on average with outcomes over the last seven days: probabilities with "
    "frequencies, amounts with means. The training's weeks, on rows that models did not see, show "
    "how biased a week may be. A lasting bias beyond that is reported once, when it begins, and "
    "plotted from then on. Where training has too few weeks, every bias that chance alone hardly "
    "explains is reported.",
    "The predictions are biased on these days; if it lasts, train on newer rows.",
    need=needs.NUMBERS,
)

REQUEST_REPLAY = Check(
    "request_replay",
    "The segment of the request log is what was sealed, and its requests, sent through the batch "
    "path of the version that answered them, with scikit-learn itself in place of compiled models, "
    "get the outputs that the server gave: exactly, or within the column's declared budget. "
    "Outputs that come from redacted fields are not judged. A segment that changed since its "
    "replay is judged again by the sensor, or by the next `lockstep replay PIPELINE`.",
    "The first divergent output is named, with examples by key and request and a record to send "
    "again. What differs between the two is the compiled predictor, the environment of the "
    "server, or something outside the code: a file, an environment variable, the time. When that "
    "is put right: AGAIN",
    need=needs.REQUESTS,
)
LOOKUP_REPLAY = Check(
    "lookup_replay",
    "The requests of the segment, looked up again by the versions of the tables that the server "
    "read for each, give the very rows that it read: their digests, and since when they are valid "
    "and known; of windows, as many. Outputs are computed anew of these rows, by `request_replay`.",
    "The first look-up that differs is named, with the keys. The tables are the same, so that the "
    "code, its rule or the ledger is another one: compare the version that answered, and run "
    "`lockstep audit PIPELINE`. Then: AGAIN",
    need=needs.TABLES,
)
LOOKUP_HINDSIGHT = Check(
    "lookup_hindsight",
    "The requests of the segment, looked up by what is known of the tables today, give the rows "
    "that the server read. Others are counted by their cause. *Late*: a row came after the time "
    "from which it is declared known. *Restated*: it takes the place of the one that was read. "
    "*Backdated*: it came behind rows of its key that are valid after it. *Gone*: the row that was "
    "read is there no longer. Rows that were answered with a version which the ledger has lost are "
    "not judged. Training reads what is known today: where much differs, a model is better in "
    "training than it can be in service. It only warns.",
    "Ask upstream why the named rows came late, or have the table delivered more often; otherwise "
    "declare the delay that holds (see `known_after`), and train and promote a version of that.",
    need=needs.TABLES,
)
REQUEST_DRIFT = Check(
    "request_drift",
    "The fields of the requests are distributed as in training, by the limits of `input_drift`. A "
    "failure tells how people use the server, and is no fault of it.",
    "Look at who sends such requests. If the drift lasts and quality falls, train on such rows.",
    need=needs.FIELDS,
)

REFIT = Check(
    "refit",
    "Another fit to the very rows of the training gives the golden records the values that the "
    "version gives them: training can be repeated.",
    "Give every estimator a seed; one that depends on threads, time or the order of a set cannot "
    "be fitted twice. Then train anew, and: AGAIN",
    need=needs.MODELS,
)
FEATURE_VALUE = Check(
    "feature_value",
    "Each feature is worth something: a demand is worse on held-out rows where its values are "
    "shuffled. Those that tell the same stand in for each other.",
    "Leave out what is worth nothing, one at a time, and train anew.",
    need=needs.QUALITY,
)
FEATURE_COST = Check(
    "feature_cost",
    "What each column takes, in time and memory: no feature takes longer than all models together.",
    "Make the named feature cheaper, or leave it out if it is worth little; train anew.",
)
TUNING = Check(
    "tuning",
    "No number that an estimator is made with, other than by default, does better on held-out rows "
    "at half or twice its value, by more than parts of these rows differ.",
    "Set the better value, or search among several on rows before these, and train anew.",
    need=needs.QUALITY,
)
STALENESS_EFFECT = Check(
    "staleness_effect",
    "Fits to older windows of the training rows, measured on the held-out ones, tell what the age "
    "of a version costs. None that is no older than `max_age` misses a demand.",
    "Train more often, and declare the age at which quality still holds: `max_age`.",
    need=needs.AGEING,
)
REGRESSION = Check(
    "regression",
    "Against the version before, both measured here and now: no demand is worse after a fit to the "
    "same rows, and neither a fit nor answers to one record and to a thousand take half as long "
    "again, or half as much memory again.",
    "Compare the columns and estimators of the two versions; promote it only if it is worth that.",
)

DIGESTS = Check(
    "digests",
    "Every file that the home keeps of the pipeline is as it was written, by its digest: records, "
    "rows and exports of all partitions, files of the inbox, segments of the request log, and the "
    "versions. The other checks look only at what is new, or was touched, since the last audit.",
    "The details list what is damaged, each with how to make it anew. Restore it from a copy, or "
    "make it anew. Then: AGAIN",
)

TABLE_DELIVERY = Check(
    "table_delivery",
    "The last delivery of each table that look-ups and windows read was taken in: each run that "
    "trains or scores tries that first, once. Where the source cannot be read, or a check of the "
    "table refuses what it delivered, the table is named, and the rows that were received before "
    "count: it only warns. A ledger that no longer holds these rows is an error, and blocks.",
    "Look at the checks of the named table, and have its rows corrected upstream, the source put "
    "right, or the ledger restored. Then: lockstep tables PIPELINE --deliver",
    need=needs.TABLES,
    blocking=True,
)
TABLE = Check(
    "table",
    "The delivery of a table can be read and has every declared field. No key and time has two "
    "rows with different values, no row is known before it is valid, none was received before the "
    "last delivery by the clock, and the rows meet the table's suite. Rows that do not fit their "
    "declaration, or break a critical row-level expectation, are set aside with their reasons; too "
    "many of them are an error, like everything else. After an error nothing is added: the rows "
    "that were received before count.",
    "Have the named rows corrected upstream, or the table's declaration. Then: AGAIN",
    blocking=True,
)
APPEND_ONLY = Check(
    "append_only",
    "The rows that were there after the delivery before are there still, as they were: a digest of "
    "all of them is among those of the table's ledger. Rows that take the place of earlier ones "
    "are listed by their keys, and are a warning: they count from when they were received on, and "
    "what was computed before stays as it was.",
    "Where rows were restated, ask upstream why. Where the ledger is another one, or damaged, "
    "restore it from a copy.",
    blocking=True,
)
KNOWN_AFTER = Check(
    "known_after",
    "The new rows of the delivery were received by the time from which their table declares them "
    "known. Training takes the declaration at its word; a row that comes later is missing where a "
    "prediction is asked for meanwhile. The summary tells which delay would hold for 99.9 % of the "
    "rows. The first delivery, with all that happened before, is not judged.",
    "Have the table delivered more often, or declare the delay that holds "
    "(`known_after=timedelta(...)`), and train and promote a version of that.",
)
TABLE_FRESHNESS = Check(
    "table_freshness",
    "The newest row of the table is not older than `max_age` when it is delivered. By default that "
    "is the age from which on the first of the pipeline's look-ups or windows finds nothing. It "
    "counts by the clock; where a calendar has ended, at the end of the last day that was scored. "
    "The summary names the field that holds the time. In a batch, and in requests, "
    "look-ups find a row about as often as in training: not twice as often none, and for 5 of 100 "
    "rows more.",
    "Ask upstream where the new rows are; then: AGAIN",
    need=needs.TABLES,
)

HISTORY_CHECKS = (TABLE_DELIVERY, DECODING, INPUT_SUITE)
TRAINING_SET_CHECKS = (FEATURE_SUITE, ROW_LOCALITY, NO_FUTURE)
CANDIDATE_CHECKS = (
    TRAINING_PARITY,
    FIT,
    ROW_LOCALITY,
    ROUND_TRIP,
    WIRE_FORMATS,
    COMPILED_PARITY,
    QUALITY,
    BASELINE,
    CHAMPION_COMPARISON,
    SLICES,
)
CHAMPION_CHECKS = (
    EVIDENCE,
    GOLDEN_REPLAY,
    COMPILED_PARITY,
    CODE_PARITY,
    ENVIRONMENT_PARITY,
    STALENESS,
)
BATCH_CHECKS = (
    LIVE_VERSION,
    LIVE_AGE,
    TABLE_DELIVERY,
    DECODING,
    INPUT_SUITE,
    INPUT_DRIFT,
    SUDDEN_SHIFT,
    CONSTRAINTS,
    RESTATED,
)
SCORED_CHECKS = (
    GOLDEN_REPLAY,
    ROW_LOCALITY,
    REFERENCE_SAMPLE,
    NO_FUTURE,
    TABLE_FRESHNESS,
    COMPUTATION,
    FEATURE_SUITE,
    OUTPUT_SUITE,
    PREDICTION_DRIFT,
    ROW_CONSERVATION,
    RESCORED,
    CODE_PARITY,
    ENVIRONMENT_PARITY,
)
PUBLISHED_CHECKS = (SINKS,)
OUTCOME_CHECKS = (ARRIVAL, LIVE_QUALITY, CALIBRATION)
REQUEST_CHECKS = (
    REQUEST_REPLAY,
    LOOKUP_REPLAY,
    LOOKUP_HINDSIGHT,
    TABLE_FRESHNESS,
    REQUEST_DRIFT,
)
AUDIT_CHECKS = (DIGESTS,)
EXAMINATION_CHECKS = (
    REFIT,
    FEATURE_VALUE,
    FEATURE_COST,
    TUNING,
    STALENESS_EFFECT,
    REGRESSION,
)
TABLE_CHECKS = (TABLE, APPEND_ONLY, KNOWN_AFTER, TABLE_FRESHNESS)
CHECKS_BY_ASSET = {
    "table": TABLE_CHECKS,
    "history": HISTORY_CHECKS,
    "training_set": TRAINING_SET_CHECKS,
    "candidate": CANDIDATE_CHECKS,
    "champion": CHAMPION_CHECKS,
    "batch": BATCH_CHECKS,
    "scored": SCORED_CHECKS,
    "published": PUBLISHED_CHECKS,
    "outcomes": OUTCOME_CHECKS,
    "requests": REQUEST_CHECKS,
    "audit": AUDIT_CHECKS,
    "examination": EXAMINATION_CHECKS,
}
CHECKS = tuple(dict.fromkeys(check for checks in CHECKS_BY_ASSET.values() for check in checks))
"""Every kind of check there is."""
REMEDIES = {check.name: check.remedy for check in CHECKS}
"""What to do when a check fails, by its name."""


def declared_checks(declared: PipelineAssets, asset: str) -> tuple[Check, ...]:
    """The checks of an asset that can ever be judged for a pipeline."""
    return tuple(
        check
        for check in CHECKS_BY_ASSET[asset]
        if check.need is None or check.need.is_met(declared)
    )


def others_not_judged(
    declared: PipelineAssets, asset: str, known: Mapping[str, CheckResult]
) -> dict[str, CheckResult]:
    """Complete the results of an asset's checks: the others are not judged.

    Args:
        known: Results by name of the check, with at least one error.
    """
    failed = " and ".join(name for name, result in known.items() if result.is_error)
    lacking = CheckResult.not_judged(f"There is nothing to look at: {failed} failed.")
    results = {check.name: known.get(check.name, lacking) for check in CHECKS_BY_ASSET[asset]}
    return worth_telling(declared, asset, results)


def worth_telling(
    declared: PipelineAssets, asset: str, results: Mapping[str, CheckResult]
) -> dict[str, CheckResult]:
    """Results without the checks that the pipeline does not declare and that were not judged.

    A check that the pipeline does not declare may be judged: a version is checked as it was
    declared when it was fitted.
    """
    names = {check.name for check in declared_checks(declared, asset)}
    return {name: result for name, result in results.items() if result.judged or name in names}


def blocking(checks: Iterable[Check], results: Mapping[str, CheckResult]) -> dict[str, str]:
    """Summaries of the results that block the next step, by check."""
    return {
        check.name: results[check.name].summary
        for check in checks
        if check.blocking and check.name in results and results[check.name].is_error
    }
