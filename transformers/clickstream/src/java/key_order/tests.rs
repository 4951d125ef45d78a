use super::*;

fn order_of(keys: &[&str]) -> Vec<String> {
    let mut order = KeyOrder::new();
    for (value, key) in keys.iter().enumerate() {
        order.put(key, value as u32);
    }
    names(&order, keys)
}

fn names(order: &KeyOrder, keys: &[&str]) -> Vec<String> {
    order.iter().map(|value| keys[value as usize].to_owned()).collect()
}

#[test]
fn hash_codes_are_those_of_java() {
    for (text, expected) in [
        ("", 0),
        ("a", 97),
        ("hello", 99_162_322),
        ("Aa", 2112),
        ("BB", 2112),
        ("中文", 646_394),
        ("polygenelubricants", i32::MIN),
    ] {
        assert_eq!(hash_code(text) as i32, expected, "{text}");
    }
    assert_eq!(hash_code("😀"), 0xD83D * 31 + 0xDE00, "both halves of a pair count");
}

#[test]
fn one_letter_keys_stand_in_their_buckets() {
    assert_eq!(order_of(&["c", "a", "p", "b"]), ["p", "a", "b", "c"], "p is 112, bucket 0 of 16");
}

#[test]
fn keys_that_are_computed_go_to_the_front_of_their_bucket() {
    let order_of = |keys: &[&str]| {
        let mut order = KeyOrder::new();
        for (value, key) in keys.iter().enumerate() {
            order.compute_if_absent(key, value as u32);
        }
        names(&order, keys)
    };
    // "a", "q" and "A" share bucket 1 of 16; of 32, "q" stands in bucket 17.
    assert_eq!(order_of(&["a", "q", "A", "a"]), ["A", "q", "a"]);
    let many: Vec<String> = ["a", "q", "A"].into_iter().map(str::to_owned).chain((2..12).map(letter)).collect();
    let mut many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(order_of(&many)[..3], ["A", "q", "a"], "13 keys, and room is made when the next one comes");
    many.push("a");
    let order = order_of(&many);
    assert_eq!((order[..2].join(" "), order[12].as_str()), ("A a".to_owned(), "q"), "a key that is there makes it too");
}

/// `b` to `l` stand in buckets 2 to 12 of 16.
fn letter(place: u8) -> String {
    char::from(b'`' + place).to_string()
}

#[test]
fn a_repeated_key_keeps_its_place() {
    let mut order = KeyOrder::new();
    for (key, value) in [("Aa", 1), ("BB", 2), ("Aa", 3)] {
        order.put(key, value);
    }
    assert_eq!(order.len(), 2);
    assert_eq!(order.iter().collect::<Vec<_>>(), [3, 2], "one bucket, in the order they came");
}

#[test]
fn the_thirteenth_key_doubles_the_table() {
    let keys: Vec<String> = (0..13).map(|number| char::from(b'a' + number).to_string()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert_eq!(order_of(&keys[..12])[..2], ["a", "b"]);
    let mut order = KeyOrder::new();
    for (value, key) in keys.iter().enumerate() {
        order.put(key, value as u32);
        assert_eq!(order.buckets.len(), if value < 12 { 16 } else { 32 });
    }
}

#[test]
fn put_all_makes_room_first() {
    let filled = |count: usize| {
        let mut order = KeyOrder::new();
        for value in 0..count {
            order.put(&format!("key{value}"), value as u32);
        }
        order
    };
    for (count, room) in [(1, 2), (2, 4), (3, 8), (5, 8), (6, 16), (12, 32), (13, 32), (24, 64)] {
        let mut fresh = KeyOrder::new();
        fresh.put_all(&filled(count));
        assert_eq!(fresh.buckets.len(), room, "{count} keys into a new map");
    }
    let mut used = filled(1);
    used.put_all(&filled(12));
    assert_eq!(used.buckets.len(), 16);
    let mut used = filled(1);
    used.put_all(&filled(13));
    assert_eq!(used.buckets.len(), 32);
    let mut fresh = KeyOrder::new();
    fresh.put_all(&KeyOrder::new());
    fresh.put("a", 0);
    assert_eq!(fresh.buckets.len(), 16, "an empty map asks for nothing");
}

#[test]
fn put_all_overlays_values() {
    let (mut below, mut above, mut all) = (KeyOrder::new(), KeyOrder::new(), KeyOrder::new());
    below.put("x", 1);
    below.put("y", 2);
    above.put("y", 3);
    all.put_all(&below);
    all.put_all(&above);
    assert_eq!(all.iter().collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn a_copy_is_walked_alike() {
    let mut source = KeyOrder::new();
    let mut copy = KeyOrder::new();
    for count in 0..200 {
        source.put(&format!("property_{}", count * 7919), count);
        source.copy_into(&mut copy);
        assert_eq!(copy.iter().collect::<Vec<_>>(), source.iter().collect::<Vec<_>>());
        assert_eq!(copy.buckets.len(), source.buckets.len());
    }
}

#[test]
fn colliding_keys_stay_findable() {
    let mut order = KeyOrder::new();
    let keys: Vec<String> =
        (0..4096_u32).map(|bits| (0..12).map(|bit| if bits >> bit & 1 == 0 { "Aa" } else { "BB" }).collect()).collect();
    for round in 0..2 {
        for (value, key) in keys.iter().enumerate() {
            order.put(key, value as u32 + round);
        }
        assert_eq!(order.len(), keys.len());
    }
    assert!(order.indexed);
    assert_eq!(order.iter().collect::<Vec<_>>(), (1..=4096).collect::<Vec<_>>());
    order.clear();
    order.put("a", 7);
    assert_eq!(order.iter().collect::<Vec<_>>(), [7]);
    assert_eq!(order.buckets.len(), 16);
}

#[test]
fn nine_keys_in_one_small_bucket_double_the_table() {
    let mut order = KeyOrder::new();
    let keys =
        ["AaAaAaAa", "AaAaAaBB", "AaAaBBAa", "AaAaBBBB", "AaBBAaAa", "AaBBAaBB", "AaBBBBAa", "AaBBBBBB", "BBAaAaAa"];
    for (value, key) in keys.iter().enumerate() {
        order.put(key, value as u32);
    }
    assert_eq!(order.buckets.len(), 32);
}
