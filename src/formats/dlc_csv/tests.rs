use super::*;

const HEADER: &str = "scorer,a,a,a,a\nbodyparts,nose,nose,tail,tail\ncoords,x,y,x,y\n";

fn sheet(text: &str) -> Sheet {
    parse("f.csv", text.as_bytes()).expect("it has the header")
}

/// Returns row, column and message of every problem.
fn flaws(sheet: &Sheet) -> Vec<(u32, u32, &str)> {
    let place = |p: &Problem| (p.row.unwrap_or(0), p.column.unwrap_or(0));
    (sheet.problems.iter())
        .map(|p| {
            let (row, column) = place(p);
            (row, column, p.message.as_str())
        })
        .collect()
}

#[test]
fn an_index_of_one_and_of_three_columns_names_the_same_image() {
    let one = sheet(&format!("{HEADER}labeled-data/v/img1.png,1,2,3,4\n"));
    let three = sheet(
        "scorer,,,a,a,a,a\nbodyparts,,,nose,nose,tail,tail\ncoords,,,x,y,x,y\n\
         labeled-data,v,img1.png,1,2,3,4\n",
    );
    assert_eq!(one.rows, three.rows);
    assert_eq!(one.points, three.points);
    assert_eq!(one.rows[0].image, "labeled-data/v/img1.png");
    assert_eq!((one.parts[1].column(), three.parts[1].column()), (4, 6));
}

#[test]
fn a_bad_cell_costs_its_point_only() {
    let sheet = sheet(&format!("{HEADER}a.png,1,x\u{1b}[31m,3,4\nb.png,,2,1e999,4\n"));
    let kept: Vec<(u32, f64)> = sheet.points.iter().map(|p| (p.part, p.x)).collect();
    assert_eq!(kept, [(1, 3.0)]);
    assert_eq!(
        flaws(&sheet),
        [
            (4, 3, "expected a number, found `x\\u{1b}[31m`"),
            (5, 2, "`nose` has y but no x"),
            (5, 4, "expected a number, found `1e999`"),
        ]
    );
}

#[test]
fn a_row_of_another_width_is_not_trusted() {
    let sheet = sheet(&format!("{HEADER}a.png,1,2,3\nb.png,1,2,3,4,5\nc.png,1,2,3,4,,\nd.png,,\n"));
    assert_eq!(sheet.points.len(), 2);
    assert_eq!(sheet.rows.len(), 4);
    let expected = "expected 5 columns, found";
    let flaws = flaws(&sheet);
    assert_eq!(flaws[0], (4, 0, format!("{expected} 4").as_str()));
    assert_eq!(flaws[1], (5, 0, format!("{expected} 6").as_str()));
    assert_eq!(flaws.len(), 2);
}

#[test]
fn lines_are_those_of_a_text_editor() {
    let text = format!("\n{HEADER}\n\na.png,1,2,3,4\n\"b.png\",\"1\n\",2,3,4\nc.png,x,,,\n");
    for text in [text.clone(), text.replace('\n', "\r\n")] {
        let sheet = sheet(&text);
        let lines: Vec<u32> = sheet.rows.iter().map(|row| row.line).collect();
        assert_eq!((sheet.bodyparts_row, lines), (3, vec![7, 8, 10]), "{text:?}");
        assert_eq!(sheet.problems[0].row, Some(10));
    }
}

#[test]
fn columns_that_make_no_point_are_reported() {
    let sheet = sheet(
        "scorer,a,a,a,a,a,a\nbodyparts,nose,nose,nose,tail,ear,\n\
         coords,x,y,x,y,z,x\na.png,1,2,3,4,5,6\n",
    );
    assert_eq!(sheet.parts.len(), 1);
    assert_eq!(
        flaws(&sheet),
        [
            (2, 4, "`nose` has a second column `x`"),
            (3, 6, "expected `x`, `y` or `visible`, found `z`"),
            (2, 5, "expected a named body part with columns `x` and `y`, found `tail`"),
            (2, 7, "expected a named body part with columns `x` and `y`, found nothing"),
        ]
    );
}

#[test]
fn the_header_must_be_complete() {
    for (text, row, missing) in [
        ("", 1, "scorer"),
        ("scorer,a\n", 1, "bodyparts"),
        ("scorer,a\nscorer,a\n", 2, "bodyparts"),
        ("scorer,a\nbodyparts,n\n4,5\n", 3, "coords"),
        ("nose,tail\n", 1, "scorer"),
    ] {
        let error = parse("f.csv", text.as_bytes()).expect_err("it is incomplete");
        assert_eq!(error.row, row, "{text}");
        assert!(error.message.contains(&format!("`{missing}`")), "{text}: {}", error.message);
    }
    assert!(sheet(HEADER).rows.is_empty());
}

#[test]
fn peek_tells_labels_from_predictions() {
    let labels = format!("{HEADER}\na.png,1,2,3,4\n");
    assert_eq!(peek(labels.as_bytes()), Peek::Labels(Some("a.png".into())));
    assert_eq!(peek(HEADER.as_bytes()), Peek::Labels(None));
    let predictions = HEADER.replace("coords,x,y,x,y", "coords,x,y,likelihood,x");
    assert_eq!(peek(predictions.as_bytes()), Peek::Predictions);
    assert_eq!(peek(b"a,b\n1,2\n"), Peek::Other);
    assert_eq!(peek(b"\xFF\xFE"), Peek::Other);
}

#[test]
fn other_encodings_are_read_or_refused() {
    let latin = [HEADER.as_bytes(), b"k\xE4fig/a.png,1,2,3,4\n"].concat();
    let sheet = parse("f.csv", &latin).expect("Latin-1 is read");
    assert_eq!(sheet.rows[0].image, "käfig/a.png");
    assert_eq!(flaws(&sheet), [(4, 0, "expected UTF-8, found the byte 0xe4; read as Latin-1")]);
    assert!(parse("f.csv", b"\xFF\xFEs\0").is_err());
}
