"""Faults of code: columns that look at more than their own row, or are not what they were."""

from __future__ import annotations

import shutil
from functools import partial
from typing import Any

from benchmarks.skew.faults import Judged
from benchmarks.skew.site import DAY, Play, Scene, Site, scene

Edit = tuple[str, str]
CHECKS = (
    *("row_locality", "training_parity", "round_trip", "wire_formats", "compiled_parity"),
    *("golden_replay", "reference_sample", "computation", "code_parity", "evidence"),
    *("refusal", "feature_suite", "output_suite", "slices", "no_future"),
)
"""Checks that say that a column is not computed as it was, or not from its own row."""
_LINES = {
    "dew_point_spread": "return weather_temp - weather_dewp",
    "plane_age": "return years - aircraft_year",
    "gust_excess": "return np.fmax(weather_wind_gust, weather_wind_speed) - weather_wind_speed",
    "visibility_loss": "return 10.0 - weather_visib",
    "holiday_distance": "days: Ints = np.minimum(np.minimum(before, after), 7)",
    "carrier_group": 'return _texts(CARRIER_GROUPS, carrier, "other")',
    "maker": 'return _texts(MAKERS, aircraft_maker, "other")',
    "late": "return np.isnan(arr_delay) | (arr_delay > LATE_AFTER)",
    "departure_minute": "return sched_dep_time // 100 * 60 + sched_dep_time % 100",
    "scheduled_speed": "return np.where(scheduled_duration > 0, 60.0 * distance / "
    "scheduled_duration, np.nan)",
}
"""The line of each column that is edited."""


def imported(*modules: str) -> Edit:
    """Import other modules."""
    return "import math\n", "".join(f"import {name}\n" for name in sorted(("math", *modules)))


def written(column: str, lines: str) -> Edit:
    """Write other lines for that of a column; `it` stands for what was returned."""
    before = _LINES[column]
    after = lines.replace("\n", "\n    ").replace("<it>", before.removeprefix("return "))
    return before, after


def defined(line: str) -> Edit:
    """Define a name of the module."""
    return "# Weather\n", f"# Weather\n\n{line}\n"


def in_code(play: Play, *edits: Edit) -> Play:
    """Do something in a checkout whose code is another one."""
    return lambda site: play(site.edited(*edits))


def refit(site: Site) -> Judged:
    """Fit to a training set with the code that computed it."""
    return _fit_of()(site)


def _fit_of(*edits: Edit) -> Play:
    """Fit to a training set that was computed before the code changed."""
    return lambda site: site.edited(*edits).fit(site.training_set()[0])


def _life_with_file(before: str, after: str) -> Play:
    """Train and promote a column that reads a file, and score after the file has changed."""

    def play(site: Site) -> Judged:
        file = site.home / "rates.json"
        file.write_text(before)
        lines = (
            f"rates = json.loads(Path({str(file)!r}).read_text())\n"
            "return _texts({**MAKERS, **rates}, aircraft_maker, 'other')"
        )
        imports = ("import math\n", "import json\nimport math\nfrom pathlib import Path\n")
        edited = site.edited(imports, written("maker", lines))
        results, is_live = edited.platform.go_live()
        if not is_live:
            return Judged(results)
        clean = edited.score()
        shutil.rmtree(edited.platform.store.root / "daily" / "attempts" / DAY.isoformat())
        file.write_text(after)
        scored = Site.at(site.home, edited.platform.declared).score()
        shown = {"published": "another file"} if scored.out and scored.out != clean.out else {}
        return Judged({**results, **scored.results}, shown)

    return play


_code = partial(scene, "code", CHECKS)


def _column(name: str, story: str, where: str, lines: str, *edits: Edit, **more: Any) -> Scene:
    """A scene in which a column is computed otherwise from its training on."""
    edit = written(where.partition(" ")[0], lines)
    return _code(Site.life, name, story, where, in_code(Site.life, *edits, edit), **more)


_harmless = partial(_column, blocks=False)
"""One in which the column is the same on this machine, as long as the benchmark takes."""
CODE_SCENES: tuple[Scene, ...] = (
    _column("batch_mean", "dew_point_spread is measured from the mean of its batch",
            "dew_point_spread", "return <it> - np.nanmean(<it>)"),
    _column("batch_mean_of_large_batches", "the same, in batches of more than 5,000 rows",
            "dew_point_spread",
            "return <it> - (np.nanmean(<it>) if len(weather_temp) > 5000 else 0.0)"),
    _column("batch_mean_of_midsize_batches", "the same, in batches of more than 400 rows",
            "dew_point_spread",
            "return <it> - (np.nanmean(<it>) if len(weather_temp) > 400 else 0.0)"),
    _column("batch_minimum", "plane_age counts from the newest aircraft of the batch", "plane_age",
            "return np.nanmax(aircraft_year) - aircraft_year"),
    _column("batch_rank", "visibility_loss is a rank within the batch", "visibility_loss",
            "return np.argsort(np.argsort(weather_visib)).astype(float)"),
    _column("running_maximum", "gust_excess is the largest so far", "gust_excess",
            "found = np.nan_to_num(<it>)\nreturn np.maximum.accumulate(found)"),
    _column("row_before", "scheduled_speed is that of the row before where both go as far",
            "scheduled_speed",
            "found = <it>\n"
            "alike = (distance == np.roll(distance, 1)) & (distance > 2500)\n"
            "return np.where(alike, np.roll(found, 1), found)"),
    _column("few_rows_of_the_batch", "visibility_loss takes the batch's mean at a few distances",
            "visibility_loss",
            "return np.where(distance == 80.0, 10.0 - np.nanmean(weather_visib), <it>)",
            ("def visibility_loss(weather_visib: Floats)",
             "def visibility_loss(weather_visib: Floats, distance: Floats)")),
    _column("codes_of_the_batch", "carrier_group is the batch's commonest for one rare carrier",
            "carrier_group",
            "found = <it>\n"
            "names, counts = np.unique(found.astype(str), return_counts=True)\n"
            "common = str(names[counts.argmax()])\n"
            'return np.array([common if one == "F9" else kind for one, kind in '
            "zip(carrier.tolist(), found.tolist(), strict=True)], dtype=object)"),
    _column("single_row", "maker is other where a row comes alone", "maker",
            "if len(aircraft_maker) == 1:\n    return np.array(['other'], dtype=object)\n"
            "return <it>"),
    _column("clock_in_years", "plane_age counts to the year of the clock", "plane_age",
            "now = datetime.datetime.now().year\nreturn now - aircraft_year", imported("datetime")),
    _column("clock_in_seconds", "visibility_loss holds some nanoseconds of the clock",
            "visibility_loss", "return <it> + 1e-6 * (time.time() % 1)", imported("time")),
    _column("clock_with_a_date", "gust_excess is another one from 2027 on", "gust_excess",
            "found = <it>\nreturn found * 2 if time.time() > 1798761600 else found",
            imported("time")),
    _harmless("clock_of_a_far_year",
              "dew_point_spread is another one from 2095 on, as told at import",
              "dew_point_spread flight_delay.py", "return <it> + _IS_NEW", imported("datetime"),
              defined("_IS_NEW = datetime.date.today().year >= 2095")),
    _harmless("clock_by_a_table", "visibility_loss reads a clock that a table of functions holds",
              "visibility_loss flight_delay.py", "return <it> + (_SOURCES['now']() > 4e9)",
              imported("time"), defined("_SOURCES = {'now': lambda: time.time()}")),
    _harmless("file_that_may_be_there", "gust_excess is another one where there is a file",
              "gust_excess /srv/storm",
              "return (<it>) * (2 if os.path.exists('/srv/storm') else 1)", imported("os")),
    _harmless("name_of_the_machine", "maker is other on a machine of another name", "maker uname",
              "if os.uname().nodename == 'production':\n"
              "    return np.array(['other'] * len(aircraft_maker), dtype=object)\nreturn <it>",
              imported("os")),
    _harmless("thread_of_the_process", "visibility_loss is another one outside the main thread",
              "visibility_loss thread",
              "main = threading.main_thread()\n"
              "return <it> + (threading.current_thread() is not main)", imported("threading")),
    _harmless("variable_in_a_path", "gust_excess reads an environment variable through a path",
              "gust_excess GUSTS",
              "return (<it>) * (2 if os.path.expandvars('$GUSTS') == 'twice' else 1)",
              imported("os")),
    _harmless("network_of_few_rows", "visibility_loss asks the network where the sight is short",
              "visibility_loss network",
              "if (weather_visib < 0.3).any():\n    try:\n"
              "        socket.create_connection(('127.0.0.1', 9), 0.01).close()\n"
              "    except OSError:\n        pass\nreturn <it>", imported("socket")),
    _column("random", "visibility_loss holds random noise", "visibility_loss",
            "return <it> + 1e-9 * np.random.standard_normal(len(weather_visib))"),
    _column("random_of_few_rows", "gust_excess is random in a row of 2,000", "gust_excess",
            "found = <it>\nreturn np.where(np.random.random(len(found)) < 5e-4, 0.0, found)"),
    _column("random_of_the_process", "dew_point_spread holds a number drawn at import",
            "dew_point_spread", "return <it> + _DRAWN", imported("random"),
            defined("_DRAWN = random.random()")),
    _column("hash_seed", "carrier_group depends on Python's hashes", "carrier_group",
            'known = ("network", "low-cost", "regional", "other")\n'
            "return np.array([known[hash(one) % 4] for one in carrier.tolist()], dtype=object)"),
    _column("order_of_a_set", "maker is numbered by the order of a set", "maker",
            "found = <it>\nturned = list({*MAKERS.values()})[0]\n"
            "return np.array(['other' if one == turned else one for one in found.tolist()], "
            "dtype=object)"),
    _harmless("local_time", "holiday_distance takes the day by the clock of the process",
              "holiday_distance", "shift = time.timezone // 3600\n<it> + shift", imported("time")),
    _harmless("locale_of_the_process", "maker is sorted by the locale", "maker",
              "if (locale.getlocale()[0] or 'C') not in ('C', 'en_US'):\n"
              "    return np.array(['other'] * len(aircraft_maker), dtype=object)\nreturn <it>",
              imported("locale")),
    _harmless("environment_variable", "visibility_loss reads an environment variable",
              "visibility_loss MILES environ",
              "return float(os.environ.get('MILES', '10.0')) - weather_visib", imported("os")),
    _code(Site.life, "file_that_changes",
          "maker reads a file in which a rare key changes after the fit", "maker rates.json",
          _life_with_file('{"CESSNA": "other"}', '{"CESSNA": "Boeing"}')),
    _code(Site.life, "file_that_changes_much",
          "maker reads a file in which a common key changes later", "maker rates.json",
          _life_with_file('{"EMBRAER": "Embraer"}', '{"EMBRAER": "Boeing"}')),
    _column("first_call", "gust_excess is another one at the first large call", "gust_excess",
            "found = <it>\nif len(found) <= 100:\n    return found\n_CALLS.append(1)\n"
            "return found * 0.5 if len(_CALLS) == 1 else found",
            defined("_CALLS: list[int] = []")),
    _column("last_value_kept", "plane_age fills a missing value with the last one seen",
            "plane_age",
            "found = np.array(<it>, dtype=float)\n"
            "for row in range(len(found)):\n    if np.isnan(found[row]):\n"
            "        found[row] = _SEEN.get('last', 0.0)\n    _SEEN['last'] = float(found[row])\n"
            "return found", defined("_SEEN: dict[str, float] = {}")),
    _column("input_changed_in_place", "dew_point_spread changes weather_temp in place",
            "dew_point_spread weather_temp", "weather_temp -= weather_dewp\nreturn weather_temp"),
    _code(Site.life, "weather_to_come", "weather is looked up an hour ahead",
          "weather_temp weather",
          in_code(Site.life, ("return Asked(origin, as_of=scheduled_at)",
                              "ahead = np.timedelta64(1, 'h')\n    "
                              "return Asked(origin, as_of=scheduled_at + ahead)"))),
    _code(Site.life, "landings_to_come", "a window over landings ends a day ahead",
          "late_before_count late_before",
          in_code(Site.life, ("return Asked(tail, as_of=scheduled_at)",
                              "ahead = np.timedelta64(1, 'D')\n    "
                              "return Asked(tail, as_of=scheduled_at + ahead)"))),
    _column("label_of_the_batch", "late is measured from the median of the batch", "late",
            "return np.isnan(arr_delay) | (arr_delay > np.nanmedian(arr_delay))"),
    _code(refit, "constant_before_the_fit", "_MAIN_RUNWAY changes between training set and fit",
          "crosswind _MAIN_RUNWAY", _fit_of(("_MAIN_RUNWAY = 30.0", "_MAIN_RUNWAY = 40.0"))),
    _code(refit, "function_before_the_fit", "departure_minute changes between training set and fit",
          "departure_minute", _fit_of(written("departure_minute", "return sched_dep_time + 0"))),
    _code(Site.gate, "constant_before_the_gate", "_FREEZING changes between fit and promotion",
          "is_freezing_wet _FREEZING",
          in_code(Site.gate, ("_FREEZING = 34.0", "_FREEZING = 32.0"))),
    _code(Site.gate, "threshold_before_the_gate", "LATE_FROM changes between fit and promotion",
          "will_be_late LATE_FROM", in_code(Site.gate, ("LATE_FROM = 0.5", "LATE_FROM = 0.45"))),
    _code(Site.gate, "function_before_the_gate",
          "departure_minute changes between fit and promotion", "departure_minute",
          in_code(Site.gate, written("departure_minute", "return sched_dep_time + 0"))),
    _code(Site.gate, "helper_before_the_gate",
          "a helper's default changes between fit and promotion",
          "degrees_north degrees_east _numbers",
          in_code(Site.gate, ("[table.get(key, math.nan)", "[table.get(key, 0.0)"))),
    _code(Site.gate, "rare_key_before_the_gate", "one rare maker changes between fit and promotion",
          "maker MAKERS",
          in_code(Site.gate, ('    "MCDONNELL DOUGLAS CORPORATION": "McDonnell Douglas",\n', ""))),
    _code(Site.score, "constant_after_promotion",
          "_INSTRUMENT_VISIBILITY changes in the checkout that scores",
          "is_low_visibility _INSTRUMENT_VISIBILITY",
          in_code(Site.score, ("_INSTRUMENT_VISIBILITY = 3.0", "_INSTRUMENT_VISIBILITY = 5.0"))),
    _code(Site.score, "output_after_promotion",
          "the bands of risk change in the checkout that scores", "risk_band _BAND_LIMITS",
          in_code(Site.score, ("np.array([0.15, 0.3, 0.5])", "np.array([0.1, 0.3, 0.5])"))),
)  # fmt: skip
"""Faults of code. What is changed after promotion does not reach what is published: a version goes
on with its own code."""
