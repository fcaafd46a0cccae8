"""Makes world.tsv from the npm package `world-atlas` 2.0.2 (Natural Earth, public domain); run once, by hand.

    npm pack world-atlas@2.0.2 && tar xzf world-atlas-2.0.2.tgz && pip install pycountry
    python make_world.py package/countries-110m.json package/countries-50m.json > world.tsv

One line a country: ISO 3166 alpha-2, English name, x and y of its middle, outline as SVG path (empty for those
that are too small for one: they are drawn as a dot). Equal Earth projection (Savric, Patterson, Jenny 2018), 1600 wide.
"""

import json
import math
import sys

import pycountry

# Natural Earth draws these apart, without a code of their own: whom they are counted with, or the code in use.
UNCODED = {"N. Cyprus": "CY", "Somaliland": "SO", "Kosovo": "XK"}
SHORT = {
    "BO": "Bolivia", "BN": "Brunei", "CD": "DR Congo", "FK": "Falkland Islands", "FM": "Micronesia", "GB": "United Kingdom",
    "IR": "Iran", "KP": "North Korea", "KR": "South Korea", "LA": "Laos", "MD": "Moldova", "PS": "Palestine", "RU": "Russia",
    "SY": "Syria", "TW": "Taiwan", "TZ": "Tanzania", "US": "United States", "VE": "Venezuela", "VN": "Vietnam", "XK": "Kosovo",
    "TR": "Türkiye", "VA": "Vatican City", "MF": "Saint Martin", "SX": "Sint Maarten", "VG": "British Virgin Islands",
    "VI": "US Virgin Islands", "SH": "Saint Helena",
}
A = (1.340264, -0.081106, 0.000893, 0.003796)
WIDTH = 1600
TOP, BOTTOM = 84.0, -58.0


def project(longitude, latitude):
    """Degrees to pixels, y downwards from TOP."""
    m = math.sqrt(3) / 2

    def raw(lon, lat):
        t = math.asin(m * math.sin(math.radians(lat)))
        x = math.radians(lon) * math.cos(t) / (m * (A[0] + 3 * A[1] * t**2 + t**6 * (7 * A[2] + 9 * A[3] * t**2)))
        y = t * (A[0] + A[1] * t**2 + t**6 * (A[2] + A[3] * t**2))
        return x, y

    scale = WIDTH / (2 * raw(180, 0)[0])
    x, y = raw(longitude, latitude)
    return x * scale + WIDTH / 2, (raw(0, TOP)[1] - y) * scale


class Atlas:
    """A TopoJSON file."""

    def __init__(self, path):
        topology = json.load(open(path))
        (sx, sy), (tx, ty) = topology["transform"]["scale"], topology["transform"]["translate"]
        self.arcs = []
        for arc in topology["arcs"]:
            x = y = 0
            points = []
            for dx, dy in arc:
                x, y = x + dx, y + dy
                points.append((x * sx + tx, y * sy + ty))
            self.arcs.append(points)
        self.countries = topology["objects"]["countries"]["geometries"]

    def rings(self, geometry):
        """Outer rings in degrees; holes (Lesotho's) are countries of their own and drawn over."""
        polygons = [geometry["arcs"]] if geometry["type"] == "Polygon" else geometry.get("arcs", [])
        for polygon in polygons:
            ring = []
            for arc in polygon[0]:
                points = self.arcs[arc] if arc >= 0 else self.arcs[~arc][::-1]
                ring.extend(points[1:] if ring else points)
            yield ring


def code_of(country):
    if "id" not in country:
        return UNCODED.get(country["properties"]["name"])
    found = pycountry.countries.get(numeric=country["id"])
    return found.alpha_2 if found else None


def unwrapped(ring):
    """The ring without the jump at the date line, cut there into what lies on either side."""
    out, turn, before = [], 0, None
    for longitude, latitude in ring:
        if before is not None and abs(longitude - before) > 180:
            turn += 360 if before > longitude else -360
        before = longitude
        out.append((longitude + turn, latitude))
    east = max(p[0] for p in out)
    west = min(p[0] for p in out)
    if east <= 180 and west >= -180:
        return [out]
    edge = 180 if east > 180 else -180
    shift = -360 if edge == 180 else 360
    inside = clipped(out, edge, keep_west=edge == 180)
    beyond = [(x + shift, y) for x, y in clipped(out, edge, keep_west=edge != 180)]
    return [part for part in (inside, beyond) if len(part) > 2]


def clipped(ring, edge, keep_west):
    """Sutherland and Hodgman's clipping at one meridian."""
    kept = lambda p: (p[0] <= edge) == keep_west or p[0] == edge
    out = []
    for a, b in zip(ring[-1:] + ring[:-1], ring):
        if kept(a) != kept(b) and a[0] != b[0]:
            share = (edge - a[0]) / (b[0] - a[0])
            out.append((edge, a[1] + share * (b[1] - a[1])))
        if kept(b):
            out.append(b)
    return out


def outline(ring):
    """Whole pixels, relative moves, without points that fall together; empty when too small to be seen."""
    points = []
    for longitude, latitude in ring:
        x, y = project(longitude, max(BOTTOM, min(TOP, latitude)))
        point = (round(x), round(y))
        if not points or points[-1] != point:
            points.append(point)
    if len(points) > 1 and points[0] == points[-1]:
        points.pop()
    straight = [
        b
        for a, b, c in zip(points[-1:] + points[:-1], points, points[1:] + points[:1])
        if (b[0] - a[0]) * (c[1] - b[1]) != (b[1] - a[1]) * (c[0] - b[0])
    ]
    if len(straight) < 3:
        return "", 0.0, None
    double = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(straight, straight[1:] + straight[:1]))
    path = f"M{straight[0][0]} {straight[0][1]}l"
    moves = [f"{b[0] - a[0]} {b[1] - a[1]}" for a, b in zip(straight, straight[1:])]
    path += " ".join(moves).replace(" -", "-") + "z"
    xs, ys = [p[0] for p in straight], [p[1] for p in straight]
    return path, abs(double) / 2, ((min(xs) + max(xs)) // 2, (min(ys) + max(ys)) // 2)


def main(coarse, fine):
    countries = {}
    for country in coarse.countries:
        code = code_of(country)
        if code in (None, "AQ"):
            continue
        entry = countries.setdefault(code, {"path": "", "best": -1.0, "middle": None})
        for ring in (part for whole in coarse.rings(country) for part in unwrapped(whole)):
            path, area, middle = outline(ring)
            entry["path"] += path
            if area > entry["best"] and middle:
                entry["best"], entry["middle"] = area, middle
    for country in fine.countries:
        code = code_of(country)
        if code in (None, "AQ") or (code in countries and countries[code]["path"]):
            continue
        rings = max(fine.rings(country), key=len)
        longitude = sum(p[0] for p in rings) / len(rings)
        latitude = sum(p[1] for p in rings) / len(rings)
        x, y = project(longitude, latitude)
        countries[code] = {"path": "", "middle": (round(x), round(y))}
    for code, entry in sorted(countries.items()):
        found = pycountry.countries.get(alpha_2=code)
        name = SHORT.get(code) or getattr(found, "common_name", None) or found.name
        x, y = entry["middle"]
        print(f"{code}\t{name}\t{x}\t{y}\t{entry['path']}")


if __name__ == "__main__":
    main(Atlas(sys.argv[1]), Atlas(sys.argv[2]))
