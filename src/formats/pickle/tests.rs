use std::path::Path;

use super::*;

fn file(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pickles");
    std::fs::read(folder.join(name)).expect("fixtures/pickles/make.py writes it")
}

fn loaded(bytes: &[u8]) -> Pickle {
    load(bytes).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_documentation_of_deeplabcut_is_read_in_every_protocol() {
    for protocol in 0..=5 {
        let pickle = loaded(&file(&format!("protocol{protocol}.pickle")));
        let &[data, train, test, fraction] = pickle.items(pickle.root()).expect("a list") else {
            panic!("four items");
        };
        assert_eq!(pickle.integers(train), Some(vec![3, 0, -1]), "protocol {protocol}");
        assert_eq!(pickle.integers(test), Some(vec![1, 2, 4]), "protocol {protocol}");
        assert_eq!(pickle.number(fraction), Some(0.6));
        let entries = pickle.items(data).expect("a list").to_vec();
        let images: Vec<Vec<String>> = (entries.iter())
            .map(|&entry| {
                let image = pickle.value(entry, "image").expect("a key");
                let parts = pickle.items(image).expect("a tuple").iter();
                parts.map(|&part| pickle.text(part).expect("a text").to_string()).collect()
            })
            .collect();
        assert_eq!(images[0], ["labeled-data", "m4s1", "img0003.png"]);
        assert_eq!(images[1], ["labeled-data", "m4s1", "img0000.png"]);
        let joints = pickle.value(entries[0], "joints").expect("a key");
        assert_eq!(pickle.integers(joints), Some(vec![0, 13, 27, 1, 250, 9]));
        assert_eq!(pickle.value(entries[0], "absent"), None);
    }
}

#[test]
fn arrays_of_every_type_are_read_or_passed_over() {
    for protocol in [2, 5] {
        let pickle = loaded(&file(&format!("kinds{protocol}.pickle")));
        let integers = |name: &str| {
            let value = pickle.value(pickle.root(), name);
            pickle.integers(value.unwrap_or_else(|| panic!("{name}")))
        };
        for name in ["<i2", ">i4", "<u1", ">i8", "<u4", "<f4", ">f8", "i1", "<u8", "<u2"] {
            assert_eq!(integers(name), Some(vec![0, 1, 100, 1]), "{name}, protocol {protocol}");
        }
        assert_eq!(integers("empty"), Some(vec![]));
        assert_eq!(integers("column"), Some(vec![1, 2]));
        for name in ["half", "words", "large", "negative"] {
            assert_eq!(integers(name), None, "{name} holds what is no integer");
        }
    }
}

#[test]
fn what_would_be_called_is_a_note_alone() {
    let pickle = loaded(&file("calls.pickle"));
    let items = pickle.items(pickle.root()).expect("a list").to_vec();
    let evil = pickle.items(items[0]).expect("a list")[0];
    let Node::Call { function, .. } = *pickle.node(evil) else { panic!("a call") };
    assert_eq!(*pickle.node(function), Node::Global("posix.system".into()));
    assert_eq!(pickle.integers(evil), None);
    assert_eq!(pickle.integers(items[1]), Some(vec![0, 1]), "the rest is read");
}

#[test]
fn instructions_that_python_3_no_longer_writes_are_read() {
    let integers = |bytes: &[u8]| {
        let pickle = loaded(bytes);
        pickle.integers(pickle.root())
    };
    assert_eq!(integers(b"(lp0\nI1\naL-2L\naF3.0\na."), Some(vec![1, -2, 3]));
    assert_eq!(integers(b"(I1\nI2\ntp0\ng0\n."), Some(vec![1, 2]));
    assert_eq!(integers(b"]K\x012a."), None, "the list appends a copy of its number to a number");
    let text = |bytes: &[u8]| {
        let pickle = loaded(bytes);
        pickle.text(pickle.root()).map(str::to_string)
    };
    assert_eq!(text(b"S'img 1.png'\n.").as_deref(), Some("img 1.png"));
    assert_eq!(text(b"S'it\\'s \\x41\\\\'\n.").as_deref(), Some("it's A\\"));
    assert_eq!(text(b"V\xe9\\u00e9\\U0001F400\\\n.").as_deref(), Some("\u{e9}\u{e9}\u{1F400}\\"));
    assert_eq!(text(b"U\x01a.").as_deref(), Some("a"));
    assert_eq!(text(b"X\x01\x00\x00\x00\xff."), None);
    let opaque = |bytes: &[u8]| {
        let pickle = loaded(bytes);
        matches!(pickle.node(pickle.root()), Node::Opaque)
    };
    for bytes in [&b"P1\n."[..], b"NQ.", b"\x82\x01.", b"\x97\x98.", b"\x8b\x09\0\0\x00123456789."]
    {
        assert!(opaque(bytes), "{bytes:?}");
    }
    let pickle = loaded(b"(cos\nsystem\nI1\no(ios\nsystem\n\x86.");
    let both = pickle.items(pickle.root()).expect("a pair");
    assert!(both.iter().all(|&call| matches!(pickle.node(call), Node::Call { .. })));
}

#[test]
fn senseless_pickles_are_errors() {
    for (bytes, what) in [
        (&b""[..], "cut short"),
        (b"K", "cut short"),
        (b"I1", "cut short"),
        (b"X\xff\xff\xff\xffa", "cut short"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa", "cut short"),
        (b".", "empty stack"),
        (b"N(.", "across a mark"),
        (b"t.", "lacks a mark"),
        (b"h\x05.", "recalls what it never stored"),
        (b"gx\n.", "no number"),
        (b"q\x05.", "needs a value"),
        (b"}(Nu.", "a key has no value"),
        (b"(o.", "no class"),
        (b"\xff.", "no protocol"),
    ] {
        let error = load(bytes).expect_err("senseless").to_string();
        assert!(error.contains(what), "{error} instead of {what}");
    }
    assert_eq!(
        load(&vec![b'N'; MAX_BYTES + 1]).expect_err("too long"),
        PickleError::TooLong(MAX_BYTES + 1)
    );
}

#[test]
fn a_list_that_holds_itself_and_a_deep_one_are_no_trouble() {
    let pickle = loaded(b"]q\x00h\x00a.");
    assert_eq!(pickle.items(pickle.root()), Some(&[pickle.root()][..]));
    assert_eq!(pickle.integers(pickle.root()), None);
    let mut deep = b"]".repeat(100_000);
    deep.extend(b"a".repeat(99_999));
    deep.push(b'.');
    assert_eq!(loaded(&deep).items(0).map(<[Id]>::len), Some(1));
}

/// Changes, cuts and repeats bytes of real pickles, and asks for everything that can be asked.
#[test]
fn no_bytes_make_it_fail() {
    let mut state = 1_u64;
    // Knuth's constants, The Art of Computer Programming 3.3.4, line 26 of table 1.
    let mut random = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut understood = 0;
    for name in ["protocol0.pickle", "protocol2.pickle", "protocol5.pickle", "kinds2.pickle"] {
        let original = file(name);
        for _ in 0..4000 {
            let mut bytes = original.clone();
            for _ in 0..1 + random(4) {
                let at = random(bytes.len());
                match random(4) {
                    0 => bytes.truncate(at.max(1)),
                    1 => {
                        let copy = bytes[at..].to_vec();
                        bytes.extend(copy);
                    }
                    _ => bytes[at] = random(256) as u8,
                }
            }
            let Ok(pickle) = load(&bytes) else { continue };
            understood += 1;
            for id in 0..pickle.nodes.len() as Id + 1 {
                let _ = (pickle.integers(id), pickle.number(id), pickle.text(id));
                let _ = (pickle.value(id, "image"), pickle.bytes(id, MAX_BYTES));
            }
        }
    }
    assert!(understood > 1000, "{understood} were pickles still");
}
