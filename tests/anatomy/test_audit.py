"""The audit: nothing new, nothing that is over, and faults that are made on purpose are found."""

from dataclasses import replace

import pytest

from myotrack.anatomy.audit import KNOWN_FAULTS, Audit, audit
from myotrack.anatomy.changes import Repairs
from myotrack.anatomy.model import BODIES, Anatomy
from myotrack.anatomy.muscles import muscle_table
from myotrack.anatomy.norms import norm_table


@pytest.fixture(scope="module")
def reports() -> dict[str, Audit]:
    return {name: audit(Anatomy.load(name, fingers=True)) for name in BODIES}


@pytest.mark.parametrize("name", BODIES)
def test_the_audit_finds_nothing_new(reports: dict[str, Audit], name: str) -> None:
    new = "\n".join(
        f"{row.kind}/{row.part}: {row.value:.4g} {row.unit}, not {row.expected}" for row in reports[name].new
    )
    assert not new, f"Mend these, or explain them in KNOWN_FAULTS:\n{new}"


@pytest.mark.parametrize("name", BODIES)
def test_every_known_fault_is_still_there(reports: dict[str, Audit], name: str) -> None:
    assert not reports[name].gone, "These no longer occur; delete them from KNOWN_FAULTS."


def test_every_known_fault_names_something_that_is_looked_at(reports: dict[str, Audit]) -> None:
    looked_at = {
        f"{check.kind}/{part}" for report in reports.values() for check in report.checks for part in check.values
    }
    assert not KNOWN_FAULTS.keys() - looked_at


def test_tables_are_full_of_text(reports: dict[str, Audit]) -> None:
    for report in reports.values():
        for title, headers, rows in report.tables():
            assert title and rows
            assert all(len(row) == len(headers) and all(isinstance(cell, str) for cell in row) for row in rows)


def test_segments_weigh_what_the_body_weighs(reports: dict[str, Audit]) -> None:
    masses = reports["full"].masses
    assert sum(row.mass for row in masses) == pytest.approx(Anatomy.load("full", fingers=True).model.body_mass.sum())
    assert sum(row.winter for row in masses) == pytest.approx(1.0)
    assert not reports["arms"].masses


def test_every_published_muscle_is_compared(reports: dict[str, Audit]) -> None:
    rows = [row for envelope in reports["full"].arms for row in envelope.rows]
    assert len(rows) == len(norm_table("moment_arms_published"))
    assert len(reports["full"].legs) == len(norm_table("rajagopal2016_leg_muscles"))


def test_a_fault_made_on_purpose_is_found_and_one_that_vanishes_is_missed() -> None:
    sound = Anatomy.load("arms", repairs=Repairs())
    model = sound.model.__copy__()
    model.actuator_gainprm[model.actuator("BRA").id, 2] *= 1.5
    model.body_mass[model.body("ulna_l").id] *= 1.1
    model.actuator_lengthrange[model.actuator("ANC").id, 0] = -1.0
    for name in ("BRD", "BRD_left"):
        model.actuator_lengthrange[model.actuator(name).id] += [-0.1, 0.1]
    report = audit(replace(sound, model=model, muscles=muscle_table(model)))
    new = {(row.kind, row.part) for row in report.new}
    assert {
        ("muscle symmetry", "BRA"),
        ("active is not passive", "BRA"),
        ("segment mass symmetry", "ulna"),
        ("long fibre", "ANC"),
        ("negative tendon", "ANC"),
    } <= new
    assert report.gone == ("outside path range/BRD",)


def test_the_published_faults_that_we_repair_are_found_without_the_repair() -> None:
    new = {(row.kind, row.part) for row in audit(Anatomy.load("arms", repairs=Repairs.none())).new}
    assert ("active is not passive", "SUPSP") in new
    assert ("outside path range", "TMAJ") in new
