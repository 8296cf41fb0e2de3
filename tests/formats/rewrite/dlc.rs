//! DeepLabCut and Lightning Pose.

use super::super::{fixture, shared};
use super::*;

#[test]
fn what_is_written_reads_as_edited() {
    let mut refused = 0;
    for case in ["deeplabcut/animals", "deeplabcut/spreadsheet", "deeplabcut/video_folder"] {
        refused += hold(&fixture(case), Hidden::Not, 120);
    }
    // Body parts that only the configuration names have no columns.
    assert!(refused < 120, "{refused}");
    refused = hold(&fixture("lightning_pose/fused"), Hidden::Not, 60);
    refused += hold(&fixture("lightning_pose/views"), Hidden::Not, 60);
    assert!(refused < 60, "{refused}");
    hold(&fixture("../mirror-mouse"), Hidden::Not, 10);
}

#[test]
fn real_data_read_as_edited() {
    let Some(openfield) = shared("dlc-openfield") else { return };
    assert_eq!(hold(&openfield, Hidden::Not, 12), 0);
    let Some(reaching) = shared("dlc-reaching") else { return };
    assert_eq!(hold(&reaching, Hidden::Not, 12), 0);
    let Some(mouse) = shared("lp-mirror-mouse") else { return };
    assert_eq!(hold(&mouse, Hidden::Not, 12), 0);
    let Some(folder) = shared("sleap-io-js/tests/data/dlc/labeled-data/video") else { return };
    for file in [
        "dlc_testdata.csv",
        "dlc_testdata_v2.csv",
        "madlc_testdata.csv",
        "madlc_testdata_v2.csv",
        "maudlc_testdata.csv",
        "maudlc_testdata_v2.csv",
        "CollectedData_LM.csv",
    ] {
        assert_eq!(hold(&folder.join(file), Hidden::Not, 60), 0, "{file}");
    }
}

/// Names of the images of [`project`].
const ONE: &str = "labeled-data/v/img1.png";
const TWO: &str = "labeled-data/v/img2.png";

/// Writes a project with one label file, which has an HDF5 file and a picture beside it.
fn project(csv: &str) -> tempfile::TempDir {
    folder(&[
        ("config.yaml", b"scorer: Ada\nbodyparts: [nose, tail]\n"),
        ("labeled-data/v/CollectedData_Ada.csv", csv.as_bytes()),
        ("labeled-data/v/CollectedData_Ada.h5", b"\x89HDF"),
        ("labeled-data/v/CollectedData_Bob.h5", b"\x89HDF"),
        ("labeled-data/v/img1.png", b""),
        ("labeled-data/v/img2.png", b""),
    ])
}

#[test]
fn only_cells_that_an_edit_concerns_change() {
    // A mark, two kinds of line ends, quotes, blank lines, another scorer's columns, padded
    // numbers and words for missing ones.
    let csv = "\u{feff}scorer,Ada,Ada,Ada,Ada,Bob,Bob\r\nbodyparts,nose,nose,tail,tail,nose,nose\r\n\
               coords,x,y,x,y,x,y\r\n\
               \"labeled-data\\v\\img1.png\",250.05599999999998,\"1.50\", 3 ,4e0,7,8\n\r\n\
               labeled-data/v/img2.png,NaN,,1.,2,,\r\nlabeled-data/v/gone.png,1,2,3,4,5,6";
    let project = project(csv);
    let dataset = load(project.path());
    let (first, second) = (instance(&dataset, ONE), instance(&dataset, TWO));
    let text = |edits: &[Edit]| one(&dataset, edits);
    assert_eq!(
        text(&swap(&dataset, first, 0, 1)),
        csv.replace("250.05599999999998,\"1.50\", 3 ,4e0", "3,\"4e0\",250.05599999999998,1.50")
    );
    let set = |instance, kind, x, y| Edit::SetKeypoint { instance, kind, x, y };
    assert_eq!(
        text(&[set(first, 0, 250.556, 10.123_456_789), set(second, 0, 1.0, 3.0)]),
        csv.replace("\"1.50\"", "\"9.623457\"").replace("NaN,,1.,2", "0.5,2.5,1.,2")
    );
    assert_eq!(
        text(&[Edit::DropKeypoint { instance: first, kind: 0 }]),
        csv.replace("250.05599999999998,\"1.50\"", ",\"\"")
    );
    assert_eq!(
        text(&[Edit::DropInstance { instance: first }]),
        csv.replace("250.05599999999998,\"1.50\", 3 ,4e0", ",\"\",,")
    );
    let row = "\"labeled-data\\v\\img1.png\",250.05599999999998,\"1.50\", 3 ,4e0,7,8\n";
    let written = rewrite(&dataset, &[Edit::DropImage { image: image(&dataset, ONE) }]);
    let written = written.expect("a row that goes");
    assert_eq!(String::from_utf8_lossy(&written.files[0].1), csv.replace(row, ""));
    assert_eq!(written.left_out, [ONE]);
    assert_eq!(written.stale, ["labeled-data/v/CollectedData_Ada.h5"]);
}

#[test]
fn all_rows_of_an_image_go_also_those_that_did_not_count() {
    let header = "scorer,Ada,Ada\nbodyparts,nose,nose\ncoords,x,y\n";
    let rows = "labeled-data/v/img1.png,1,2\nlabeled-data/v/img2.png,3,4\n";
    let csv = format!("{header}{rows}C:\\old\\labeled-data\\v\\img1.png,5,6\n");
    let project = project(&csv);
    let other = "labeled-data/w/CollectedData_Ada.csv";
    fs::create_dir(project.path().join("labeled-data/w")).expect("a folder");
    fs::write(project.path().join(other), &csv).expect("a file");
    let dataset = load(project.path());
    let written = rewrite(&dataset, &[Edit::DropImage { image: image(&dataset, ONE) }]);
    let kept = format!("{header}labeled-data/v/img2.png,3,4\n").into_bytes();
    let own = "labeled-data/v/CollectedData_Ada.csv";
    assert_eq!(
        written.expect("rows that go").files,
        [(own.into(), kept.clone()), (other.into(), kept)]
    );
}

#[test]
fn numbers_of_a_spreadsheet_keep_their_comma() {
    let csv = "scorer;Ada;Ada\nbodyparts;nose;nose\ncoords;x;y\nlabeled-data/v/img1.png;1,5;2\n";
    let project = project(csv);
    let dataset = load(project.path());
    let edits = [Edit::SetKeypoint { instance: 0, kind: 0, x: 2.75, y: 4.0 }];
    assert_eq!(one(&dataset, &edits), csv.replace("1,5;2", "2,25;3,5"));
}

#[test]
fn a_column_of_visibility_is_kept_true() {
    let csv = "scorer,a,a,a,a,a,a\nbodyparts,nose,nose,nose,tail,tail,tail\n\
               coords,x,y,visible,x,y,visible\nlabeled-data/v/img1.png,1,2,1,3,4,0\n\
               labeled-data/v/img2.png,5,6,,7,8,2\n";
    let project = folder(&[
        ("CollectedData.csv", csv.as_bytes()),
        (ONE, b""),
        (TWO, b""),
        ("CollectedData.h5", b"\x89HDF"),
    ]);
    let dataset = load(project.path());
    assert_eq!(dataset.format, "lightning_pose");
    let first = instance(&dataset, ONE);
    let text = |edits: &[Edit]| one(&dataset, edits);
    let set = |kind, x| Edit::SetKeypoint { instance: first, kind, x, y: 2.5 };
    let drop = |kind| Edit::DropKeypoint { instance: first, kind };
    assert_eq!(text(&[set(0, 9.5)]), csv.replace("1,2,1,", "9,2,1,"));
    assert_eq!(text(&[set(1, 9.5)]), csv.replace("3,4,0", "9,2,2"));
    assert_eq!(text(&[drop(0), set(0, 9.5)]), csv.replace("1,2,1,", "9,2,2,"));
    assert_eq!(text(&[set(1, 9.5), drop(0)]), csv.replace("1,2,1,3,4,0", ",,0,9,2,2"));
    let second = instance(&dataset, TWO);
    let hide = Edit::SetVisibility { instance: second, kind: 0, visibility: Visibility::Occluded };
    assert_eq!(text(&[hide]), csv.replace("5,6,,", "5,6,1,"));
    assert_eq!(hold(project.path(), Hidden::Sayable, 60), 0);
}

#[test]
fn what_a_file_cannot_hold_is_said() {
    let header = "scorer,Ada,Ada\nbodyparts,nose,nose\ncoords,x,y\n";
    let csv = format!("{header}labeled-data/v/img1.png,1,2\n");
    let project = project(&csv);
    let dataset = load(project.path());
    let refused = |edit: Edit| match rewrite(&dataset, &[edit]) {
        Err(FormatError::CannotHold { row: Some(4), message, .. }) => message,
        other => panic!("{other:?}"),
    };
    let set = |kind, x| Edit::SetKeypoint { instance: 0, kind, x, y: 1.0 };
    assert_eq!(refused(set(1, 1.0)), "no columns for `tail`");
    assert_eq!(refused(set(0, f64::NAN)), "NaN is no place in an image");
    let hide = Edit::SetVisibility { instance: 0, kind: 0, visibility: Visibility::Occluded };
    assert_eq!(refused(hide), "no column `visible` to say that `nose` is hidden");
}

#[test]
fn a_file_that_has_changed_is_refused_with_its_row() {
    let header = "scorer,Ada,Ada,Ada,Ada\nbodyparts,nose,nose,tail,tail\ncoords,x,y,x,y\n";
    let csv = format!("{header}labeled-data/v/img1.png,1,2,,\nlabeled-data/v/img2.png,3,4,5,6\n");
    let project = project(&csv);
    let dataset = load(project.path());
    let path = project.path().join("labeled-data/v/CollectedData_Ada.csv");
    let edit = Edit::DropKeypoint { instance: instance(&dataset, TWO), kind: 0 };
    assert!(rewrite(&dataset, &[edit]).is_ok());
    for (new, row) in [
        (csv.replace("3,4", "3,4.1"), 5),
        (csv.replace("3,4,", ",,"), 5),
        (csv.replace("img2", "img3"), 5),
        (csv.replace("1,2,,", "1,2,7,8"), 4),
        (csv.replace("nose,nose", "snout,snout"), 4),
        (format!("\n{csv}"), 4),
        (header.into(), 4),
        ("scorer,Ada\n".into(), 1),
    ] {
        fs::write(&path, &new).expect("a file");
        match rewrite(&dataset, &[edit]) {
            Err(FormatError::Malformed { path: named, row: found, .. }) => {
                assert_eq!((named, found), (path.clone(), Some(row)), "{new}");
            }
            other => panic!("{new}: {other:?}"),
        }
    }
    fs::remove_file(&path).expect("it is there");
    assert!(matches!(rewrite(&dataset, &[edit]), Err(FormatError::Io { .. })));
    assert_eq!(rewrite(&dataset, &[]).expect("nothing to do"), Rewrite::default());
}

/// Returns a Python that has pandas, or says that the test is skipped without one.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn python() -> Option<String> {
    let python = std::env::var("LABELVET_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let found = std::process::Command::new(&python).args(["-c", "import pandas"]).output();
    if found.is_ok_and(|found| found.status.success()) {
        return Some(python);
    }
    eprintln!("skipped: {python} has no pandas; LABELVET_TEST_PYTHON names one that has");
    None
}

#[test]
fn pandas_finds_only_what_was_edited() {
    let Some(path) = shared("dlc-openfield") else { return };
    let Some(python) = python() else { return };
    let dataset = load(&path);
    let frame = |number: u32| format!("labeled-data/m4s1/img{number:04}.png");
    let of = |number| instance(&dataset, &frame(number));
    let mut edits = swap(&dataset, of(0), 1, 2);
    edits.extend([
        Edit::DropKeypoint { instance: of(1), kind: 3 },
        Edit::SetKeypoint { instance: of(6), kind: 0, x: 100.5, y: 50.75 },
        Edit::DropInstance { instance: of(8) },
        Edit::DropImage { image: image(&dataset, &frame(3)) },
    ]);
    let written = rewrite(&dataset, &edits).expect("a label file");
    let new = folder(&[("new.csv", &written.files[0].1)]);
    let old = dataset.root.join(&written.files[0].0);
    let compared = std::process::Command::new(python)
        .arg(fixture("compare_by_pandas.py"))
        .args([old, new.path().join("new.csv")])
        .output()
        .expect("Python runs");
    assert!(compared.status.success(), "{}", String::from_utf8_lossy(&compared.stderr));
    let found = String::from_utf8_lossy(&compared.stdout);
    assert_eq!(found, EXPECTED, "{found}");
}

/// What [`pandas_finds_only_what_was_edited`] edits, with the numbers of the original file.
const EXPECTED: &str = "\
labeled-data/m4s1/img0000.png leftear x 33.819 19.984
labeled-data/m4s1/img0000.png leftear y 265.941 250.05599999999998
labeled-data/m4s1/img0000.png rightear x 19.984 33.819
labeled-data/m4s1/img0000.png rightear y 250.05599999999998 265.941
labeled-data/m4s1/img0001.png tailbase x 95.821 nan
labeled-data/m4s1/img0001.png tailbase y 221.361 nan
labeled-data/m4s1/img0003.png gone
labeled-data/m4s1/img0006.png snout x 42.53 100.0
labeled-data/m4s1/img0006.png snout y 332.042 50.25
labeled-data/m4s1/img0008.png snout x 95.821 nan
labeled-data/m4s1/img0008.png snout y 334.60400000000004 nan
labeled-data/m4s1/img0008.png leftear x 104.01899999999999 nan
labeled-data/m4s1/img0008.png leftear y 343.827 nan
labeled-data/m4s1/img0008.png rightear x 100.432 nan
labeled-data/m4s1/img0008.png rightear y 326.405 nan
labeled-data/m4s1/img0008.png tailbase x 209.063 nan
labeled-data/m4s1/img0008.png tailbase y 317.694 nan
";
