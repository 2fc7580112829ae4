"""`liteheart consent`: what a patient agreed to, and what cohorts are chosen by."""

import argparse
import json

from deploy import wiring
from deploy.role import add_store_arguments
from deploy.settings import load
from liteheart.clock import SystemClock
from liteheart.errors import Poison
from liteheart.ids import PatientId
from storage.consents import SCOPES
from storage.people import OPERATOR
from storage.subjects import SEXES, Subject


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """give|withdraw PATIENT SCOPE... | show PATIENT | describe PATIENT [--site --sex --birth-year]."""
    add_store_arguments(parser)
    actions = parser.add_subparsers(dest="action", required=True)
    for name, told in (("give", "the patient agrees"), ("withdraw", "the patient does not agree any more")):
        action = actions.add_parser(name, help=told)
        action.add_argument("patient")
        action.add_argument("scope", nargs="+", choices=SCOPES)
    show = actions.add_parser("show", help="what holds and what was said before, as one JSON line")
    show.add_argument("patient")
    describe = actions.add_parser("describe", help="what cohorts are chosen by; what is left out stays as it is")
    describe.add_argument("patient")
    describe.add_argument("--site", help="where the patient is looked after")
    describe.add_argument("--sex", choices=SEXES)
    describe.add_argument("--birth-year", type=int, metavar="YEAR")


def run(args: argparse.Namespace) -> int:
    """Write it down, or show it."""
    storage = wiring.open_storage(load(args.config, data_dir=args.data))
    patient = PatientId(args.patient)
    try:
        if not storage.subjects.knows(patient):
            raise Poison("patient", f"nobody knows {patient}")
        if args.action == "show":
            print(json.dumps(_shown(storage, patient)))
        elif args.action == "describe":
            before = storage.subjects.of(patient) or Subject(patient)
            site = before.site if args.site is None else args.site
            sex = before.sex if args.sex is None else args.sex
            year = before.birth_year if args.birth_year is None else args.birth_year
            storage.subjects.set(Subject(patient, site, sex, year), by=OPERATOR, now_us=SystemClock().now_us())
        else:
            for scope in dict.fromkeys(args.scope):
                now_us = SystemClock().now_us()
                storage.consents.say(patient, scope, args.action == "give", by=OPERATOR, now_us=now_us)
    finally:
        storage.close()
    return 0


def _shown(storage: wiring.Storage, patient: PatientId) -> dict[str, object]:
    subject = storage.subjects.of(patient) or Subject(patient)
    said = storage.consents.history(patient)
    return {
        "patient": patient,
        "consent": {c.scope: c.given for c in storage.consents.of(patient)},
        "subject": {"site": subject.site, "sex": subject.sex, "birth_year": subject.birth_year},
        "said": [{"scope": c.scope, "given": c.given, "by": c.by, "at_us": c.at_us} for c in said],
    }
