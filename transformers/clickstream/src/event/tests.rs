use super::*;

fn parsed(text: &str) -> ParsedEvent {
    let mut event = ParsedEvent::default();
    let mut reader = Reader::new(text, 50);
    event.parse(&mut reader, Compat::Reference).unwrap();
    reader.end().unwrap();
    event
}

/// An event that is whole but for the members given.
fn with(members: &str) -> ParsedEvent {
    parsed(&format!(r#"{{"event_id":"e","app_id":"a","timestamp":1,{members}}}"#))
}

fn structural(event: &ParsedEvent) -> Option<(&'static str, &str)> {
    event.structural.as_ref().map(|defect| (defect.reason, defect.key.as_str()))
}

fn defect(event: &ParsedEvent) -> Option<(&'static str, &str)> {
    event.defect.as_ref().map(|defect| (defect.reason, defect.key.as_str()))
}

#[test]
fn the_structural_check_wants_three_fields() {
    for (text, key) in [
        (r#"{"app_id":"a","timestamp":1}"#, "event_id"),
        (r#"{"event_id":null,"app_id":"a","timestamp":1}"#, "event_id"),
        (r#"{"event_id":"e","timestamp":1}"#, "app_id"),
        (r#"{"event_id":"e","app_id":"a"}"#, "timestamp"),
    ] {
        assert_eq!(structural(&parsed(text)), Some(("missing_field", key)), "{text}");
    }
    for text in ["1", "null", "[]", "\"x\""] {
        assert_eq!(structural(&parsed(text)), Some(("not_an_object", "")), "{text}");
    }
    assert_eq!(structural(&parsed(r#"{"event_id":"","app_id":5,"timestamp":1}"#)), None, "empty and 5 are values");
}

#[test]
fn the_structural_check_is_strict_about_whole_numbers() {
    for key in [
        "timestamp",
        "screen_height",
        "screen_width",
        "zone_offset",
        "event_previous_timestamp",
        "viewport_width",
        "viewport_height",
    ] {
        for value in ["\"1\"", "\"\"", "1.0", "1e3", "true", "{}", "[1]", "9223372036854775808"] {
            assert_eq!(structural(&with(&format!(r#""{key}":{value}"#))), Some(("wrong_type", key)), "{key} {value}");
        }
        assert_eq!(structural(&with(&format!(r#""{key}":-9223372036854775808"#))), None, "{key}");
    }
    assert_eq!(structural(&with(r#""timestamp":null"#)), Some(("missing_field", "timestamp")));
    assert_eq!(structural(&with(r#""zone_offset":null"#)), None);
    for (value, fits) in
        [("1", true), ("1.5", true), ("null", true), ("\"NaN\"", true), ("\"1.5\"", false), ("\"\"", false)]
    {
        let event = with(&format!(r#""event_value_in_usd":{value}"#));
        assert_eq!(structural(&event).is_none(), fits, "{value}");
    }
}

#[test]
fn what_the_structural_check_does_not_know_is_judged_later() {
    for (members, key) in [
        (r#""event_value":"x""#, "event_value"),
        (r#""event_value":true"#, "event_value"),
        (r#""platform":{}"#, "platform"),
        (r#""event_id":[]"#, "event_id"),
        (r#""event_name":{}"#, "event_name"),
        (r#""attributes":[]"#, "attributes"),
        (r#""attributes":"""#, "attributes"),
        (r#""user":1"#, "user"),
        (r#""items":{}"#, "items"),
        (r#""attributes":{"_engagement_time_msec":"soon"}"#, "_engagement_time_msec"),
        (r#""attributes":{"_previous_timestamp":false}"#, "_previous_timestamp"),
        (r#""attributes":{"_page_url":{}}"#, "_page_url"),
    ] {
        let event = with(members);
        assert_eq!((structural(&event), defect(&event)), (None, Some(("wrong_type", key))), "{members}");
    }
    for members in [
        r#""event_value":"1.5""#,
        r#""event_value":"""#,
        r#""event_value":null"#,
        r#""attributes":null,"user":null,"items":null"#,
        r#""attributes":{"_engagement_time_msec":"12","_previous_timestamp":1.9}"#,
        r#""attributes":{"_entrances":{},"_session_number":[],"_session_duration":"x"}"#,
    ] {
        let event = with(members);
        assert_eq!((structural(&event), defect(&event)), (None, None), "{members}");
    }
}

#[test]
fn the_last_of_several_names_counts_even_when_it_is_null() {
    let text = r#"{"event_id":"e","app_id":"a","timestamp":1,"unique_id":"u","user_pseudo_id":"p",
        "event_name":"n","event_type":"t","advertising_id":"x","device_unique_id":null,"app_id":"b","app_\u0069d":"c"}"#;
    let event = parsed(text);
    let read = |key| values::text(event.event(key), text);
    assert_eq!(read(E::UniqueId).as_deref(), Some("p"));
    assert_eq!(read(E::EventName).as_deref(), Some("t"));
    assert_eq!(read(E::DeviceUniqueId), None);
    assert_eq!(read(E::AppId).as_deref(), Some("c"));
    assert!(event.extras.is_empty());
}

#[test]
fn the_event_type_is_known_apart_from_its_alias() {
    let text = r#"{"event_id":"e","app_id":"a","timestamp":1,"event_type":"t","event_name":"n"}"#;
    let event = parsed(text);
    assert_eq!(event.event_type.raw(text), "t");
    assert_eq!(event.event(E::EventName).raw(text), "n");
    assert!(!with(r#""event_name":"n""#).event_type.is_present());
}

#[test]
fn a_second_container_replaces_the_first() {
    let text = r#"{"event_id":"e","app_id":"a","timestamp":1,"attributes":{"_page_url":"u","x":1},
        "attributes":{"y":2},"user":{"_user_id":{"value":"1"},"a":1},"user":{"b":2}}"#;
    let event = parsed(text);
    assert!(event.has_attributes && !event.attribute(A::PageUrl).is_present());
    assert_eq!(event.attribute_extras.len(), 1);
    assert_eq!(event.attribute_extras[0].0.raw(text), "y");
    assert!(event.known_user.iter().all(Option::is_none));
    assert_eq!(event.custom_user.len(), 1);
}

#[test]
fn known_user_properties_are_objects_with_a_fitting_value() {
    for property in [
        r#""_user_id":"u""#,
        r#""_user_id":5"#,
        r#""_user_id":{"value":"u","extra":1}"#,
        r#""_user_id":{"value":{}}"#,
        r#""_user_id":{"value":"u","set_timestamp":"soon"}"#,
        r#""_user_id":{"value":"u","set_timestamp":true}"#,
        r#""_user_age":{}"#,
        r#""_user_age":{"value":null}"#,
        r#""_user_age":{"value":20.0}"#,
        r#""_user_age":{"value":""}"#,
        r#""_user_age":{"value":2147483648}"#,
        r#""_user_first_touch_timestamp":{"value":1.5}"#,
        r#""_user_first_touch_timestamp":{"value":"x"}"#,
    ] {
        let event = with(&format!(r#""user":{{{property}}}"#));
        let defect = event.user_defect.as_ref().map(|defect| defect.reason);
        assert_eq!((defect, &event.defect), (Some("bad_user_property"), &None), "{property}");
    }
    for property in [
        r#""_user_id":null"#,
        r#""_user_id":{}"#,
        r#""_user_id":{"value":null}"#,
        r#""_user_id":{"value":5,"set_timestamp":"7"}"#,
        r#""_user_age":{"value":"20"}"#,
        r#""_user_first_touch_timestamp":{"value":2147483648,"set_timestamp":1.5}"#,
        r#""other":"u""#,
        r#""other":{"value":1,"extra":2,"set_timestamp":"soon"}"#,
    ] {
        assert_eq!(with(&format!(r#""user":{{{property}}}"#)).user_defect, None, "{property}");
    }
}

#[test]
fn an_empty_user_has_no_properties() {
    for (members, has) in [
        (r#""user":{}"#, false),
        (r#""user":null"#, false),
        (r#""user":{"_user_id":null}"#, false),
        (r#""user":{"_user_id":{}}"#, true),
        (r#""user":{"other":null}"#, true),
    ] {
        assert_eq!(with(members).has_user_properties(), has, "{members}");
    }
}

#[test]
fn nothing_is_left_of_the_event_before() {
    let mut event =
        with(r#""event_type":"t","x":1,"attributes":{"_page_url":"u","y":1},"user":{"a":1},"event_value":[]"#);
    let text = "{}";
    event.parse(&mut Reader::new(text, 5), Compat::Reference).unwrap();
    assert!(!event.has_attributes && !event.has_user_properties() && !event.event_type.is_present());
    assert!(event.extras.is_empty() && event.attribute_extras.is_empty() && event.defect.is_none());
    assert!(!event.attribute(A::PageUrl).is_present() && !event.event(E::EventId).is_present());
}
