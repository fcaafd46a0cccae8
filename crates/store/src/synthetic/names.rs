use super::Draw;

/// A country and about where it is.
pub(super) struct Country {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) latitude: f64,
    pub(super) longitude: f64,
}

const fn at(code: &'static str, name: &'static str, latitude: f64, longitude: f64) -> Country {
    Country { code, name, latitude, longitude }
}

/// The most frequent first.
pub(super) const COUNTRIES: [Country; 60] = [
    at("US", "United States", 38.0, -97.0),
    at("CN", "China", 35.0, 105.0),
    at("DE", "Germany", 51.0, 9.0),
    at("FR", "France", 46.0, 2.0),
    at("JP", "Japan", 36.0, 138.0),
    at("SG", "Singapore", 1.3, 103.8),
    at("GB", "United Kingdom", 54.0, -2.0),
    at("NL", "Netherlands", 52.5, 5.75),
    at("IN", "India", 20.0, 77.0),
    at("KR", "South Korea", 37.0, 127.5),
    at("IE", "Ireland", 53.0, -8.0),
    at("BR", "Brazil", -10.0, -55.0),
    at("CA", "Canada", 60.0, -95.0),
    at("RU", "Russia", 60.0, 100.0),
    at("AU", "Australia", -27.0, 133.0),
    at("HK", "Hong Kong", 22.3, 114.2),
    at("FI", "Finland", 64.0, 26.0),
    at("SE", "Sweden", 62.0, 15.0),
    at("IT", "Italy", 42.8, 12.8),
    at("ES", "Spain", 40.0, -4.0),
    at("PL", "Poland", 52.0, 20.0),
    at("TW", "Taiwan", 23.5, 121.0),
    at("ID", "Indonesia", -5.0, 120.0),
    at("VN", "Vietnam", 16.0, 106.0),
    at("TR", "Turkey", 39.0, 35.0),
    at("CH", "Switzerland", 47.0, 8.0),
    at("AT", "Austria", 47.3, 13.3),
    at("CZ", "Czechia", 49.8, 15.5),
    at("UA", "Ukraine", 49.0, 32.0),
    at("ZA", "South Africa", -29.0, 24.0),
    at("TH", "Thailand", 15.0, 100.0),
    at("RO", "Romania", 46.0, 25.0),
    at("IR", "Iran", 32.0, 53.0),
    at("MX", "Mexico", 23.0, -102.0),
    at("AR", "Argentina", -34.0, -64.0),
    at("BE", "Belgium", 50.8, 4.0),
    at("NO", "Norway", 62.0, 10.0),
    at("DK", "Denmark", 56.0, 10.0),
    at("IL", "Israel", 31.5, 34.8),
    at("MY", "Malaysia", 2.5, 112.5),
    at("PT", "Portugal", 39.5, -8.0),
    at("HU", "Hungary", 47.0, 20.0),
    at("BG", "Bulgaria", 43.0, 25.0),
    at("CL", "Chile", -30.0, -71.0),
    at("CO", "Colombia", 4.0, -72.0),
    at("LT", "Lithuania", 56.0, 24.0),
    at("LV", "Latvia", 57.0, 25.0),
    at("EE", "Estonia", 59.0, 26.0),
    at("GR", "Greece", 39.0, 22.0),
    at("SA", "Saudi Arabia", 25.0, 45.0),
    at("AE", "United Arab Emirates", 24.0, 54.0),
    at("KZ", "Kazakhstan", 48.0, 68.0),
    at("PH", "Philippines", 13.0, 122.0),
    at("NZ", "New Zealand", -41.0, 174.0),
    at("EG", "Egypt", 27.0, 30.0),
    at("KE", "Kenya", 1.0, 38.0),
    at("NG", "Nigeria", 10.0, 8.0),
    at("PE", "Peru", -10.0, -76.0),
    at("LU", "Luxembourg", 49.8, 6.2),
    at("FJ", "Fiji", -18.0, 178.0),
];

/// First labels of host names.
pub(super) const HOST_WORDS: [&str; 12] = [
    "web",
    "api",
    "node",
    "db",
    "k8s-master",
    "k8s-worker",
    "mail",
    "git",
    "ci",
    "registry",
    "monitor",
    "vpn",
];

const ONSETS: [&str; 16] = ["b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z", "st"];
const VOWELS: [&str; 6] = ["a", "e", "i", "o", "u", "ei"];

/// Appends word number `number`: short for frequent (low) ones, different for every number.
pub(super) fn push_word(out: &mut String, number: u64) {
    let mut rest = number;
    loop {
        out.push_str(ONSETS[(rest % 16) as usize]);
        rest /= 16;
        out.push_str(VOWELS[(rest % 6) as usize]);
        rest /= 6;
        if rest == 0 {
            return;
        }
        rest -= 1;
    }
}

fn word(number: u64) -> String {
    let mut out = String::new();
    push_word(&mut out, number);
    out
}

fn capital(number: u64) -> String {
    let word = word(number);
    let mut chars = word.chars();
    chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
}

/// Registrable domain number `number`, under names reserved for examples.
pub(super) fn domain(number: u64) -> String {
    let suffix = ["example", "test", "example", "invalid"][(number % 4) as usize];
    format!("{}.{suffix}", word(number))
}

/// Organisation number `number`; the first ones are clouds.
pub(super) fn organisation(number: u64) -> String {
    let kind =
        ["Cloud Services", "Telecom, Inc.", "GmbH", "Hosting Ltd", "University of"][(number % 5) as usize];
    if kind.starts_with("University") {
        format!("{kind} {}", capital(number))
    } else {
        format!("{} {kind}", capital(number))
    }
}

/// City number `number` of a country.
pub(super) fn city(country: &str, number: u64) -> String {
    let mut draw =
        Draw::of(&[number, u64::from(country.bytes().fold(0u32, |sum, b| sum * 256 + u32::from(b)))]);
    let name = capital(96 + draw.below(8_000));
    if draw.per_mille(250) { format!("San {name}") } else { name }
}
