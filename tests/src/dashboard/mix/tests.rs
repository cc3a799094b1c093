use rand::SeedableRng as _;

use super::*;

fn mix(percent: u8) -> Mix {
    Mix::new(StdRng::seed_from_u64(1), Writes { percent, one_to_a_job_of: 1 })
}

#[test]
fn one_in_twenty_requests_is_a_write() {
    let mut mix = mix(5);
    let (mut reads, mut writes) = (0_u32, 0_u32);
    while reads < 19_000 {
        mix.owes_for(5);
        reads += 5;
        while mix.must_write() {
            writes += 1;
        }
    }
    assert!((999..=1_001).contains(&writes), "{writes}");
}

#[test]
fn the_largest_tenant_gets_a_third_and_the_second_most_of_the_rest() {
    let mut mix = mix(0);
    let mut visits = [0_u32; 50];
    for _ in 0..10_000 {
        visits[mix.office(50)] += 1;
    }
    assert!((3_300..3_700).contains(&visits[0]), "{visits:?}");
    assert!(visits[1] > visits[5] && visits[5] > visits[40], "{visits:?}");
    assert_eq!(mix.office(1), 0);
}

#[test]
fn questions_are_spelled_as_addresses_are() {
    assert_eq!(question("q", "a&b=ü"), "/api/jobs?q=a%26b%3D%C3%BC");
    let mistyped = mix(0).mistyped("nürse");
    assert_eq!(mistyped.chars().count(), 4);
    assert_eq!(mix(0).mistyped(""), "");
}
