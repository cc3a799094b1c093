#!/usr/bin/env python3
"""Makes the demo data beside this file from public data sets. Run by hand, never by a build.

    python3 build_demo.py            # Python 3.11, pip and npm on the path; about a minute

What is written by hand is in recipe/: tenants, people, and for each role its ESCO occupation, its
SOC code, the ESCO skills that fit it and the titles to hire for. The rest is looked up or drawn
from one fixed seed, so that a second run writes the same bytes.
"""

import hashlib
import json
import random
import re
import sys
import tempfile
import tomllib
import unicodedata
from pathlib import Path

from pool import american_cities, foreign_cities, role_record
from sources import Esco, Places, Wages, download, industry, outlook_titles

HERE = Path(__file__).resolve().parent
SEED = 20261121
KINDS = ["consultancy", "hospital", "manufacturer", "hotel", "logistics"]
# Percentiles [lower, upper] of the wage that a level is offered.
BANDS = {"internship": (0, 1), "entry": (0, 2), "mid": (1, 3), "senior": (2, 4), "lead": (2, 4),
         "executive": (2, 4)}
# Of all jobs of a tenant; what rounding leaves over is published.
SHARES = {"published": 0.56, "draft": 0.13, "paused": 0.08, "closed": 0.15, "archived": 0.08}
CLOSED_REASONS = ["filled", "filled", "filled", "cancelled", "expired", "other"]
EXPERIENCE = {
    "entry": "First experience in the field, or the wish to gain it with us",
    "mid": "Two to five years in a comparable role",
    "senior": "More than five years in a comparable role",
    "lead": "Experience in leading a team",
    "executive": "A record of leading an organisation of this size",
}


def digest(*parts: str) -> bytes:
    return hashlib.sha256("\x1f".join([str(SEED), *parts]).encode()).digest()


def organization_id(slug: str) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return "org_" + "".join(alphabet[byte % 62] for byte in digest("organization", slug)[:16])


def ascii_words(text: str) -> list[str]:
    text = text.replace("ı", "i").replace("ß", "ss")
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.findall(r"[a-z0-9]+", plain.lower())


def person(name: str, domain: str) -> dict:
    email = ".".join(ascii_words(name)) + "@" + domain
    return {"subject": "auth0|" + digest("person", email).hex()[:24], "name": name, "email": email}


def members(recipe: dict) -> list[dict]:
    people = []
    for line in recipe["people"]["members"]:
        name, domain, *places = [part.strip() for part in line.split("|")]
        memberships = []
        for place in places:
            tenant, role, *departments = place.split(":")
            membership = {"tenant": tenant, "role": role}
            if departments:
                membership["departments"] = departments[0].split("+")
            memberships.append(membership)
        people.append(person(name, domain) | {"memberships": memberships})
    return people


def sign_in_directory(tenants: list[dict], people: list[dict], platform: dict) -> dict:
    organizations = [{"id": t["org_id"], "name": t["slug"], "display_name": t["name"]}
                     for t in tenants]
    organizations.append({"id": platform["org_id"], "name": platform["name"],
                          "display_name": platform["display_name"]})
    org_of = {t["slug"]: t["org_id"] for t in tenants}
    listed = [{"subject": p["subject"], "name": p["name"], "email": p["email"],
               "memberships": [{"org": org_of[m["tenant"]], "role": m["role"]}
                               for m in p["memberships"]]}
              for p in people]
    name, domain = [part.strip() for part in platform["operator"].split("|")]
    listed.append(person(name, domain) | {
        "memberships": [{"org": platform["org_id"], "role": "platform_operator"}]})
    return {"organizations": organizations, "people": listed}


def tag(label: str) -> str:
    """A skill as people write it in a list: without ESCO's explanation in brackets."""
    return re.sub(r"\s*\((computer programming|mobile operating systems)\)$", "", label)


def sentence_case(text: str) -> str:
    return text[0].upper() + text[1:]


def description(tenant: dict, job: dict, place: str, about: str, duties: list[str],
                knowledge: list[str]) -> str:
    where = {"remote": "from wherever you live", "hybrid": f"partly in {place}, partly from home",
             "onsite": f"in {place}"}[job["workplace"]]
    lines = [
        f"{tenant['name']} is hiring for {job['department']}: {job['title']}. You work {where}.",
        "", about, "", "What you will do", "",
        *[f"- {duty}" for duty in duties],
        "", "What you bring", "",
        *[f"- {sentence_case(tag(label))}" for label in knowledge],
        f"- {EXPERIENCE[job['experience_level']]}",
        "", tenant["closing"],
    ]
    return "\n".join(lines)


def salary(wages: Wages, area: str, soc: str, job: dict, period: str, currency: str,
           rate: float) -> tuple[dict, str]:
    band = "internship" if job["employment_type"] == "internship" else job["experience_level"]
    used, percentiles = wages.percentiles(area, soc, period)
    low, high = (percentiles[i] for i in BANDS[band])
    if low is None or high is None:  # the top of the scale is not published for some occupations
        low, high = percentiles[1], percentiles[3]
    step = 500 if period == "year" else 0.5
    low, high = (int(round(value * rate / step) * step * 100) for value in (low, high))
    return {"min": low, "max": high, "currency": currency, "period": period}, used


def dates(rng: random.Random, status: str) -> dict:
    """Moments as [days from the day of loading, minute of that day in UTC]."""
    def moment(day: int) -> list[int]:
        return [day, rng.randrange(0, 1440, 5)]

    created = rng.randint(-83, -4) if status not in ("closed", "archived") else rng.randint(-84, -45)
    result = {"created": moment(created), "published": None, "valid_through": None,
              "updated": moment(created)}
    if status == "draft":
        created = rng.randint(-21, -2)
        return result | {"created": moment(created), "updated": moment(rng.randint(created + 1, -1))}
    published = min(created + rng.randint(1, 9), -2)
    result["published"] = moment(published)
    result["updated"] = moment(rng.randint(published + 1, -1))
    if status in ("published", "paused"):
        result["valid_through"] = [rng.randint(9, 63), 1435]
    elif rng.random() < 0.6:
        result["valid_through"] = [rng.randint(published + 14, -2), 1435]
        result["updated"] = moment(rng.randint(result["valid_through"][0] + 1, -1))
    return result


def spread_statuses(rng: random.Random, count: int) -> list[str]:
    statuses = [status for status, share in SHARES.items() for _ in range(int(share * count))]
    statuses += ["published"] * (count - len(statuses))
    rng.shuffle(statuses)
    return statuses


class Builder:
    def __init__(self, folder: Path, recipe: dict, tenants: list[dict], people: list[dict]):
        self.wages, self.esco, self.places = Wages(folder), Esco(folder), Places(folder)
        self.outlook = outlook_titles(folder)
        self.recipe, self.people = recipe, people
        self.rng = random.Random(SEED)

    def location(self, key: str) -> dict:
        return self.places.city(*self.recipe["places"][key][:3])

    def roles(self, kind: str) -> list[dict]:
        path = HERE / "recipe" / f"{kind}.toml"
        return tomllib.loads(path.read_text(encoding="utf-8"))["role"] if path.exists() else []

    def pool(self) -> list[dict]:
        return [role_record(kind, role, self.esco, self.wages, self.outlook, tag)
                for kind in KINDS for role in self.roles(kind)]

    def cities(self) -> list[dict]:
        return american_cities(self.wages, self.places) + foreign_cities(self.recipe, self.places)

    def jobs_of(self, tenant: dict) -> list[dict]:
        roles = self.roles(tenant["kind"])
        lines = [(role, line) for role in roles for line in role["jobs"]]
        statuses = spread_statuses(self.rng, len(lines))
        return [self.job(tenant, role, line, status)
                for (role, line), status in zip(lines, statuses, strict=True)]

    def job(self, tenant: dict, role: dict, line: str, status: str) -> dict:
        title, level, workplace, employment, places = [part.strip() for part in line.split("|")]
        keys = places.split("+")
        uri, about = self.esco.occupation(role["esco"])
        job = {"tenant": tenant["slug"], "title": title, "department": role["department"],
               "status": status, "employment_type": employment, "experience_level": level,
               "workplace": workplace, "openings": self.openings(level)}
        job |= dates(self.rng, status)
        job["closed_reason"] = self.closed_reason(job)
        duties, labels = self.duties(role)
        knowledge = role["bring"]
        pay, area = salary(self.wages, self.recipe["places"][keys[0]][3], role["soc"], job,
                           role.get("period", "year"), tenant["currency"], tenant["rate"])
        job["salary"] = pay if self.shows_pay(tenant, status) else None
        job["pay_blurb"] = tenant["pay_blurb"] if job["salary"] else None
        job["locations"] = [self.location(key) for key in keys]
        job["skills"] = list(dict.fromkeys(
            tag(label) for label in [*role.get("tags", []), *knowledge, *labels[:2]]))
        job["created_by"], job["team"] = self.staff(tenant, role["department"])
        job["description"] = description(tenant, job, self.recipe["places"][keys[0]][2], about,
                                         duties, knowledge)
        return job | {"soc": role["soc"], "wage_area": area, "esco": uri}

    def openings(self, level: str) -> int:
        return self.rng.choice([1, 1, 2, 3, 4]) if level in ("entry", "mid") else 1

    def closed_reason(self, job: dict) -> str | None:
        if job["status"] not in ("closed", "archived"):
            return None
        return self.rng.choice(CLOSED_REASONS if job["valid_through"] else CLOSED_REASONS[:4])

    def shows_pay(self, tenant: dict, status: str) -> bool:
        # A draft without pay shows what publishing refuses where the law wants a range.
        without = 0.4 if tenant["pay_range_required"] and status == "draft" else tenant["without_pay"]
        return self.rng.random() >= without

    def duties(self, role: dict) -> tuple[list[str], list[str]]:
        labels = self.rng.sample(role["do"], min(len(role["do"]), self.rng.randint(4, 6)))
        return [sentence_case(self.esco.skill(label) or label) for label in labels], labels

    def staff(self, tenant: dict, department: str) -> tuple[str, list[dict]]:
        here = [(p, m) for p in self.people for m in p["memberships"]
                if m["tenant"] == tenant["slug"]]
        makers = [p["subject"] for p, m in here if m["role"] in ("owner", "admin", "recruiter")]
        team = [{"subject": p["subject"], "access": "edit" if self.rng.random() < 0.7 else "view"}
                for p, m in here if department in m.get("departments", [])]
        # Now and then somebody looks in from another department.
        for p, m in here:
            if m["role"] == "hiring_manager" and department not in m["departments"]:
                if self.rng.random() < 0.08:
                    team.append({"subject": p["subject"], "access": "view"})
        return self.rng.choice(makers), team


def write_records(name: str, records: list[dict]) -> None:
    lines = ",\n".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) for r in records)
    (HERE / name).write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def main() -> None:
    recipe = tomllib.loads((HERE / "recipe/tenants.toml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(scratch)
        if not (folder / "naics").exists():
            download(folder)
        people = members(recipe)
        places = Places(folder)
        tenants = []
        for entry in recipe["tenant"]:
            country, region, city, _ = recipe["places"][entry["headquarters"]]
            tenants.append(entry | {
                "org_id": organization_id(entry["slug"]),
                "industry": {"naics": entry["naics"], "title": industry(folder, entry["naics"])},
                "headquarters": places.city(country, region, city),
                "rate": recipe["rates"][entry["currency"]],
            })
        builder = Builder(folder, recipe, tenants, people)
        jobs = [job for tenant in tenants for job in builder.jobs_of(tenant)]
        write_records("pool.json", builder.pool())
        write_records("cities.json", builder.cities())

    kept = ["slug", "org_id", "name", "kind", "industry", "status", "headquarters", "time_zone",
            "locale", "currency", "pay_range_required"]
    write_records("tenants.json", [{key: t[key] for key in kept} for t in tenants])
    for entry in people:
        for membership in entry["memberships"]:
            membership.pop("departments", None)
    write_records("members.json", people)
    write_records("jobs.json", jobs)
    directory = sign_in_directory(tenants, people, recipe["platform"])
    body = ",\n".join(
        f'"{key}": [\n' + ",\n".join(json.dumps(r, ensure_ascii=False) for r in rows) + "\n]"
        for key, rows in directory.items())
    (HERE / "people.json").write_text("{\n" + body + "\n}\n", encoding="utf-8")
    print(f"{len(tenants)} tenants, {len(people)} members, {len(jobs)} jobs")


if __name__ == "__main__":
    main()
