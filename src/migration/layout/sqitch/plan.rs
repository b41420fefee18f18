//! `sqitch.plan`: changes in their order, what they depend on, and the ids that follow from all of it.

use super::super::hex;
use crate::migration::{MigrationError, SourceFile};
use sha1::{Digest, Sha1};

/// A plan.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// `%project`.
    pub(super) project: String,
    /// `%uri`.
    pub(super) uri: Option<String>,
    /// In the order they are deployed.
    pub(super) changes: Vec<Change>,
}

/// One change.
#[derive(Debug, Default, Clone)]
pub(super) struct Change {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) note: String,
    /// `2026-09-01T08:00:00Z`.
    pub(super) planned_at: String,
    pub(super) planner: (String, String),
    pub(super) requires: Vec<Dependency>,
    pub(super) conflicts: Vec<Dependency>,
    pub(super) tags: Vec<Tag>,
    /// Tags from here to the change of the same name that replaces it, in the order its script is looked for; empty
    /// where none does.
    pub(super) rework_tags: Vec<String>,
    pub(super) line: usize,
}

/// A tag on a change.
#[derive(Debug, Default, Clone)]
pub(super) struct Tag {
    pub(super) id: String,
    /// Without `@`.
    pub(super) name: String,
    pub(super) note: String,
    pub(super) planned_at: String,
    pub(super) planner: (String, String),
}

/// What a change needs or cannot live with.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Dependency {
    /// Another project's, if it is one.
    pub(super) project: Option<String>,
    /// `change`, `change@tag`, `@tag` or an id.
    pub(super) key: String,
}

impl Dependency {
    /// As registry tables spell it.
    pub(super) fn spelled(&self) -> String {
        self.project.as_ref().map_or_else(|| self.key.clone(), |project| format!("{project}:{}", self.key))
    }
}

impl Change {
    /// Its name, with the next tag where a later change has the same.
    pub(super) fn qualified(&self) -> String {
        match self.tags.first().map(|tag| &tag.name).or(self.rework_tags.first()) {
            Some(tag) if !self.rework_tags.is_empty() => format!("{}@{tag}", self.name),
            _ => self.name.clone(),
        }
    }
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// What Sqitch stops at, with its line.
    pub(super) fn parse(file: &SourceFile) -> Result<Self, MigrationError> {
        let mut plan = Self::default();
        let mut lines = file.text.lines().enumerate().map(|(at, line)| (at + 1, line.trim_end_matches('\r')));
        let mut seen_pragma = false;
        for (number, line) in lines.by_ref() {
            let (content, note) = without_note(line);
            if content.trim().is_empty() {
                if seen_pragma && note.is_empty() {
                    break;
                }
                continue;
            }
            let Some(pragma) = content.trim().strip_prefix('%') else {
                return Err(wrong(file, number, "an empty line has to stand between pragmas and changes"));
            };
            seen_pragma = true;
            let (key, value) = pragma.split_once('=').unwrap_or((pragma, ""));
            match key.trim() {
                "project" => plan.project = value.trim().to_owned(),
                "uri" => plan.uri = Some(canonical(value.trim())),
                _ => {}
            }
        }
        if plan.project.is_empty() {
            return Err(wrong(file, 1, "there is no %project line, without which Sqitch stops"));
        }
        for (number, line) in lines {
            let (content, note) = without_note(line);
            if !content.trim().is_empty() {
                plan.add(file, number, content.trim(), note)?;
            }
        }
        plan.conflicts_are_planned(file)?;
        Ok(plan)
    }

    fn add(&mut self, file: &SourceFile, number: usize, content: &str, note: String) -> Result<(), MigrationError> {
        let wrong = |reason: &str| wrong(file, number, reason);
        let is_tag = content.starts_with('@');
        let rest = content.trim_start_matches(['@', '+', '-']).trim_start();
        let end = rest.find([' ', '\t']).unwrap_or(rest.len());
        let (name, mut rest) = (&rest[..end], rest[end..].trim_start());
        if !is_name(name) || (is_tag && name.contains('/')) {
            return Err(wrong("this is not a name: it begins or ends with punctuation, or holds one of : @ # \\"));
        }
        let mut dependencies = Vec::new();
        if let Some(inside) = rest.strip_prefix('[') {
            let (inside, after) = inside.split_once(']').ok_or_else(|| wrong("the list of dependencies has no ]"))?;
            rest = after.trim_start();
            dependencies = inside.split_whitespace().collect();
        }
        let (planned_at, planner) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        if planned_at.len() != 20 || planned_at.parse::<jiff::Timestamp>().is_err() {
            return Err(wrong("there is no time like 2026-09-01T08:00:00Z after the name"));
        }
        let planner = planner.trim().strip_suffix('>').and_then(|planner| planner.rsplit_once('<'));
        let (planner_name, email) = planner.ok_or_else(|| wrong("there is no planner like `Ada <ada@example.org>`"))?;
        let planner = (planner_name.trim_end().to_owned(), email.to_owned());
        let planned_at = planned_at.to_owned();
        let uri = self.uri.clone();
        let head = |kind: &str, name: &str| {
            let uri = uri.as_ref().map_or_else(String::new, |uri| format!("uri {uri}\n"));
            format!("project {}\n{uri}{kind} {name}\n", self.project)
        };
        let signed = format!("planner {} <{}>\ndate {planned_at}", planner.0, planner.1);
        let noted = if note.is_empty() { String::new() } else { format!("\n\n{note}") };
        if is_tag {
            if tagged(&self.changes, name).is_some() {
                return Err(wrong("this tag is there twice"));
            }
            let head = head("tag", &format!("@{name}"));
            let Some(change) = self.changes.last_mut() else { return Err(wrong("a tag needs a change before it")) };
            let id = id("tag", &format!("{head}change {}\n{signed}{noted}", change.id));
            change.tags.push(Tag { id, name: name.to_owned(), note, planned_at, planner });
            return Ok(());
        }
        let mut change = Change { name: name.to_owned(), line: number, ..Change::default() };
        for spelled in dependencies {
            let (list, spelled) = match spelled.strip_prefix('!') {
                Some(spelled) => (&mut change.conflicts, spelled),
                None => (&mut change.requires, spelled),
            };
            let (project, key) = match spelled.split_once(':') {
                Some((project, key)) => (Some(project.to_owned()).filter(|project| *project != self.project), key),
                None => (None, spelled),
            };
            list.push(Dependency { project, key: key.to_owned() });
        }
        for required in change.requires.iter().filter(|required| required.project.is_none()) {
            if find(&self.changes, &required.key).is_none() {
                return Err(wrong(&format!("it requires {}, which is not planned before it", required.key)));
            }
        }
        let parent = self.changes.last().map_or_else(String::new, |parent| format!("parent {}\n", parent.id));
        let list = |title: &str, sign: char, all: &[Dependency]| match all {
            [] => String::new(),
            all => format!(
                "\n{title}{}",
                all.iter().map(|each| format!("\n  {sign} {}", each.spelled())).collect::<String>()
            ),
        };
        let (requires, conflicts) =
            (list("requires", '+', &change.requires), list("conflicts", '-', &change.conflicts));
        change.id = id("change", &format!("{}{parent}{signed}{requires}{conflicts}{noted}", head("change", name)));
        (change.note, change.planned_at, change.planner) = (note, planned_at, planner);
        if let Some(at) = self.changes.iter().rposition(|each| each.name == name) {
            let tags: Vec<String> =
                self.changes[at..].iter().rev().flat_map(|each| each.tags.iter().map(|tag| tag.name.clone())).collect();
            if tags.is_empty() {
                let line = self.changes[at].line;
                return Err(wrong(&format!("this change is there already, in line {line}, and no tag lies between")));
            }
            self.changes[at].rework_tags = tags;
        }
        self.changes.push(change);
        Ok(())
    }

    /// A conflict with a change that nobody planned is a mistake; one with a later change is none.
    fn conflicts_are_planned(&self, file: &SourceFile) -> Result<(), MigrationError> {
        for change in &self.changes {
            let own = change.conflicts.iter().filter(|conflict| conflict.project.is_none());
            if let Some(unknown) = own.into_iter().find(|conflict| find(&self.changes, &conflict.key).is_none()) {
                return Err(wrong(
                    file,
                    change.line,
                    &format!("it conflicts with {}, which is not planned", unknown.key),
                ));
            }
        }
        Ok(())
    }
}

/// The place of the change that bears a tag.
fn tagged(changes: &[Change], name: &str) -> Option<usize> {
    changes.iter().position(|change| change.tags.iter().any(|tag| tag.name == name))
}

/// The change that `change`, `change@tag`, `@tag` or an id means: the last of that name.
pub(super) fn find<'a>(changes: &'a [Change], key: &str) -> Option<&'a Change> {
    let (name, tag) = key.split_once('@').map_or((key, None), |(name, tag)| (name, Some(tag)));
    let until = match tag {
        Some(tag) => changes.get(..=tagged(changes, tag)?)?,
        None => changes,
    };
    until.iter().rev().find(|change| name.is_empty() || change.name == name || change.id == name)
}

fn wrong(file: &SourceFile, line: usize, reason: &str) -> MigrationError {
    MigrationError::Content { file: file.name.clone(), line, reason: reason.to_owned() }
}

/// What git would call an object with this text.
fn id(kind: &str, text: &str) -> String {
    hex(&Sha1::digest(format!("{kind} {}\0{text}", text.len())))
}

/// A line without what stands after `#`, and that.
fn without_note(line: &str) -> (&str, String) {
    let Some((content, note)) = line.split_once('#') else { return (line, String::new()) };
    let mut text = String::new();
    let mut characters = note.trim().chars().peekable();
    while let Some(each) = characters.next() {
        let escaped = if each == '\\' { characters.peek().copied() } else { None };
        text.push(match escaped {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('\\') => '\\',
            _ => {
                text.push(each);
                continue;
            }
        });
        characters.next();
    }
    (content, text)
}

fn is_name(name: &str) -> bool {
    let is_punctuation = |each: char| each.is_ascii_punctuation() && each != '_';
    !name.is_empty()
        && !name.contains([':', '@', '#', '\\'])
        && !name.starts_with(is_punctuation)
        && !name.ends_with(is_punctuation)
}

/// A URI with scheme and host in lower case, and a path where a host has none.
fn canonical(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else { return uri.to_owned() };
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    format!("{}://{}{path}", scheme.to_lowercase(), host.to_lowercase())
}
