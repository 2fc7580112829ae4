"""The first two phases: what to learn from, and a candidate that has learned from it."""

import shutil
from dataclasses import replace

from deploy.refresh.drifting import against, look_for_drift
from deploy.refresh.harvest import NOTHING_NEW, Harvested, harvest
from deploy.refresh.held import Held, Refused
from deploy.refresh.house import BY, House
from deploy.refresh.ports import Material
from deploy.refresh.settings import RefreshSettings
from deploy.refresh.worlds import give_world, keep_looks, kept_looks
from deploy.succession import made_of
from storage.harvest import SCOPE, bare


def harvest_phase(house: House, held: Held) -> None:
    """Ends with material in the folder of the attempt. Raises Refused when there is too little of it."""
    held.now("harvest")
    salt, champion, now_us = held.refresh.salt, house.champion(), house.clock.now_us()
    if salt is None:
        raise Refused("the attempt has no salt any more")
    folder = house.fetched(champion)
    known = house.method.world(folder)
    found = harvest(house.storage, folder, known, house.settings, salt, now_us, held.progress)
    drift = look_for_drift(house.all, house.storage, held.refresh, champion, known, found.profiles, now_us)
    held.now("harvest", 1.0, drift=drift, drift_against=against(known), **found.told)
    if reason := too_little(found, house.settings):
        raise Refused(reason)
    found.material.save(house.work(held) / "material")
    keep_looks(house.work(held), found.looks)
    held.now("grow", champion=champion)


def too_little(found: Harvested, settings: RefreshSettings) -> str:
    """Why nothing can be learned from it; empty: it can."""
    people, ignored = found.told["people"], found.told["people_ignored"]
    if people and ignored / people > settings.most_ignored:
        return f"the words of {ignored} of {people} people contradict the others or the signal"
    reason = _too_few(found.material, settings)
    words = {
        "no consent": f"no consent to {SCOPE} (patients)",
        NOTHING_NEW: f"silent for {settings.days:g} days (patients)",
    }
    lost = ", ".join(f"{n} {words.get(why, why)}" for why, n in sorted(found.told["left_out"].items()) if n)
    return f"{reason} (left out: {lost})" if reason and lost else reason


def _too_few(material: Material, settings: RefreshSettings) -> str:
    windows, patients = len(material.x), len(set(material.patients.tolist()))
    if windows >= settings.least_windows and patients >= settings.least_patients:
        return ""
    return (
        f"{windows} windows of {patients} patients are left to learn from, "
        f"at least {settings.least_windows} of {settings.least_patients} are needed"
    )


def grow_phase(house: House, held: Held) -> None:
    """Ends with a registered candidate, and the windows that it was made of gone. Raises Refused, Misconfigured."""
    work, salt = house.work(held), held.refresh.salt
    material = Material.load(work / "material")
    if material is None or salt is None:  # it was harvested on another host
        held.now("harvest")
        return
    material = _agreed(house, held, material, salt)
    champion = house.same_champion(held)
    facts = house.method.grow(house.fetched(champion), material, work / "state", held.progress)
    give_world(house, work, work / "state" / "candidate")
    made = made_of(work / "state" / "candidate")
    if made.version == champion:
        raise Refused("nothing was learned: the candidate is the champion")
    metrics = dict(made.metrics) | {"refresh": dict(facts)}
    made = replace(made, parent=champion, data_digest=material.digest, metrics=metrics)
    house.storage.models.register(made, BY, house.clock.now_us(), f"refresh {held.refresh.refresh_id}")
    held.now("gate", candidate=made.version)
    shutil.rmtree(work, ignore_errors=True)


def _agreed(house: House, held: Held, material: Material, salt: bytes) -> Material:
    """Without the windows of those who have changed their mind since; what was learned from them is thrown away."""
    agreeing = {bare(p, salt) for p in house.storage.harvest.agreeing()}
    here, work = material.of(agreeing), house.work(held)
    looks = [look for look in kept_looks(work) if look.patient in agreeing]
    if gone := len(material.x) - len(here.x):
        shutil.rmtree(work, ignore_errors=True)
        here.save(work / "material")
        held.now("grow", withdrawn=held.refresh.detail.get("withdrawn", 0) + gone)
    keep_looks(work, looks)
    if reason := _too_few(here, house.settings):
        raise Refused(f"{reason}; consent to {gone} was withdrawn" if gone else reason)
    return here
