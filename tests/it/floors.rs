//! The floors of `src/`: `docs/design.md` lists its folders from the ground up, and code uses its own folder or a lower
//! one. No two files use each other, directly or around a corner.
//!
//! Imports are read as text: `use` declarations and paths in the code, with re-exports followed to the file that defines
//! the name. Code that only tests compile is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file.
const MAX_LINES: usize = 600;

/// A path as it is written, in parts: `["crate", "window", "Window"]`.
type Parts = Vec<String>;

/// One file of `src/`.
#[derive(Default)]
struct Module {
    /// Path below `src/`.
    file: String,
    /// Child modules.
    children: BTreeSet<String>,
    /// Names that `use` declarations bring in, as paths from the crate's root or from here.
    imports: BTreeMap<String, Parts>,
    /// Modules and enums whose names are all brought in.
    globs: Vec<Parts>,
    /// Paths in the code.
    paths: BTreeSet<Parts>,
}

/// All modules by their path from the crate's root.
type Modules = BTreeMap<Parts, Module>;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

#[test]
fn arrows_point_down() {
    let floors = listed(&fs::read_to_string(source().join("../docs/design.md")).unwrap());
    let modules = read(&source());
    let mut faults: Vec<String> = unlisted_and_gone(&floors, &source());
    for (from, to) in arrows(&modules) {
        if let (Some(lower), Some(upper)) = (floor_of(&floors, &from), floor_of(&floors, &to))
            && lower < upper
        {
            faults.push(format!("{from} uses {to}, which is on a higher floor"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let arrows = arrows(&read(&source()));
    let circles = circles(&arrows);
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

/// Functions have a bound of their own in `clippy.toml`.
#[test]
fn files_are_short() {
    let project = source().join("..");
    let folders = ["src", "sdk", "transformers", "plugins", "benches", "tests", "fuzz"];
    let long = folders.iter().flat_map(|folder| {
        let files = files(&project.join(folder)).into_iter().filter(|file| !file.contains("target/"));
        files.map(move |file| format!("{folder}/{file}"))
    });
    let lines = |file: &String| fs::read_to_string(project.join(file)).unwrap().lines().count();
    let long: Vec<_> = long.map(|file| (lines(&file), file)).filter(|(lines, _)| *lines > MAX_LINES).collect();
    assert!(long.is_empty(), "more than {MAX_LINES} lines: {long:?}");
}

/// A reader that finds nothing would find no fault either.
#[test]
fn imports_are_understood() {
    let module = |text: &str, children: &[&str]| {
        let mut module = parse(text);
        module.children.extend(children.iter().map(|child| (*child).to_owned()));
        module
    };
    let mut modules = Modules::new();
    let mut add = |path: &[&str], mut module: Module| {
        module.file = format!("{}.rs", path.join("/"));
        modules.insert(path.iter().map(|part| (*part).to_owned()).collect(), module);
    };
    add(&[], module("mod a; mod b;", &["a", "b"]));
    add(&["a"], module("mod deep; pub use self::deep::{Thing, Other as Renamed};", &["deep"]));
    add(&["a", "deep"], module("use crate::b; // use crate::never;\nfn f() { b::g(\"use crate::no;\"); }", &[]));
    add(&["b"], module("fn g() { crate::a::Renamed::new(); }\n#[cfg(test)]\nmod tests { use crate::c; }", &[]));
    let found = arrows(&modules);
    let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    let expected = [pair("a.rs", "a/deep.rs"), pair("a/deep.rs", "b.rs"), pair("b.rs", "a/deep.rs")];
    assert_eq!(found, BTreeSet::from(expected));
    assert_eq!(circles(&found), ["circle: a/deep.rs, b.rs"]);
}

/// The folders and files that the table of floors lists, ground first.
fn listed(design: &str) -> Vec<String> {
    let table = design.split("## Floors").nth(1).unwrap_or_else(|| panic!("docs/design.md has no section Floors"));
    let table = table.split("\n## ").next().unwrap_or(table);
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let floors: Vec<String> = rows.filter_map(|row| row.split('`').next()).map(ToOwned::to_owned).collect();
    assert!(floors.len() > 5, "docs/design.md lists no floors");
    floors
}

/// The place of a file's folder in the list: that of the longest entry which the file is below.
fn floor_of(floors: &[String], file: &str) -> Option<usize> {
    let below = |entry: &&String| entry.strip_suffix('/').map_or(file == *entry, |_| file.starts_with(entry.as_str()));
    let entry = floors.iter().filter(below).max_by_key(|entry| entry.len())?;
    floors.iter().position(|other| other == entry)
}

fn unlisted_and_gone(floors: &[String], source: &Path) -> Vec<String> {
    let files = files(source);
    let mut faults = Vec::new();
    for file in &files {
        if floor_of(floors, file).is_none() {
            faults.push(format!("src/{file} stands on no floor: list its folder in docs/design.md"));
        }
    }
    for (index, entry) in floors.iter().enumerate() {
        if !files.iter().any(|file| floor_of(floors, file) == Some(index)) {
            faults.push(format!("docs/design.md lists `{entry}`, and nothing is there"));
        }
    }
    faults
}

fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Reads the modules that programs are made of, from the crate's root down.
fn read(source: &Path) -> Modules {
    let mut modules = Modules::new();
    let mut open = vec![(Parts::new(), source.join("lib.rs"), source.to_owned())];
    while let Some((path, file, folder)) = open.pop() {
        let text = fs::read_to_string(&file).unwrap();
        let mut module = parse(&text);
        file.strip_prefix(source).unwrap().to_str().unwrap().clone_into(&mut module.file);
        for child in &module.children {
            let files = [folder.join(format!("{child}.rs")), folder.join(child).join("mod.rs")];
            if let Some(file) = files.into_iter().find(|file| file.is_file()) {
                let mut path = path.clone();
                path.push(child.clone());
                open.push((path, file, folder.join(child)));
            }
        }
        modules.insert(path, module);
    }
    modules
}

fn parse(text: &str) -> Module {
    let code = inline_modules_opened(&without_tests(&without_comments(text)));
    let mut module = Module::default();
    let mut rest = String::with_capacity(code.len());
    for (index, statement) in code.split(';').enumerate() {
        if index > 0 {
            rest.push(';');
        }
        let words = statement.rsplit(['{', '}']).next().unwrap_or(statement);
        if let Some(name) = word_after(words, "mod") {
            module.children.insert(name);
        }
        match statement.rfind("use ").filter(|at| is_declaration(&statement[..*at])) {
            Some(at) => {
                rest.push_str(&statement[..at]);
                let tree: String = statement[at + 4..].split_whitespace().collect::<Vec<_>>().join(" ");
                read_tree(&mut module, &Parts::new(), &tree);
            }
            None => rest.push_str(statement),
        }
    }
    module.paths = paths_in(&rest);
    module
}

/// Whether a `use` behind this text begins a declaration.
fn is_declaration(before: &str) -> bool {
    let before = before.trim_end();
    let before = match before.rfind("pub(") {
        Some(at) if !before[at..].contains(['{', '}', ';']) => before[..at].trim_end(),
        _ => before.strip_suffix("pub").unwrap_or(before).trim_end(),
    };
    before.is_empty() || before.ends_with(['{', '}', ']'])
}

/// The name in `mod name` at the end of a statement.
fn word_after(statement: &str, keyword: &str) -> Option<String> {
    let mut words = statement.split_whitespace().rev();
    let name = words.next()?;
    (words.next()? == keyword).then(|| name.to_owned())
}

/// Takes a tree such as `crate::a::{b, c as d, e::*}`.
fn read_tree(module: &mut Module, before: &Parts, tree: &str) {
    let tree = tree.trim();
    if let Some((head, list)) = tree.split_once('{') {
        let mut path = before.clone();
        path.extend(head.trim().split("::").filter(|part| !part.is_empty()).map(|part| part.trim().to_owned()));
        for part in split_list(list.trim().strip_suffix('}').unwrap_or(list)) {
            read_tree(module, &path, part);
        }
        return;
    }
    let (path, name) = tree.split_once(" as ").map_or((tree, None), |(path, name)| (path, Some(name.trim())));
    let mut parts = before.clone();
    parts.extend(path.split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()));
    match parts.last().map(String::as_str) {
        Some("*") => {
            parts.pop();
            module.globs.push(parts);
        }
        Some("self") => {
            parts.pop();
            let name = name.map(ToOwned::to_owned).or_else(|| parts.last().cloned());
            if let Some(name) = name {
                module.imports.entry(name).or_insert(parts);
            }
        }
        Some(last) => {
            let name = match name {
                // A trait that is only used for its methods.
                Some("_") => format!("_{}", parts.join("_")),
                name => name.unwrap_or(last).to_owned(),
            };
            // The file's own imports come before those of a module in it.
            module.imports.entry(name).or_insert(parts);
        }
        None => {}
    }
}

/// Splits `a, b::{c, d}, e` at the commas that are in no braces.
fn split_list(list: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, letter) in list.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&list[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[from..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// All `a::b` in the code.
fn paths_in(code: &str) -> BTreeSet<Parts> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
    let words = code.split(|letter: char| !is_part(letter)).filter(|word| word.contains("::"));
    let parts = words.map(|word| word.split("::").filter(|part| !part.is_empty()).map(ToOwned::to_owned).collect());
    parts.filter(|parts: &Parts| parts.len() > 1).collect()
}

/// Replaces comments and the contents of strings by nothing.
fn without_comments(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else if first == '"' {
            code.push_str("\"\"");
            end_of_string(rest)
        } else if rest.starts_with("r\"") || rest.starts_with("r#") {
            end_of_raw_string(rest).unwrap_or(0)
        } else if first == '\'' {
            end_of_character(rest)
        } else {
            0
        };
        if skipped == 0 {
            code.push(first);
        }
        rest = &rest[skipped.max(first.len_utf8())..];
    }
    code
}

fn end_of_string(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => drop(letters.next()),
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn end_of_raw_string(text: &str) -> Option<usize> {
    let marks = text[1..].chars().take_while(|letter| *letter == '#').count();
    let body = text[1 + marks..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(marks));
    body.find(&end).map(|at| 1 + marks + 1 + at + end.len())
}

/// The length of a character literal; 0 for a lifetime.
fn end_of_character(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    match letters.next() {
        Some((_, '\\')) => text[2..].find('\'').map_or(0, |at| at + 3),
        Some(_) => letters.next().filter(|(_, letter)| *letter == '\'').map_or(0, |(at, _)| at + 1),
        None => 0,
    }
}

/// Removes each item below a `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = end_of_block(rest);
        rest = &rest[end..];
    }
    kept.push_str(rest);
    kept
}

/// What a module within a file calls `super` is the file.
fn inline_modules_opened(code: &str) -> String {
    let mut opened = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find("mod ") {
        let head = rest[at..].find(['{', ';']).map_or(rest.len(), |end| at + end);
        opened.push_str(&rest[..head]);
        let is_inline =
            rest[head..].starts_with('{') && rest[at + 4..head].trim().chars().all(|c| c.is_alphanumeric() || c == '_');
        rest = &rest[head..];
        if is_inline {
            let end = end_of_block(rest);
            opened.push_str(&rest[..end].replace("super::", "self::"));
            rest = &rest[end..];
        }
    }
    opened.push_str(rest);
    opened
}

/// The end of what begins at the start of the text: behind its closing brace, or behind a `;` that comes before any brace.
fn end_of_block(text: &str) -> usize {
    let mut depth = 0;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(letter, '}' | ';') {
            return at + 1;
        }
    }
    text.len()
}

/// Which file uses which, both below `src/`.
fn arrows(modules: &Modules) -> BTreeSet<(String, String)> {
    let mut arrows = BTreeSet::new();
    for (at, module) in modules {
        let imports = module.imports.values().chain(&module.globs);
        for path in imports.chain(&module.paths) {
            if let Some(to) = resolve(modules, at, path, 0)
                && to != *at
            {
                arrows.insert((module.file.clone(), modules[&to].file.clone()));
            }
        }
    }
    arrows
}

/// The module that defines what a path in module `at` names; `None` for other crates.
fn resolve(modules: &Modules, at: &Parts, path: &Parts, depth: usize) -> Option<Parts> {
    // Re-exports do not go round in circles in code that compiles; globs of each other may.
    if depth > 16 {
        return None;
    }
    let mut here = at.clone();
    let mut rest = path.as_slice();
    let mut is_rooted = false;
    while let Some((first, more)) = rest.split_first() {
        match first.as_str() {
            "crate" => here = Parts::new(),
            "self" => {}
            "super" => drop(here.pop()),
            _ => break,
        }
        is_rooted = true;
        rest = more;
    }
    let mut is_first = !is_rooted;
    while let Some((name, more)) = rest.split_first() {
        let module = modules.get(&here)?;
        if module.children.contains(name) {
            here.push(name.clone());
            if !modules.contains_key(&here) {
                return None;
            }
        } else if let Some(target) = module.imports.get(name).filter(|target| *target != path || !is_first) {
            let mut target = target.clone();
            target.extend(more.iter().cloned());
            return resolve(modules, &here, &target, depth + 1);
        } else if is_first {
            return None;
        } else {
            let of_glob = |glob: &Parts| {
                let mut target = glob.clone();
                target.extend(rest.iter().cloned());
                resolve(modules, &here, &target, depth + 1).filter(|found| *found != here)
            };
            return module.globs.iter().find_map(of_glob).or(Some(here));
        }
        is_first = false;
        rest = more;
    }
    Some(here)
}

/// Files that reach each other, a line for each group.
fn circles(arrows: &BTreeSet<(String, String)>) -> Vec<String> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in arrows {
        next.entry(from).or_default().push(to);
    }
    let reach: BTreeMap<&str, BTreeSet<&str>> = next.keys().map(|file| (*file, reached(&next, file))).collect();
    let mut circles = BTreeSet::new();
    for (file, seen) in reach.iter().filter(|(file, seen)| seen.contains(**file)) {
        let others = seen.iter().filter(|other| reach.get(**other).is_some_and(|back| back.contains(file)));
        circles.insert(format!("circle: {}", others.copied().collect::<Vec<_>>().join(", ")));
    }
    circles.into_iter().collect()
}

fn reached<'a>(next: &BTreeMap<&'a str, Vec<&'a str>>, from: &'a str) -> BTreeSet<&'a str> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(file) = open.pop() {
        open.extend(next.get(file).into_iter().flatten().copied().filter(|file| seen.insert(*file)));
    }
    seen
}
