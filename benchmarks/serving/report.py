"""What the measurement says: rows, ratios and targets, as JSON and as Markdown tables."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

from benchmarks._report import Outcome
from benchmarks.serving.candidates import MLFLOW, NOOP, OURS
from benchmarks.serving.load import Load
from benchmarks.serving.measuring import CLIENTS, Measured
from benchmarks.serving.stages import STAGES, WHOLE

Figure = Callable[[Load], float]
RPS: Figure = attrgetter("rps")
P50: Figure = attrgetter("p50_ms")


def document(
    measured: Measured, stages: Mapping[int, Mapping[str, float]], machine: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything that was measured, as plain data.

    Args:
        measured: What was measured of the servers.
        stages: Microseconds a record of each stage, by number of requests together.
        machine: What it ran on.
    """
    exact = measured.exactness
    return {
        "rows": [
            _row(name, clients, measured.loads[name, clients])
            for name in (candidate.name for candidate in measured.candidates)
            for clients in CLIENTS
        ],
        "ratio_to_mlflow": {
            "rps_32": ratio(measured, MLFLOW, 32, RPS),
            "p50_1": ratio(measured, MLFLOW, 1, P50),
            "startup": startup_ratio(measured),
        },
        "ratio_to_noop": {
            "rps_32": ratio(measured, NOOP, 32, RPS),
            "p50_1": ratio(measured, NOOP, 1, P50),
        },
        "max_abs_diff": exact[OURS].max_abs_diff if OURS in exact else None,
        "startup_s": {name: statistics.median(times) for name, times in measured.starts.items()},
        "rss_mb": dict(measured.rss_mb),
        "compute_us_a_record": {
            f"{together} together": dict(found) for together, found in stages.items()
        },
        "exactness": {
            name: {
                "rows": one.rows,
                "max_abs_diff": one.max_abs_diff,
                "as_declared": one.is_declared,
                "found": one.summary,
            }
            for name, one in exact.items()
        },
        "spread": {
            "startup_s": {name: _spread(times) for name, times in measured.starts.items()},
        },
        "servers": {
            candidate.name: {"version": candidate.version, "does": candidate.does}
            for candidate in measured.candidates
        },
        "plan": {
            "rounds": measured.plan.rounds,
            "seconds": measured.plan.seconds,
            "starts": measured.plan.starts,
        },
        "requests_logged": measured.logged,
        "machine": dict(machine),
    }


def _row(name: str, clients: int, rounds: Sequence[Load]) -> dict[str, Any]:
    return {
        "server": name,
        "clients": clients,
        "rps": statistics.median(one.rps for one in rounds),
        "p50_ms": statistics.median(one.p50_ms for one in rounds),
        "p99_ms": statistics.median(one.p99_ms for one in rounds),
        "requests": sum(one.requests for one in rounds),
        "non_2xx": sum(one.refused for one in rounds),
        "broken": sum(one.broken for one in rounds),
        "spread": {
            figure: _spread([getattr(one, figure) for one in rounds])
            for figure in ("rps", "p50_ms", "p99_ms")
        },
    }


def _spread(values: Sequence[float]) -> list[float]:
    return [min(values), max(values)]


def ratio(measured: Measured, base: str, clients: int, figure: Figure) -> float | None:
    """Our figure over another one's, the median of the rounds; None if one was not measured."""
    ours, theirs = measured.loads.get((OURS, clients)), measured.loads.get((base, clients))
    if not ours or not theirs:
        return None
    return statistics.median(
        figure(one) / figure(other) for one, other in zip(ours, theirs, strict=True)
    )


def startup_ratio(measured: Measured) -> float | None:
    """Our time from start to first answer over MLflow's, likewise."""
    ours, theirs = measured.starts.get(OURS), measured.starts.get(MLFLOW)
    if not ours or not theirs:
        return None
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def targets(told: Mapping[str, Any]) -> Iterator[str]:
    """Each target with what was measured.

    Args:
        told: The document.
    """
    mlflow, noop = told["ratio_to_mlflow"], told["ratio_to_noop"]
    for target, measured, limit, is_least in (
        ("requests/s at 32 clients, over mlflow's", mlflow["rps_32"], 100, True),
        ("requests/s at 32 clients, over the no-op route's", noop["rps_32"], 0.5, True),
        ("median latency at one client, over mlflow's", mlflow["p50_1"], 1 / 30, False),
        ("median latency at one client, over the no-op route's", noop["p50_1"], 4, False),
        ("start to first answer, over mlflow's", mlflow["startup"], 1 / 3, False),
    ):
        if measured is None:
            yield f"{target}: not measured"
        else:
            yield str(Outcome(target, measured, limit, is_least=is_least))
    for name, one in told["exactness"].items():
        state = "met" if one["as_declared"] else f"FALLS SHORT: {one['found']}"
        yield (
            f"answers of {name}, {one['rows']:,} compared with scikit-learn's: exact as declared "
            f"wanted, {one['max_abs_diff']:.2g} is the largest difference: {state}"
        )
    for row in told["rows"]:
        if row["non_2xx"] or row["broken"]:
            yield (
                f"answers of {row['server']} to {row['clients']} clients: all 200 wanted, "
                f"{row['non_2xx']:,} others and {row['broken']:,} broken of {row['requests']:,}: "
                "FALLS SHORT"
            )


def markdown(told: Mapping[str, Any]) -> str:
    """The tables of the document."""
    machine, plan = told["machine"], told["plan"]
    parts = [
        "# Servers of the flight pipeline",
        f"`make bench-serving`, {machine['date']}: one real flight a request. Medians of "
        f"{plan['rounds']} rounds of {plan['seconds']} s taken in turns (least to largest in "
        "brackets); start-up from the start of the process to the first answer, median of "
        f"{plan['starts']}. {machine['cores']}",
        _items(
            f"**{name}** {one['version']}: {one['does']}" for name, one in told["servers"].items()
        ),
        _loads(told),
        _processes(told),
        "The compute path of ours alone, microseconds a record:",
        _stages(told),
        _items(targets(told)),
        "\n".join((machine["processor"], machine["versions"])),
    ]
    return "\n\n".join(parts) + "\n"


def _loads(told: Mapping[str, Any]) -> str:
    return _table(
        ("server", "clients", "requests/s", "p50, ms", "p99, ms", "not 200"),
        (
            (
                row["server"],
                str(row["clients"]),
                _with_spread(row, "rps", ",.0f"),
                _with_spread(row, "p50_ms", ",.2f"),
                _with_spread(row, "p99_ms", ",.2f"),
                f"{row['non_2xx'] + row['broken']:,}",
            )
            for row in told["rows"]
        ),
    )


def _processes(told: Mapping[str, Any]) -> str:
    exact = told["exactness"]
    return _table(
        ("server", "start-up, s", "memory, MB", "largest difference", "as declared"),
        (
            (
                name,
                f"{seconds:.1f}",
                f"{told['rss_mb'][name]:,.0f}",
                f"{exact[name]['max_abs_diff']:.2g}" if name in exact else "",
                ("yes" if exact[name]["as_declared"] else "no") if name in exact else "",
            )
            for name, seconds in told["startup_s"].items()
        ),
    )


def _stages(told: Mapping[str, Any]) -> str:
    return _table(
        ("requests", *STAGES, "all"),
        (
            (
                name,
                *(f"{found[stage]:.1f}" for stage in STAGES),
                f"{sum(found[stage] for stage in WHOLE):.1f}",
            )
            for name, found in told["compute_us_a_record"].items()
        ),
    )


def _with_spread(row: Mapping[str, Any], figure: str, form: str) -> str:
    low, high = row["spread"][figure]
    return f"{row[figure]:{form}} ({low:{form}} to {high:{form}})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _items(texts: Iterable[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)
