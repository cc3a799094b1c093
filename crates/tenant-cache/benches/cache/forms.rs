//! What it costs and what it saves to keep values compressed.

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use serde_json::{Value, json};
use tenant_cache::testing::Forms;

use crate::Outcome;
use crate::threads::median;
use crate::world::World;

/// Jobs on a page.
const JOBS: usize = 20;
/// Turns of each step in each form.
const ROUNDS: usize = 250;
/// Steps in a turn: half a second and more for all of them together.
const STEPS: u32 = 20;

type Step<'a> = Box<dyn Fn() -> bool + 'a>;

/// One step in both forms.
struct Row<'a> {
    name: &'static str,
    compressed: Step<'a>,
    plain: Step<'a>,
}

pub(crate) fn run() -> Outcome<()> {
    let world = World::new(1)?;
    let asked = world.asked.first().ok_or("there is no key")?;
    let forms = Forms::new(asked.scope.org().clone(), asked.key.clone());
    let body = Bytes::from(page());
    let gzip = forms.compress(&body).ok_or("the page was not compressed")?;
    let compressed = forms.store(body.clone(), Some(gzip.clone())).ok_or("not stored")?;
    let plain = forms.store(body.clone(), None).ok_or("not stored")?;
    let is_body = |stored: &Bytes| forms.read(stored.clone()).is_some_and(|read| read.0 == body);
    if !is_body(&compressed) || !is_body(&plain) {
        return Err("a page does not come back".into());
    }
    println!("\nA page of {JOBS} jobs with gzip and without; median of {ROUNDS} turns\n");
    println!("| | with gzip | without | ratio |\n|---|--:|--:|--:|");
    print("bytes stored", compressed.len(), plain.len());
    print("bytes to a caller who takes gzip", gzip.len(), body.len());
    print("bytes of bodies in process", body.len() + gzip.len(), body.len());
    measure(&[
        Row {
            name: "storing (compress, tag, check sum), us",
            compressed: Box::new(|| {
                let gzip = forms.compress(black_box(&body));
                forms.store(body.clone(), gzip).is_some()
            }),
            plain: Box::new(|| forms.store(black_box(body.clone()), None).is_some()),
        },
        Row {
            name: "reading what is stored (check sum, inflate), us",
            compressed: Box::new(|| forms.read(black_box(compressed.clone())).is_some()),
            plain: Box::new(|| forms.read(black_box(plain.clone())).is_some()),
        },
        Row {
            name: "serving gzip (without: compressed for each answer), us",
            compressed: Box::new(|| !black_box(gzip.clone()).is_empty()),
            plain: Box::new(|| forms.compress(black_box(&body)).is_some()),
        },
    ]);
    Ok(())
}

fn print(what: &str, compressed: usize, plain: usize) {
    let (with, without) = (number(compressed), number(plain));
    println!("| {what} | {with:.0} | {without:.0} | {:.2} |", with / without);
}

fn number(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes).unwrap_or(u32::MAX))
}

fn measure(rows: &[Row<'_>]) {
    for Row { name, compressed, plain } in rows {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            // By turns the one or the other first.
            let (first, second) =
                if round % 2 == 0 { (compressed, plain) } else { (plain, compressed) };
            let (one, other) = (micros(first), micros(second));
            if round > 0 {
                let (one, other) = if round % 2 == 0 { (one, other) } else { (other, one) };
                with.push(one);
                without.push(other);
            }
        }
        let ratio = median(with.iter().zip(&without).map(|(one, other)| one / other));
        let (with, without) = (median(with.into_iter()), median(without.into_iter()));
        println!("| {name} | {with:.2} | {without:.2} | {ratio:.2} |");
    }
}

fn micros(step: &Step<'_>) -> f64 {
    let began = Instant::now();
    let done = (0..STEPS).filter(|_| step()).count();
    let micros = began.elapsed().as_secs_f64() * 1e6 / f64::from(STEPS);
    assert_eq!(u32::try_from(done), Ok(STEPS), "a step failed");
    micros
}

const TITLES: [&str; 8] = [
    "Registered Nurse, Intensive Care",
    "Backend Engineer (Rust)",
    "Warehouse Associate, Night Shift",
    "Senior Accountant",
    "Product Designer, Growth",
    "Electrician for Wind Turbines",
    "Customer Support Specialist, German and Polish",
    "Head of Procurement",
];
const DEPARTMENTS: [&str; 5] = ["Care", "Engineering", "Logistics", "Finance", "Operations"];
const PLACES: [&str; 6] =
    ["Berlin, Germany", "Lyon, France", "Austin, TX", "Kraków, Poland", "Leeds, UK", "Remote"];
const SKILLS: [&str; 9] =
    ["ICU", "Rust", "PostgreSQL", "SAP", "Forklift licence", "IFRS", "Figma", "German C1", "HSE"];

/// What the route of job lists answers for jobs such as employers have.
fn page() -> Vec<u8> {
    let jobs: Vec<Value> = (0..JOBS).map(job).collect();
    let page =
        json!({ "next_cursor": "WyIyMDI2LTExLTAyVDA5OjE0OjAwWiIsIjAxOTNhIl0", "has_more": true });
    json!({ "data": jobs, "page": page }).to_string().into_bytes()
}

fn job(number: usize) -> Value {
    let draw = |salt: usize, below: usize| {
        number.wrapping_mul(2_654_435_761).wrapping_add(salt * 97) / 7 % below
    };
    let pick = |salt: usize, list: &[&'static str]| {
        list.get(draw(salt, list.len())).copied().unwrap_or("")
    };
    let id = u128::try_from(number + 1)
        .unwrap_or_default()
        .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let title = pick(1, &TITLES);
    let (day, hour) = (draw(2, 27) + 1, draw(3, 24));
    let salary = 32_000 + draw(4, 90) * 1000;
    json!({
        "id": uuid::Uuid::from_u128(id),
        "slug": format!("{}-{number}", title.to_lowercase().replace([' ', ',', '(', ')'], "-")),
        "requisition": format!("REQ-{:05}", 10_000 + draw(5, 80_000)),
        "title": title,
        "status": pick(6, &["published", "published", "published", "paused", "draft"]),
        "department": pick(7, &DEPARTMENTS),
        "employment_type": pick(8, &["full_time", "part_time", "contract"]),
        "experience_level": pick(9, &["entry", "mid", "senior", "lead"]),
        "workplace": pick(10, &["on_site", "hybrid", "remote"]),
        "locations": [pick(11, &PLACES), pick(12, &PLACES)],
        "skills": [pick(13, &SKILLS), pick(14, &SKILLS), pick(15, &SKILLS)],
        "salary": { "min": salary, "max": salary + 14_000, "currency": "EUR", "period": "year" },
        "openings": draw(16, 6) + 1,
        "published_at": format!("2026-10-{day:02}T{hour:02}:14:07.{:06}Z", draw(17, 999_983)),
        "valid_through": format!("2026-12-{day:02}"),
        "created_at": format!("2026-09-{day:02}T{hour:02}:02:51.{:06}Z", draw(18, 999_979)),
        "updated_at": format!("2026-10-{day:02}T{hour:02}:44:13.{:06}Z", draw(19, 999_961)),
        "version": draw(20, 40) + 1,
    })
}
