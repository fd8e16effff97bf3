"""Faults of code: columns that look at more than their own row, or are not what they were."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from uuid import uuid4

from benchmarks.skew.faults import ABOUT_CODE, Fault
from benchmarks.skew.judged import Judged
from benchmarks.skew.site import Play, Scene, Site
from lockstep.training.candidate import fit_candidate
from lockstep.training.training_set import compute_training_set, ingest_history

Edit = tuple[str, str]
SPREAD = "return temp - dewp"
AGE = "return years - plane_year"
GUSTS = "return np.fmax(wind_gust, wind_speed) - wind_speed"
LOSS = "return 10.0 - visib"
DISTANCE = "days: Ints = np.minimum(np.minimum(before, after), 7)"
GROUP = 'return _texts(CARRIER_GROUPS, carrier, "other")'
MAKER = 'return _texts(MAKERS, plane_maker, "other")'
WET = "return precip > 0"
SPEED = "return np.where(scheduled_duration > 0, 60.0 * distance / scheduled_duration, np.nan)"
IMPORTS = "import math\n"
CHECKS = (*ABOUT_CODE, "refusal", "feature_suite", "output_suite", "slices")


def clean_life(site: Site) -> Judged:
    """Train, promote and score with the code as it is."""
    return site.life()


def clean_gate(site: Site) -> Judged:
    """Promote version 2 with the code as it is."""
    return site.gate()


def clean_score(site: Site) -> Judged:
    """Score with the code as it is."""
    return site.score()


def life_of(*edits: Edit) -> Play:
    """Train, promote and score with other code."""
    return lambda site: site.declaring(site.edited(*edits)).life()


def gate_of(*edits: Edit) -> Play:
    """Promote version 2 in a checkout whose code has changed since."""
    return lambda site: site.declaring(site.edited(*edits)).gate()


def score_of(*edits: Edit) -> Play:
    """Score in a checkout whose code has changed since."""
    return lambda site: site.declaring(site.edited(*edits)).score()


def fit_of(*edits: Edit) -> Play:
    """Fit to a training set that was computed before the code changed."""

    def play(site: Site) -> Judged:
        run = uuid4().hex
        platform = site.platform
        ingest_history(platform.declared, platform.store, run)
        compute_training_set(platform.declared, platform.store, run)
        later = site.declaring(site.edited(*edits)).platform
        found = fit_candidate(later.declared, later.store, run, later.registry, later.packages)
        return Judged(found.results, {} if found.version is None else {"version": "other code"})

    return play


clean_fit = fit_of()
"""Fit to a training set with the code that computed it."""


def life_with_file(before: str, after: str) -> Play:
    """Train and promote a column that reads a file, and score after the file has changed."""

    def play(site: Site) -> Judged:
        file = site.home / "rates.json"
        file.write_text(before)
        edits = (
            (IMPORTS, "import json\nimport math\nfrom pathlib import Path\n"),
            (
                MAKER,
                f"rates = json.loads(Path({str(file)!r}).read_text())\n"
                f"    return _texts({{**MAKERS, **rates}}, plane_maker, 'other')",
            ),
        )
        edited = site.declaring(site.edited(*edits))
        results, is_live = edited.go_live()
        if not is_live:
            return Judged(results)
        clean = edited.score()
        shutil.rmtree(edited.platform.store.root / "daily" / "attempts" / "2013-04-03")
        file.write_text(after)
        scored = Site.at(site.home, edited.platform.declared).score()
        shown = {"published": "another file"} if scored.out and scored.out != clean.out else {}
        return Judged({**results, **scored.results}, shown)

    return play


def _code(
    name: str,
    story: str,
    where: str | Sequence[str],
    faulted: Play,
    clean: Play = clean_life,
    *,
    blocks: bool = True,
    unfound: str = "",
) -> Scene:
    places = (where,) if isinstance(where, str) else tuple(where)
    return Scene(Fault(name, "code", story, places, CHECKS, blocks, unfound), faulted, clean)


_CALLS = "_CALLS: list[int] = []\n\n\n@feature\ndef gust_excess("
_SEEN = "_SEEN: dict[str, float] = {}\n\n\n@feature\ndef plane_age("
CODE_SCENES: tuple[Scene, ...] = (
    _code("batch_mean", "dew_point_spread is measured from the mean of its batch",
          "dew_point_spread", life_of((SPREAD, f"{SPREAD} - np.nanmean(temp - dewp)"))),
    _code("batch_mean_of_large_batches", "the same, in batches of more than 5,000 rows",
          "dew_point_spread",
          life_of((SPREAD, f"{SPREAD} - (np.nanmean(temp - dewp) if len(temp) > 5000 else 0.0)"))),
    _code("batch_mean_of_midsize_batches", "the same, in batches of more than 400 rows",
          "dew_point_spread",
          life_of((SPREAD, f"{SPREAD} - (np.nanmean(temp - dewp) if len(temp) > 400 else 0.0)"))),
    _code("batch_minimum", "plane_age counts from the newest aircraft of the batch", "plane_age",
          life_of((AGE, "return np.nanmax(plane_year) - plane_year"))),
    _code("batch_rank", "visibility_loss is a rank within the batch", "visibility_loss",
          life_of((LOSS, "return np.argsort(np.argsort(visib)).astype(float)"))),
    _code("running_maximum", "gust_excess is the largest so far", "gust_excess",
          life_of((GUSTS, f"found = np.nan_to_num({GUSTS[7:]})\n"
                          "    return np.maximum.accumulate(found)"))),
    _code("row_before", "scheduled_speed is that of the row before where both go as far",
          "scheduled_speed",
          life_of((SPEED, f"found = {SPEED[7:]}\n"
                          "    alike = (distance == np.roll(distance, 1)) & (distance > 2500)\n"
                          "    return np.where(alike, np.roll(found, 1), found)"))),
    _code("few_rows_of_the_batch", "visibility_loss takes the batch's mean at a few distances",
          "visibility_loss",
          life_of(("def visibility_loss(visib: Floats)",
                   "def visibility_loss(visib: Floats, distance: Floats)"),
                  (LOSS, "return np.where(distance == 80.0, 10.0 - np.nanmean(visib), 10.0 - visib)"
                   ))),
    _code("codes_of_the_batch", "carrier_group is the batch's commonest for one rare carrier",
          "carrier_group",
          life_of((GROUP, 'found = _texts(CARRIER_GROUPS, carrier, "other")\n'
                          "    names, counts = np.unique(found.astype(str), return_counts=True)\n"
                          "    common = str(names[counts.argmax()])\n"
                          '    return np.array([common if one == "F9" else kind for one, kind in '
                          "zip(carrier.tolist(), found.tolist(), strict=True)], dtype=object)"))),
    _code("single_row", "maker is other where a row comes alone", "maker",
          life_of((MAKER, "if len(plane_maker) == 1:\n"
                          "        return np.array(['other'], dtype=object)\n    " + MAKER))),
    _code("clock_in_years", "plane_age counts to the year of the clock", "plane_age",
          life_of((IMPORTS, "import datetime\nimport math\n"),
                  (AGE, "now = datetime.datetime.now().year\n    return now - plane_year"))),
    _code("clock_in_seconds", "visibility_loss holds some nanoseconds of the clock",
          "visibility_loss",
          life_of((IMPORTS, "import math\nimport time\n"),
                  (LOSS, "return 10.0 - visib + 1e-6 * (time.time() % 1)"))),
    _code("clock_with_a_date", "gust_excess is another one from 2027 on", "gust_excess",
          life_of((IMPORTS, "import math\nimport time\n"),
                  (GUSTS, f"found = {GUSTS[7:]}\n"
                          "    return found * 2 if time.time() > 1798761600 else found"))),
    _code("clock_of_a_far_year", "dew_point_spread is another one from 2095 on, as told at import",
          ("dew_point_spread", "flight_delay.py"),
          life_of((IMPORTS, "import datetime\nimport math\n"),
                  ("# Weather\n", "# Weather\n\n_IS_NEW = datetime.date.today().year >= 2095\n"),
                  (SPREAD, f"{SPREAD} + _IS_NEW")), blocks=False),
    _code("clock_by_a_table", "visibility_loss reads a clock that a table of functions holds",
          ("visibility_loss", "flight_delay.py"),
          life_of((IMPORTS, "import math\nimport time\n"),
                  ("# Weather\n", "# Weather\n\n_SOURCES = {'now': lambda: time.time()}\n"),
                  (LOSS, "return 10.0 - visib + (_SOURCES['now']() > 4e9)")), blocks=False),
    _code("file_that_may_be_there", "gust_excess is another one where there is a file",
          ("gust_excess", "/srv/storm"),
          life_of((IMPORTS, "import math\nimport os\n"),
                  (GUSTS, f"return ({GUSTS[7:]}) * (2 if os.path.exists('/srv/storm') else 1)")),
          blocks=False),
    _code("name_of_the_machine", "maker is other on a machine of another name",
          ("maker", "uname"),
          life_of((IMPORTS, "import math\nimport os\n"),
                  (MAKER, "if os.uname().nodename == 'production':\n"
                          "        return np.array(['other'] * len(plane_maker), dtype=object)\n"
                          f"    {MAKER}")), blocks=False),
    _code("thread_of_the_process", "visibility_loss is another one outside the main thread",
          ("visibility_loss", "thread"),
          life_of((IMPORTS, "import math\nimport threading\n"),
                  (LOSS, "main = threading.main_thread()\n"
                         "    return 10.0 - visib + (threading.current_thread() is not main)")),
          blocks=False),
    _code("variable_in_a_path", "gust_excess reads an environment variable through a path",
          ("gust_excess", "GUSTS"),
          life_of((IMPORTS, "import math\nimport os\n"),
                  (GUSTS, f"return ({GUSTS[7:]}) * (2 if os.path.expandvars('$GUSTS') == 'twice' "
                          "else 1)")), blocks=False),
    _code("network_of_few_rows", "visibility_loss asks the network where the sight is short",
          ("visibility_loss", "network"),
          life_of((IMPORTS, "import math\nimport socket\n"),
                  (LOSS, "if (visib < 0.3).any():\n        try:\n"
                         "            socket.create_connection(('127.0.0.1', 9), 0.01).close()\n"
                         "        except OSError:\n            pass\n"
                         "    return 10.0 - visib")), blocks=False),
    _code("random", "visibility_loss holds random noise", "visibility_loss",
          life_of((LOSS, "return 10.0 - visib + 1e-9 * np.random.standard_normal(len(visib))"))),
    _code("random_of_few_rows", "gust_excess is random in a row of 2,000", "gust_excess",
          life_of((GUSTS, f"found = {GUSTS[7:]}\n"
                          "    return np.where(np.random.random(len(found)) < 5e-4, 0.0, found)"))),
    _code("random_of_the_process", "dew_point_spread holds a number drawn at import",
          "dew_point_spread",
          life_of((IMPORTS, "import math\nimport random\n"),
                  ("# Weather\n", "# Weather\n\n_DRAWN = random.random()\n"),
                  (SPREAD, f"{SPREAD} + _DRAWN"))),
    _code("hash_seed", "carrier_group depends on Python's hashes", "carrier_group",
          life_of((GROUP, 'known = ("network", "low-cost", "regional", "other")\n'
                          "    return np.array([known[hash(one) % 4] for one in carrier.tolist()], "
                          "dtype=object)"))),
    _code("order_of_a_set", "maker is numbered by the order of a set", "maker",
          life_of((MAKER, f"found = {MAKER[7:]}\n"
                          "    turned = list({*MAKERS.values()})[0]\n"
                          "    return np.array(['other' if one == turned else one for one in "
                          "found.tolist()], dtype=object)"))),
    _code("local_time", "holiday_distance takes the day by the clock of the process",
          "holiday_distance",
          life_of((IMPORTS, "import math\nimport time\n"),
                  (DISTANCE, "shift = time.timezone // 3600\n"
                             "    days: Ints = np.minimum(np.minimum(before, after), 7) + shift")),
          blocks=False),
    _code("locale_of_the_process", "maker is sorted by the locale", "maker",
          life_of((IMPORTS, "import locale\nimport math\n"),
                  (MAKER, "if (locale.getlocale()[0] or 'C') not in ('C', 'en_US'):\n"
                          "        return np.array(['other'] * len(plane_maker), dtype=object)\n"
                          f"    {MAKER}")), blocks=False),
    _code("environment_variable", "visibility_loss reads an environment variable",
          ("visibility_loss", "MILES", "environ"),
          life_of((IMPORTS, "import math\nimport os\n"),
                  (LOSS, "return float(os.environ.get('MILES', '10.0')) - visib")), blocks=False),
    _code("file_that_changes", "maker reads a file in which a rare key changes after the fit",
          ("maker", "rates.json"),
          life_with_file('{"CESSNA": "other"}', '{"CESSNA": "Boeing"}')),
    _code("file_that_changes_much", "maker reads a file in which a common key changes later",
          ("maker", "rates.json"),
          life_with_file('{"EMBRAER": "Embraer"}', '{"EMBRAER": "Boeing"}')),
    _code("first_call", "gust_excess is another one at the first large call", "gust_excess",
          life_of(("@feature\ndef gust_excess(", _CALLS),
                  (GUSTS, f"found = {GUSTS[7:]}\n"
                          "    if len(found) <= 100:\n        return found\n"
                          "    _CALLS.append(1)\n"
                          "    return found * 0.5 if len(_CALLS) == 1 else found"))),
    _code("last_value_kept", "plane_age fills a missing value with the last one seen",
          "plane_age",
          life_of(("@feature\ndef plane_age(", _SEEN),
                  (AGE, f"found = np.array({AGE[7:]}, dtype=float)\n"
                        "    for row in range(len(found)):\n"
                        "        if np.isnan(found[row]):\n"
                        "            found[row] = _SEEN.get('last', 0.0)\n"
                        "        _SEEN['last'] = float(found[row])\n"
                        "    return found"))),
    _code("input_changed_in_place", "dew_point_spread changes temp in place",
          ("dew_point_spread", "temp"),
          life_of((SPREAD, "temp -= dewp\n    return temp"))),
    _code("label_of_the_batch", "late is measured from the median of the batch", "late",
          life_of(("return np.isnan(arr_delay) | (arr_delay > LATE_AFTER)",
                   "return np.isnan(arr_delay) | (arr_delay > np.nanmedian(arr_delay))"))),
    _code("constant_before_the_fit", "_MAIN_RUNWAY changes between training set and fit",
          ("crosswind", "_MAIN_RUNWAY"),
          fit_of(("_MAIN_RUNWAY = 30.0", "_MAIN_RUNWAY = 40.0")),
          clean=clean_fit),
    _code("function_before_the_fit", "departure_minute changes between training set and fit",
          "departure_minute",
          fit_of(("return sched_dep_time // 100 * 60 + sched_dep_time % 100",
                  "return sched_dep_time + 0")),
          clean=clean_fit),
    _code("constant_before_the_gate", "_FREEZING changes between fit and promotion",
          ("is_freezing_wet", "_FREEZING"), gate_of(("_FREEZING = 34.0", "_FREEZING = 32.0")),
          clean_gate),
    _code("threshold_before_the_gate", "LATE_FROM changes between fit and promotion",
          ("will_be_late", "LATE_FROM"), gate_of(("LATE_FROM = 0.5", "LATE_FROM = 0.45")),
          clean_gate),
    _code("function_before_the_gate", "departure_minute changes between fit and promotion",
          "departure_minute",
          gate_of(("return sched_dep_time // 100 * 60 + sched_dep_time % 100",
                   "return sched_dep_time + 0")), clean_gate),
    _code("helper_before_the_gate", "a helper's default changes between fit and promotion",
          ("degrees_north", "degrees_east", "_numbers"),
          gate_of(("np.array([table.get(key, math.nan) for key in keys.tolist()]",
                   "np.array([table.get(key, 0.0) for key in keys.tolist()]")), clean_gate),
    _code("rare_key_before_the_gate", "one rare maker changes between fit and promotion",
          ("maker", "MAKERS"),
          gate_of(('    "MCDONNELL DOUGLAS CORPORATION": "McDonnell Douglas",\n', "")), clean_gate),
    _code("constant_after_promotion", "_INSTRUMENT_VISIBILITY changes in the checkout that scores",
          ("is_low_visibility", "_INSTRUMENT_VISIBILITY"),
          score_of(("_INSTRUMENT_VISIBILITY = 3.0", "_INSTRUMENT_VISIBILITY = 5.0")), clean_score),
    _code("output_after_promotion", "the bands of risk change in the checkout that scores",
          ("risk_band", "_BAND_LIMITS"),
          score_of(("_BAND_LIMITS = np.array([0.15, 0.3, 0.5])",
                    "_BAND_LIMITS = np.array([0.1, 0.3, 0.5])")), clean_score),
)  # fmt: skip
"""Faults of code. What is changed after promotion does not reach what is published: a version goes
on with its own code."""
