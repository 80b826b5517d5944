//! No circles of imports between the files of `src/`.
//!
//! Every path in the code (in `use` items, expressions, types, patterns, arguments of macros) is resolved to the
//! file that defines what it names: through `use` bindings and re-exports, so that a facade (`pub use child::X`) is
//! no import of the facade's own file. A module may use its own submodules freely: declaring and composing them is
//! what a parent is for. Test code (`#[cfg(test)]`) is left out, and so are method calls, which name no path.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The most bindings followed for one path; more would be a circle of re-exports.
const MAX_HOPS: usize = 32;

#[test]
fn no_file_imports_itself_in_a_circle() {
    let crate_files = CrateFiles::parse(&super::source());
    let imports = crate_files.imports();
    let circles = circles(&imports);
    let found: Vec<String> = circles.iter().map(|circle| describe(circle, &imports)).collect();
    assert!(found.is_empty(), "{} circles of imports:\n\n{}", found.len(), found.join("\n"));
}

/// Keywords with the name of an item behind them.
const DEFINING: [&str; 8] = ["const", "enum", "fn", "static", "struct", "trait", "type", "union"];

#[test]
fn circles_are_found_through_bindings_and_not_through_facades() {
    let circles_of = |files: &[(&str, &str)]| {
        let source: Vec<_> = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        circles(&CrateFiles::parse(&source).imports()).into_iter().map(Vec::from_iter).collect::<Vec<_>>()
    };
    let root = ("lib.rs", "pub mod a; pub mod b;");
    // Each names the other: by a path in a macro, and through what the other's parent imports.
    let found = circles_of(&[
        root,
        ("a.rs", "use crate::b; fn one() { println!(\"{}\", b::two()); }"),
        ("b.rs", "mod c; use crate::a::one; pub fn two() -> u8 { c::three() }"),
        ("b/c.rs", "use super::{one, two}; pub fn three() -> u8 { one(); two() }"),
    ]);
    assert_eq!(found, [["a.rs", "b.rs"]]);
    // A facade stands for the file behind it, also where the item is called like its module.
    let facade = ("a.rs", "mod one; mod other; pub use one::one; pub use other::*; pub struct Own;");
    let users =
        [("a/one.rs", "pub fn one() {}"), ("a/other.rs", "pub struct Other;"), ("b.rs", "use crate::a::{Other, one};")];
    assert!(circles_of(&[&[root, facade][..], &users].concat()).is_empty());
    let back = [("a/one.rs", "pub fn one() { crate::b::two() }"), ("b.rs", "use crate::a; pub fn two() { a::one() }")];
    assert_eq!(circles_of(&[&[root, facade][..], &back].concat()), [["a/one.rs", "b.rs"]]);
    // Tests, comments and texts import nothing.
    let quiet =
        "// crate::a::x()\n#[cfg(test)] mod tests { use crate::a::x; }\npub fn y() -> &'static str { \"crate::a::x\" }";
    assert!(circles_of(&[root, ("a.rs", "pub fn x() { crate::b::y(); }"), ("b.rs", quiet)]).is_empty());
}

/// For each file, the files it imports, with the paths that do so as they are written.
type Imports = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// The names of modules from the crate's root down to this one; empty for the root.
type ModulePath = Vec<String>;

/// What a module makes nameable, as far as resolving paths needs it.
#[derive(Default)]
struct Module {
    file: String,
    /// Items defined here, child modules not among them.
    items: HashSet<String>,
    /// Names bound by `use`, with what they stand for.
    bindings: HashMap<String, Vec<String>>,
    /// The modules imported with `*`.
    globs: Vec<Vec<String>>,
}

/// A path in the code, and where it stands.
struct Mention {
    module: ModulePath,
    path: Vec<String>,
}

/// What a path leads to.
enum Target {
    Module(ModulePath),
    /// Something defined in this module.
    ItemOf(ModulePath),
    /// Nothing of this crate.
    External,
}

/// Every module of the crate and every path its code mentions.
#[derive(Default)]
struct CrateFiles {
    modules: HashMap<ModulePath, Module>,
    mentions: Vec<Mention>,
}

impl CrateFiles {
    fn parse(source: &[(String, String)]) -> Self {
        let mut all = Self::default();
        let mut tests: Vec<ModulePath> = Vec::new();
        for (name, text) in source.iter().filter(|(name, _)| name != "main.rs") {
            let tokens = text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
            let mut collector = Collector { module: module_of(name), file: name, all: &mut all, tests: &mut tests };
            collector.here();
            collector.read(tokens, true);
        }
        // `#[cfg(test)] mod tests;` makes a whole file test code.
        let is_test = |path: &ModulePath| tests.iter().any(|test| path.starts_with(test));
        all.modules.retain(|path, _| !is_test(path));
        all.mentions.retain(|mention| !is_test(&mention.module));
        all
    }

    fn imports(&self) -> Imports {
        let mut imports = Imports::new();
        for mention in &self.mentions {
            let Target::ItemOf(target) = self.resolve(&mention.module, &mention.path, 0) else { continue };
            let own = target.starts_with(&mention.module);
            let (from, to) = (&self.modules[&mention.module].file, &self.modules[&target].file);
            if !own && from != to {
                let written = mention.path.join("::");
                imports.entry(from.clone()).or_default().entry(to.clone()).or_default().insert(written);
            }
        }
        imports
    }

    /// What a path means that stands in this module.
    fn resolve(&self, module: &[String], path: &[String], hops: usize) -> Target {
        let (mut at, mut rest) = (module.to_vec(), path);
        match rest.first().map(String::as_str) {
            Some("crate") => {
                at.clear();
                rest = &rest[1..];
            }
            Some("self") => rest = &rest[1..],
            Some("super") => {
                while rest.first().is_some_and(|first| first == "super") {
                    at.pop();
                    rest = &rest[1..];
                }
            }
            Some(_) => return self.lookup(&at, rest, hops).unwrap_or(Target::External),
            None => return Target::External,
        }
        // What cannot be found was made by a macro of the module that was reached.
        self.lookup(&at, rest, hops).unwrap_or(Target::ItemOf(at))
    }

    /// Follows the names from this module on; `None` where the first of them is unknown here.
    fn lookup(&self, module: &[String], path: &[String], hops: usize) -> Option<Target> {
        let here = self.modules.get(module)?;
        let Some((first, rest)) = path.split_first() else { return Some(Target::Module(module.to_vec())) };
        if hops > MAX_HOPS {
            return None;
        }
        let child = [module, std::slice::from_ref(first)].concat();
        // A re-export may have the name of its module: `pub use resume::resume`.
        let is_item = rest.is_empty() && here.bindings.contains_key(first);
        if self.modules.contains_key(&child) && !is_item {
            return Some(self.lookup(&child, rest, hops).unwrap_or(Target::ItemOf(child)));
        }
        if here.items.contains(first) {
            return Some(Target::ItemOf(module.to_vec()));
        }
        if let Some(bound) = here.bindings.get(first) {
            let whole = [bound.as_slice(), rest].concat();
            return Some(self.resolve(module, &whole, hops + 1));
        }
        here.globs.iter().find_map(|glob| match self.resolve(module, glob, hops + 1) {
            Target::Module(globbed) if globbed != module => self.lookup(&globbed, path, hops + 1),
            _ => None,
        })
    }
}

/// The module a file of `src/` is.
fn module_of(name: &str) -> ModulePath {
    let path = name.strip_suffix(".rs").unwrap_or(name);
    if path == "lib" { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
}

/// Reads the tokens of one file into [`CrateFiles`].
struct Collector<'a> {
    module: ModulePath,
    file: &'a str,
    all: &'a mut CrateFiles,
    tests: &'a mut Vec<ModulePath>,
}

impl Collector<'_> {
    /// Enters the module, so that it is there even where nothing is defined in it.
    fn here(&mut self) -> &mut Module {
        let module = self.all.modules.entry(self.module.clone()).or_default();
        self.file.clone_into(&mut module.file);
        module
    }

    /// Reads tokens that follow one another. Only items of a module can be named from elsewhere, so those within
    /// functions and `impl` blocks are not kept.
    fn read(&mut self, tokens: TokenStream, is_module: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        let mut is_test = false;
        while let Some(token) = tokens.get(at) {
            let next = tokens.get(at + 1);
            match token {
                TokenTree::Punct(mark) if mark.as_char() == '#' => {
                    let group = tokens[at + 1..].iter().take(2).position(|token| matches!(token, TokenTree::Group(_)));
                    let Some(group) = group else { panic!("{}: `#` without an attribute", self.file) };
                    is_test |= tokens[at + 1 + group].to_string().replace(' ', "") == "[cfg(test)]";
                    at += 2 + group;
                }
                _ if is_test => {
                    at = self.skip_test_item(&tokens, at);
                    is_test = false;
                }
                TokenTree::Ident(word) if word == "use" && !is_punct(next, '<') => {
                    let end = at + tokens[at..].iter().take_while(|token| !is_punct(Some(token), ';')).count();
                    self.read_use(&tokens[at + 1..end], &[]);
                    at = end;
                }
                TokenTree::Ident(word) if word == "mod" => {
                    if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) = (next, tokens.get(at + 2)) {
                        self.module.push(name.to_string());
                        self.here();
                        self.read(body.stream(), true);
                        self.module.pop();
                    }
                    at += 3;
                }
                TokenTree::Ident(word) if DEFINING.iter().any(|keyword| word == keyword) => {
                    if let Some(TokenTree::Ident(name)) = next.filter(|_| is_module) {
                        self.here().items.insert(name.to_string());
                    }
                    at += 1;
                }
                TokenTree::Ident(_) => at = self.read_path(&tokens, at),
                TokenTree::Group(group) => {
                    self.read(group.stream(), false);
                    at += 1;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => at += 1,
            }
        }
    }

    /// The place after an item that is compiled for tests only.
    fn skip_test_item(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        let keyword = tokens[at..].iter().position(|token| matches!(token, TokenTree::Ident(word) if word == "mod"));
        if let Some(keyword) = keyword.filter(|place| *place <= 2)
            && let Some(TokenTree::Ident(name)) = tokens.get(at + keyword + 1)
        {
            self.tests.push([self.module.as_slice(), &[name.to_string()]].concat());
        }
        let is_use = matches!(&tokens[at], TokenTree::Ident(word) if word == "use");
        let ends = |token: &TokenTree| match token {
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace && !is_use,
            other => is_punct(Some(other), ';'),
        };
        tokens[at..].iter().position(ends).map_or(tokens.len(), |end| at + end + 1)
    }

    /// One tree of a `use` item, or several with commas between them.
    fn read_use(&mut self, tokens: &[TokenTree], prefix: &[String]) {
        for tree in tokens.split(|token| is_punct(Some(token), ',')) {
            let mut path = prefix.to_vec();
            let mut name = None;
            let mut rest = tree.iter().filter(|token| !is_punct(Some(token), ':'));
            loop {
                match rest.next() {
                    Some(TokenTree::Ident(word)) if word == "as" => name = rest.next().map(ToString::to_string),
                    Some(TokenTree::Ident(word)) if word == "self" && !path.is_empty() => {}
                    Some(TokenTree::Ident(word)) => path.push(word.to_string()),
                    Some(TokenTree::Group(group)) => {
                        self.read_use(&group.stream().into_iter().collect::<Vec<_>>(), &path);
                        break;
                    }
                    Some(TokenTree::Punct(star)) if star.as_char() == '*' => {
                        self.here().globs.push(path);
                        break;
                    }
                    Some(_) => {}
                    None if path.len() == prefix.len() && tree.is_empty() => break,
                    None => {
                        if let Some(name) = name.or_else(|| path.last().cloned()) {
                            self.here().bindings.insert(name, path.clone());
                        }
                        self.mention(path);
                        break;
                    }
                }
            }
        }
    }

    /// A path of names, read from its first on; answers the place behind it.
    fn read_path(&mut self, tokens: &[TokenTree], mut at: usize) -> usize {
        let mut path = Vec::new();
        while let Some(TokenTree::Ident(name)) = tokens.get(at) {
            path.push(name.to_string());
            at += 1;
            if !is_punct(tokens.get(at), ':') || !is_punct(tokens.get(at + 1), ':') {
                break;
            }
            at += 2;
        }
        if path.len() > 1 {
            self.mention(path);
        }
        at
    }

    fn mention(&mut self, path: Vec<String>) {
        self.all.mentions.push(Mention { module: self.module.clone(), path });
    }
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(mark)) if mark.as_char() == wanted)
}

/// The largest sets of files that reach one another, each of two files or more.
fn circles(imports: &Imports) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        imports.keys().map(|file| (file, reached_from(file, imports))).collect();
    let mut circles: Vec<BTreeSet<String>> = Vec::new();
    for (file, others) in &reached {
        if !others.contains(file) || circles.iter().any(|circle| circle.contains(*file)) {
            continue;
        }
        let back = |other: &&&String| reached.get(*other).is_some_and(|reached| reached.contains(file));
        circles.push(others.iter().filter(back).map(|other| (*other).clone()).collect());
    }
    circles
}

fn reached_from<'a>(file: &String, imports: &'a Imports) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut left: Vec<&String> = imports.get(file).into_iter().flat_map(BTreeMap::keys).collect();
    while let Some(next) = left.pop() {
        if reached.insert(next) {
            left.extend(imports.get(next).into_iter().flat_map(BTreeMap::keys));
        }
    }
    reached
}

/// The files of a circle with the imports between them.
fn describe(circle: &BTreeSet<String>, imports: &Imports) -> String {
    let mut text = format!("{} files:\n", circle.len());
    for file in circle {
        for (other, paths) in imports.get(file).into_iter().flatten().filter(|(other, _)| circle.contains(*other)) {
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            writeln!(text, "  {file} -> {other}: {}", paths.join(", ")).unwrap();
        }
    }
    text
}
