use super::*;
use crate::dataset::Image;

/// Makes files whose content is their own name.
fn make(root: &Path, names: &[&str]) {
    for name in names {
        let file = root.join(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("folders");
        fs::write(file, name).expect("a file");
    }
}

/// Returns everything below a folder: files, and links with a mark, sorted.
fn list(root: &Path) -> Vec<String> {
    let mut found: Vec<String> = (walkdir::WalkDir::new(root).into_iter())
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| !entry.file_type().is_dir())
        .map(|entry| {
            let mark = if entry.path_is_symlink() { " ->" } else { "" };
            format!("{}{mark}", files::relative(root, entry.path()))
        })
        .collect();
    found.sort();
    found
}

fn text(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn image(root: &Path, path: &str) -> Image {
    Image { path: path.into(), file: Some(root.join(path)), ..Image::default() }
}

/// A project with everything that may lie in one.
fn project(root: &Path) -> Dataset {
    make(
        root,
        &[
            "config.yaml",
            "labeled-data/v/CollectedData_a.csv",
            "labeled-data/v/CollectedData_a.h5",
            "labeled-data/v/img1.png",
            "labeled-data/v/img2.png",
            "videos/v.mp4",
            "notes.txt",
            ".git/HEAD",
            "audit/labelvet.json",
            "audit/report.html",
        ],
    );
    Dataset {
        root: root.into(),
        format: "deeplabcut",
        label_files: vec!["labeled-data/v/CollectedData_a.csv".into()],
        images: ["labeled-data/v/img1.png", "labeled-data/v/img2.png"]
            .map(|path| image(root, path))
            .to_vec(),
        ..Dataset::default()
    }
}

fn rewrite(files: &[&str], left_out: &[&str], stale: &[&str]) -> Rewrite {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Rewrite {
        files: files.iter().map(|name| ((*name).into(), b"new".to_vec())).collect(),
        left_out: owned(left_out),
        stale: owned(stale),
    }
}

#[test]
fn a_project_is_copied_with_its_changes_and_stays_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let (root, to) = (folder.path().join("project"), folder.path().join("copy"));
    let dataset = project(&root);
    let before = list(&root);
    let csv = "labeled-data/v/CollectedData_a.csv";
    let rewrite =
        rewrite(&[csv], &["labeled-data/v/img2.png"], &["labeled-data/v/CollectedData_a.h5"]);
    let copied = copy_dataset(&dataset, &rewrite, &to).expect("a copy");
    assert_eq!(
        list(&to),
        ["config.yaml", csv, "labeled-data/v/img1.png", "notes.txt", "videos/v.mp4"]
    );
    assert_eq!(text(&to.join(csv)), "new");
    assert_eq!(text(&to.join("labeled-data/v/img1.png")), "labeled-data/v/img1.png");
    assert_eq!((copied.linked, copied.copied, copied.written), (2, 2, 1));
    let skipped: Vec<&str> = copied.skipped.iter().map(|skipped| skipped.path.as_str()).collect();
    assert_eq!(skipped, [".git", "audit"]);
    assert_eq!(list(&root), before);
    assert!(before.iter().all(|name| text(&root.join(name)) == *name), "nothing changed");
}

#[test]
fn a_folder_that_holds_something_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (root, to) = (folder.path().join("project"), folder.path().join("copy"));
    let dataset = project(&root);
    copy_dataset(&dataset, &Rewrite::default(), &to).expect("a copy");
    // The images there are the originals' own content by another name.
    let again = copy_dataset(&dataset, &Rewrite::default(), &to);
    assert!(matches!(again, Err(CopyError::NotEmpty { .. })), "{again:?}");
    assert_eq!(text(&root.join("videos/v.mp4")), "videos/v.mp4");
}

#[test]
fn a_copy_inside_the_dataset_does_not_hold_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("project");
    let dataset = project(&root);
    make(&root, &[".labelvet-other/half"]);
    let to = root.join("copies/one");
    copy_dataset(&dataset, &Rewrite::default(), &to).expect("a copy");
    assert!(list(&to).iter().all(|name| !name.contains("copies") && !name.contains("half")));
    assert!(to.join("labeled-data/v/img2.png").is_file());
}

#[test]
fn a_coco_file_among_other_things_takes_only_its_own_along() {
    let folder = tempfile::tempdir().expect("a folder");
    let (root, to) = (folder.path().join("downloads"), folder.path().join("copy"));
    let own = ["annotations/a.json", "annotations/b.txt", "images/deep/1.jpg", "README.md"];
    make(&root, &own);
    make(&root, &["thesis.docx", "other/2.jpg", "images/3.jpg"]);
    let dataset = Dataset {
        root: root.clone(),
        format: "coco",
        label_files: vec!["annotations/a.json".into()],
        images: vec![image(&root, "images/deep/1.jpg")],
        ..Dataset::default()
    };
    copy_dataset(&dataset, &Rewrite::default(), &to).expect("a copy");
    let mut own = own.to_vec();
    own.sort_unstable();
    assert_eq!(list(&to), own);
}

#[test]
fn images_of_elsewhere_come_to_where_their_paths_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let (root, to) = (folder.path().join("labels"), folder.path().join("copy"));
    let elsewhere = folder.path().join("disk");
    make(&root, &["a.json"]);
    make(&elsewhere, &["train/1.jpg", "2.jpg", "3.jpg"]);
    let at = |path: &str| Image { file: Some(elsewhere.join(path)), ..image(&root, path) };
    let odd = Image { path: "../../1.jpg".into(), ..at("train/1.jpg") };
    let dataset = Dataset {
        root: root.clone(),
        format: "coco",
        label_files: vec!["a.json".into()],
        images: vec![at("2.jpg"), at("3.jpg"), odd, at("train/1.jpg")],
        ..Dataset::default()
    };
    let copied = copy_dataset(&dataset, &rewrite(&[], &["3.jpg"], &[]), &to).expect("a copy");
    assert_eq!(list(&to), ["2.jpg", "a.json", "train/1.jpg"]);
    assert_eq!(text(&to.join("2.jpg")), "2.jpg");
    assert_eq!(copied.skipped.len(), 1, "a path that leads out");
    for file in ["../a.json", "/etc/passwd", ""] {
        let copied = copy_dataset(&dataset, &rewrite(&[file], &[], &[]), &folder.path().join("x"));
        assert!(matches!(copied, Err(CopyError::Outside { .. })), "{file}");
    }
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_lead_to_the_same_place_and_are_not_followed_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let (root, to) = (folder.path().join("project"), folder.path().join("copy"));
        let dataset = project(&root);
        let elsewhere = folder.path().join("elsewhere");
        make(&elsewhere, &["secret.txt", "deep/x.png"]);
        symlink("../elsewhere", root.join("out")).expect("a link");
        symlink("v", root.join("labeled-data/w")).expect("a link");
        symlink(root.join("notes.txt"), root.join("videos/notes")).expect("a link");
        symlink("nowhere", root.join("dangling")).expect("a link");
        let csv = "labeled-data/v/CollectedData_a.csv";
        let copied = copy_dataset(&dataset, &rewrite(&[csv], &[], &[]), &to).expect("a copy");
        assert_eq!(copied.links, 4);
        let target = |name: &str| fs::read_link(to.join(name)).expect("a link");
        assert_eq!(target("out"), elsewhere.canonicalize().expect("a folder"));
        assert_eq!(target("labeled-data/w"), Path::new("../labeled-data/v"));
        assert_eq!(target("videos/notes"), Path::new("../notes.txt"));
        assert_eq!(target("dangling"), Path::new("nowhere"));
        assert_eq!(text(&to.join("labeled-data/w/CollectedData_a.csv")), "new");
        assert_eq!(text(&to.join("videos/notes")), "notes.txt");
    }

    #[test]
    fn labels_behind_a_link_change_in_the_copy_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let (root, to) = (folder.path().join("project"), folder.path().join("copy"));
        let disk = folder.path().join("disk");
        let dataset = project(&root);
        fs::rename(root.join("labeled-data/v"), &disk).expect("moved");
        symlink("../../disk", root.join("labeled-data/v")).expect("a link");
        make(&disk, &["more/y.txt"]);
        let csv = "labeled-data/v/CollectedData_a.csv";
        let rewrite = rewrite(&[csv], &["labeled-data/v/img2.png"], &[]);
        copy_dataset(&dataset, &rewrite, &to).expect("a copy");
        assert_eq!(text(&to.join(csv)), "new");
        assert_eq!(text(&disk.join("CollectedData_a.csv")), csv);
        assert!(disk.join("img2.png").is_file() && !to.join("labeled-data/v/img2.png").exists());
        assert_eq!(text(&to.join("labeled-data/v/img1.png")), "labeled-data/v/img1.png");
        assert_eq!(text(&to.join("labeled-data/v/more/y.txt")), "more/y.txt");
        assert!(to.join("labeled-data/v/more").is_symlink());
    }

    #[test]
    fn what_lies_behind_two_links_is_refused_and_not_touched() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("project");
        let disk = folder.path().join("disk");
        let dataset = Dataset { images: Vec::new(), ..project(&root) };
        make(&disk, &["b.csv"]);
        fs::create_dir(root.join("real")).expect("a folder");
        symlink(&disk, root.join("real/sub")).expect("a link");
        symlink("real", root.join("link")).expect("a link");
        for changes in
            [rewrite(&["link/sub/b.csv"], &[], &[]), rewrite(&[], &["link/sub/b.csv"], &[])]
        {
            let to = tempfile::tempdir().expect("a folder");
            let copied = copy_dataset(&dataset, &changes, to.path());
            assert!(matches!(copied, Err(CopyError::Linked { .. })), "{copied:?}");
            assert_eq!(text(&disk.join("b.csv")), "b.csv");
        }
    }

    #[test]
    fn what_is_no_file_is_passed_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let (root, to) = (folder.path().join("project"), folder.path().join("copy"));
        let dataset = project(&root);
        let made = std::process::Command::new("mkfifo").arg(root.join("pipe")).status();
        assert!(made.expect("mkfifo").success());
        let copied = copy_dataset(&dataset, &Rewrite::default(), &to).expect("a copy");
        assert!(copied.skipped.iter().any(|skipped| skipped.path == "pipe"));
        assert!(!to.join("pipe").exists());
    }
}
