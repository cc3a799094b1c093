use serde_json::json;

use super::*;

#[test]
fn texts_keep_to_their_rule() {
    let rule = TextRule::line(3, 5);
    for fine in ["abc", "äöüß!", "a b c"] {
        assert_eq!(rule.fault(fine), None, "{fine}");
    }
    for (text, code) in [
        ("", "too_short"),
        ("ab", "too_short"),
        ("abcdef", "too_long"),
        ("a\0bc", "control_character"),
        ("ab\nc", "control_character"),
        (" abc", "surrounding_space"),
        ("\u{85}ab", "control_character"),
    ] {
        assert_eq!(rule.fault(text).unwrap().0, code, "{text:?}");
    }
    assert_eq!(TextRule::lines(0, 9).fault("a\n\tb\r\n "), None);
    assert_eq!(TextRule::lines(1, 9).fault(" \n ").unwrap().0, "too_short");
}

#[test]
fn absence_null_and_faults_are_told_apart() {
    let object = json!({"n": null, "t": 7, "s": "x"});
    let fields = Fields::of_body(object.as_object().unwrap());
    let rule = TextRule::line(1, 5);
    let mut faults = Faults::default();
    assert_eq!(fields.text("a", rule, &mut faults), Given::Absent);
    assert_eq!(fields.text("n", rule, &mut faults), Given::Null);
    assert_eq!(fields.text("t", rule, &mut faults), Given::Faulty);
    assert_eq!(fields.text("s", rule, &mut faults), Given::Value("x".to_owned()));
    let faults = faults.into_vec();
    assert_eq!(faults.len(), 1);
    assert_eq!((faults[0].pointer.as_str(), faults[0].code), ("#/t", "wrong_type"));

    let mut faults = Faults::default();
    assert_eq!(Given::<u8>::Null.clearable(), Change::Set(None));
    assert_eq!(Given::<u8>::Absent.clearable(), Change::Keep);
    assert_eq!(Given::<u8>::Null.change("#/x", &mut faults), Change::Keep);
    assert_eq!(Given::<u8>::Absent.required("#/y", &mut faults), None);
    let codes: Vec<_> = faults.into_vec().iter().map(|fault| fault.code).collect();
    assert_eq!(codes, ["null", "required"]);
}

#[test]
fn numbers_are_whole_and_in_range() {
    let object = json!({"a": 1.0, "b": 11, "c": "5", "d": 5, "e": 18_446_744_073_709_551_615_u64});
    let fields = Fields::of_body(object.as_object().unwrap());
    let mut faults = Faults::default();
    for (name, fine) in [("a", false), ("b", false), ("c", false), ("d", true), ("e", false)] {
        let given = fields.integer(name, 1..=10, &mut faults);
        assert_eq!(matches!(given, Given::Value(_)), fine, "{name}");
    }
    assert_eq!(faults.into_vec().len(), 4);
}

#[test]
fn names_from_outside_are_escaped_and_bounded() {
    let object = json!({"a/b~c": 1, "id": 1, "known": 1, "x".repeat(300): 1});
    let mut faults = Faults::default();
    Fields::of_body(object.as_object().unwrap()).refuse_others(&["known"], &["id"], &mut faults);
    let faults = faults.into_vec();
    assert_eq!(faults.len(), 3);
    assert_eq!(faults[0].pointer, "#/a~1b~0c");
    assert_eq!((faults[1].pointer.as_str(), faults[1].code), ("#/id", "read_only"));
    assert_eq!(faults[2].pointer.len(), 66);
}
