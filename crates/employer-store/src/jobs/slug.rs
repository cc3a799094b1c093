//! Names that a job gets from its title and its number, and the words it is found by.

use rand::RngExt;

use super::model::JobLocation;

/// Bytes of the title's part of a slug.
const MAX_TITLE_BYTES: usize = 80;
/// Random characters at the end: two jobs of one title collide once in 36^8.
const SUFFIX_CHARS: usize = 8;
const SUFFIX_ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// A new slug: the title in ASCII kebab-case and a random end.
pub(super) fn new_slug(title: &str) -> String {
    let mut random = rand::rng();
    let suffix = (0..SUFFIX_CHARS).map(|_| {
        let index = random.random_range(0..SUFFIX_ALPHABET.len());
        SUFFIX_ALPHABET.get(index).map_or('x', |byte| char::from(*byte))
    });
    let mut slug = kebab(title);
    slug.push('-');
    slug.extend(suffix);
    slug
}

fn kebab(title: &str) -> String {
    let mut slug = String::with_capacity(MAX_TITLE_BYTES);
    for c in title.chars().flat_map(char::to_lowercase) {
        match plain_letters(c) {
            Some(letters) => slug.push_str(letters),
            None if c.is_ascii_alphanumeric() => slug.push(c),
            None if !slug.ends_with('-') && !slug.is_empty() => slug.push('-'),
            None => {}
        }
        if slug.len() >= MAX_TITLE_BYTES {
            break;
        }
    }
    let trimmed = slug.trim_end_matches('-');
    if trimmed.is_empty() { "job".to_owned() } else { trimmed.to_owned() }
}

/// The usual ASCII spelling of a Latin letter with a mark.
const fn plain_letters(c: char) -> Option<&'static str> {
    Some(match c {
        'à' | 'á' | 'â' | 'ã' | 'å' | 'ā' | 'ă' | 'ą' => "a",
        'ä' | 'æ' => "ae",
        'ç' | 'ć' | 'č' => "c",
        'ď' | 'đ' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ę' | 'ě' => "e",
        'ğ' => "g",
        'ì' | 'í' | 'î' | 'ï' | 'ī' | 'ı' => "i",
        'ł' => "l",
        'ñ' | 'ń' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ø' | 'ō' => "o",
        'ö' | 'œ' => "oe",
        'ř' => "r",
        'ś' | 'š' | 'ş' => "s",
        'ß' => "ss",
        'ť' => "t",
        'ù' | 'ú' | 'û' | 'ū' | 'ů' => "u",
        'ü' => "ue",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => return None,
    })
}

/// `REQ-000123`.
pub(super) fn requisition(number: i64) -> String {
    format!("REQ-{number:06}")
}

/// What a search should find a job by beside its own texts, as `jobs.search_terms` stores it.
pub fn search_terms(skills: &[String], locations: &[JobLocation]) -> String {
    let places =
        locations.iter().flat_map(|l| l.city.as_deref().into_iter().chain(l.region.as_deref()));
    skills.iter().map(String::as_str).chain(places).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_slug_reads_as_its_title() {
        for (title, expected) in [
            ("Senior Rust Engineer (m/f/d)", "senior-rust-engineer-m-f-d"),
            ("Pflegekraft für Ältere", "pflegekraft-fuer-aeltere"),
            ("看護師", "job"),
            ("--", "job"),
        ] {
            assert_eq!(kebab(title), expected);
        }
        assert_eq!(requisition(123), "REQ-000123");
    }

    proptest! {
        #[test]
        fn a_slug_is_always_a_slug(title in "\\PC{0,250}") {
            let slug = new_slug(&title);
            prop_assert!(slug.len() <= 100);
            let is_kebab = slug.split('-').all(|part| {
                !part.is_empty()
                    && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            });
            prop_assert!(is_kebab, "{}", slug);
        }
    }
}
