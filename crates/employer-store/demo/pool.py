"""What the load generator draws from: roles with many titles, and cities with their weight."""

import re

from sources import Esco, Places, Wages, sentences, tidy

METRO_AREAS = 150
# The zone in which most people of a state live; Eastern where not listed.
ZONES = {
    "America/Chicago": "AL AR IA IL KS LA MN MO MS ND NE OK SD TN TX WI".split(),
    "America/Denver": "CO ID MT NM UT WY".split(),
    "America/Phoenix": ["AZ"],
    "America/Los_Angeles": "CA NV OR WA".split(),
    "America/Anchorage": ["AK"],
    "Pacific/Honolulu": ["HI"],
    "America/Puerto_Rico": ["PR"],
}
ZONE_OF = {state: zone for zone, states in ZONES.items() for state in states}


def title_case(label: str) -> str:
    return " ".join(w if any(c.isupper() for c in w) else w.capitalize() for w in label.split())


def titles(role: dict, occupation: str, outlook: dict[str, list[str]], esco: Esco) -> list[str]:
    """Titles of the recipe, of the OOH where it has this very occupation, and of ESCO for ICT."""
    found = [re.sub(r"^(?:Senior|Junior|Lead) ", "", line.split("|")[0].split(",")[0].strip())
             for line in role["jobs"]]
    found += [t for t in outlook.get(occupation.lower(), []) if t.lower() != occupation.lower()]
    others = [title_case(t) for t in esco.ict_titles.get(role["esco"], []) if not t.endswith("s")]
    # Sets are not ordered: without sorting, each run would write another order.
    found += sorted(t for t in others if re.fullmatch(r"[A-Za-z0-9 /-]{5,60}", t))[:8]
    # Levels are put before a title when jobs are made; a few index entries read like no title.
    unfit = re.compile(r"\bIntern\b|\bOf\b|^Soft |\bExpert$|Curatorspecialist")
    unique = {t.lower(): t for t in reversed(found) if not unfit.search(t)}
    return list(reversed(unique.values()))[:20]


def role_record(kind: str, role: dict, esco: Esco, wages: Wages,
                outlook: dict[str, list[str]], tag) -> dict:
    period = role.get("period", "year")
    _, percentiles = wages.percentiles(wages.NATION, role["soc"], period)
    _, about = esco.occupation(role["esco"])
    parts = [[part.strip() for part in line.split("|")] for line in role["jobs"]]
    duties = [esco.skill(label) or label for label in role["do"]]
    return {
        "kind": kind, "department": role["department"], "soc": role["soc"], "period": period,
        # The top of the scale is not published for some occupations; the widest step stands in.
        "wages_in_cents": [round((p or percentiles[3] * 1.2) * 100) for p in percentiles],
        "titles": titles(role, wages.occupation(role["soc"]), outlook, esco),
        "levels": sorted({p[1] for p in parts}),
        "workplaces": sorted({p[2] for p in parts}),
        "employment": sorted({p[3] for p in parts}),
        "about": sentences(tidy(about))[0],
        "duties": [duty[0].upper() + duty[1:] for duty in duties],
        "skills": list(dict.fromkeys(
            tag(s) for s in [*role.get("tags", []), *role["bring"], *role["do"]])),
    }


def american_cities(wages: Wages, places: Places) -> list[dict]:
    """The largest metropolitan areas by employment, each as its first-named city."""
    _, nation = wages.all_occupations(wages.NATION)
    records = []
    for code, name in wages.metropolitan_areas():
        cities, _, states = name.rpartition(", ")
        city, state = cities.split("-")[0].split("/")[0], states.split("-")[0]
        city = {"New York": "New York City"}.get(city, city)
        found = places.in_division("US", state, city)
        totals = wages.all_occupations(code)
        if found and totals:
            employment, median = totals
            records.append(found | {
                "time_zone": ZONE_OF.get(state, "America/New_York"), "currency": "USD",
                "weight": round(employment / 1000),
                "wage_per_mille": round(1000 * median / nation)})
    records.sort(key=lambda record: (-record["weight"], record["city"]))
    return records[:METRO_AREAS]


def foreign_cities(recipe: dict, places: Places) -> list[dict]:
    """Cities outside the United States: national wages of the US times a fixed rate, see recipe."""
    return [
        places.city(country, region, city)
        | {"time_zone": zone, "currency": currency, "weight": weight,
           "wage_per_mille": round(1000 * recipe["rates"][currency])}
        for country, region, city, zone, currency, weight in recipe["abroad"]["cities"]
    ]
